"""``autodrive import``: read a data set into a catalog."""

from typing import Annotated

import typer

from vlm_autodrive.addresses import plain_path
from vlm_autodrive.cli.options import Out, Overwrite, RecipeName
from vlm_autodrive.errors import UserError


def import_(
    format_: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="The format: manifest, video-folder, nexar or another that docs/data.md describes.",
        ),
    ],
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="PATH|KEY=VALUE", help="Its folder or annotation file, or several; then settings."),
    ],
    out: Out,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a data set with anything wrong in it, and write nothing.")
    ] = False,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
) -> None:
    """Read a data set's videos and annotations into a catalog.

    Whatever cannot be imported unchanged is listed in issues.jsonl with file, line, field, value and what to do.
    Every row of the file is either imported or listed there. What is recorded of the incidents, from the weather to the
    impact side, is read where the data set has it; a manifest may have a column for each (docs/data.md).

    Example: autodrive import manifest my-drives/manifest.csv --out runs/mine/catalog

    Example: autodrive import nexar data/nexar --out runs/n/catalog overlay=test.json taxonomy=paper
    """
    from vlm_autodrive.artifacts import VIDEOS_FILE
    from vlm_autodrive.cli.options import is_setting, settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.datasets import ImportSettings, import_dataset
    from vlm_autodrive.records import Video, iterate_jsonl

    paths = [plain_path(text) for text in arguments if not is_setting(text)]
    if not paths:
        raise typer.BadParameter("name at least one folder or file.")
    overrides = [text for text in arguments if is_setting(text)]
    chosen = settings_from(ImportSettings, "import", recipe, overrides, strict=strict or None)
    catalog = import_dataset(format_, paths, out, chosen, make_reporter(), overwrite=overwrite)
    print(catalog)
    first = ""
    for video in iterate_jsonl(catalog / VIDEOS_FILE, Video):
        if not video.problem:
            return
        first = first or f"{video.path}: {video.problem}"
    if first:
        raise UserError(f"no video can be used; the first is {first}. {catalog / VIDEOS_FILE} lists all.")
