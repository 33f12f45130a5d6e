"""``autodrive import``: read somebody's data set into a catalog."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import Out, Overrides, Overwrite, RecipeName


def import_(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="How it is laid out: nexar or manifest.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Its folder, or the manifest file.")],
    out: Out,
    settings: Overrides = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
) -> None:
    """Read a data set's videos and annotations into a catalog.

    Example: autodrive import manifest my-drives/manifest.csv --out runs/mine/catalog
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.datasets.importing import import_dataset
    from vlm_autodrive.datasets.settings import ImportSettings

    chosen = settings_from(ImportSettings, "import", recipe, settings)
    print(import_dataset(format_, path, out, chosen, make_reporter(), overwrite=overwrite))
