"""``autodrive report``: the evaluation as an HTML page, and as Markdown for a pull request."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import BlurFaces, Out, Overrides, Overwrite, RecipeName


class Format(StrEnum):
    """What the command prints."""

    HTML = "html"
    MD = "md"


def report(
    comparison: Annotated[Path, typer.Argument(metavar="COMPARISON", help="What `compare` made.")],
    out: Out,
    long_videos: Annotated[
        Path | None,
        typer.Option(
            "--long-videos", metavar="DIR", help="A run's search of long videos, to show too.", show_default=False
        ),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(
            "--corrections",
            metavar="CATALOG",
            help="A catalog of `review export`, to show too.",
            show_default=False,
        ),
    ] = None,
    print_as: Annotated[
        Format,
        typer.Option(
            "--format",
            help="html prints the page's path; md prints report.md, GitHub-flavoured, to paste into a pull request or "
            "to append to a job's summary. The folder holds all three files either way.",
        ),
    ] = Format.HTML,
    with_clips: Annotated[
        bool, typer.Option("--with-clips", help="Write the errors shown as video clips beside the page, to play there.")
    ] = False,
    separate_files: Annotated[
        bool,
        typer.Option(
            "--separate-files",
            help="Write style and pictures beside the page, for a server that forbids inline style, such as Jenkins.",
        ),
    ] = False,
    settings: Overrides = None,
    recipe: RecipeName = None,
    blur: BlurFaces = None,
    overwrite: Overwrite = False,
) -> None:
    """Write report.html (one file, no network), report.json (every metric) and report.md (a summary).

    The page's first part is for somebody who decides, the folded one for statisticians. With --with-clips or
    --separate-files the folder report-files belongs to the page.

    Example: autodrive report runs/mine/comparison --long-videos runs/mine/long_videos --out runs/mine/report

    In a CI job: autodrive report comparison --out report --format md >> "$GITHUB_STEP_SUMMARY"
    """
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.evaluation import HTML_FILE, MARKDOWN_FILE, ReportSettings, write_report

    chosen = settings_from(
        ReportSettings,
        "report",
        recipe,
        settings,
        with_clips=with_clips or None,
        separate_files=separate_files or None,
        blur=blur,
    )
    made = write_report(
        comparison,
        out,
        chosen,
        make_reporter(),
        long_videos=long_videos,
        corrections=corrections,
        overwrite=overwrite,
    )
    print((made / MARKDOWN_FILE).read_text(encoding="utf-8") if print_as is Format.MD else made / HTML_FILE)
