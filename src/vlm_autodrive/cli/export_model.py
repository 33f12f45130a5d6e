"""``autodrive export model``: hand a trained model to other programs."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import Out, Overwrite


def export_model(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="What `train` made.")],
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORM", help="merged: for transformers and vLLM; adapter: for peft."),
    ],
    out: Out,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="Of merged weights: auto, bfloat16 or float32.")
    ] = "auto",
    check: Annotated[
        int, typer.Option("--check", min=0, metavar="CLIPS", help="Compare verdicts on so many clips; 0 for none.")
    ] = 8,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="A report or comparison, for the card's figures.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model that others load without this program, with a model card.

    Its direct verdicts are compared with the checkpoint's on validation clips, if the supervision set that it was
    trained on is still there; the card says how they compare.

    Example: autodrive export model runs/mine/checkpoint --to merged --out my-model --report runs/mine/report
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.training import ExportModelSettings
    from vlm_autodrive.training import export_model as export

    chosen = parse_settings(ExportModelSettings, {"to": to, "dtype": dtype, "check": check}, "export model")
    export(checkpoint, out, chosen, make_reporter(), report=report, overwrite=overwrite)
    print(out)
