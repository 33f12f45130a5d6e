"""``autodrive report``: one HTML file with the proof."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import Out, Overrides, Overwrite, RecipeName


def report(
    comparison: Annotated[Path, typer.Argument(metavar="COMPARISON", help="What `compare` made.")],
    out: Out,
    drives: Annotated[
        Path | None,
        typer.Option(
            "--drives", metavar="DIR", help="What a run found in whole drives, to show too.", show_default=False
        ),
    ] = None,
    settings: Overrides = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
) -> None:
    """Write report.html (one file, no network) and report.json.

    Example: autodrive report runs/mine/comparison --drives runs/mine/drives --out runs/mine/report
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.evaluation.report import write_report
    from vlm_autodrive.evaluation.settings import ReportSettings

    chosen = settings_from(ReportSettings, "report", recipe, settings)
    print(write_report(comparison, out, chosen, make_reporter(), drives=drives, overwrite=overwrite))
