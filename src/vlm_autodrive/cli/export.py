"""``autodrive export``: samples and models for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.cli.options import AsJson, BlurFaces, Out, Overwrite

if TYPE_CHECKING:
    from vlm_autodrive.supervision import ExportSummary

app = typer.Typer(
    no_args_is_help=True,
    help="Export samples and models for other programs.\n\nExample: autodrive export supervision runs/mine/supervision "
    "--to messages --out runs/mine/export",
)


@app.command("supervision")
def export_supervision(
    supervision: Annotated[Path, typer.Argument(metavar="SUPERVISION", help="What `supervise` made.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="messages: for LLaMA-Factory, ms-swift, TRL and cosmos-rl; hf-parquet: for datasets.load_dataset.",
        ),
    ],
    out: Out,
    height: Annotated[
        int | None,
        typer.Option(
            "--height", metavar="PIXELS", help="Of the clips' pictures, with --width; if not given, as in the videos."
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option("--width", metavar="PIXELS", help="Likewise; give both as in your sampling."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Clips cut at once; all cores if not given.")
    ] = None,
    blur: BlurFaces = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the accepted SFT samples, with their clips, for another trainer.

    Each clip is cut to a file of its own, since most trainers read whole files; what another export beside this one
    has cut is linked. Only prompts and targets are written: no label, no event time, no metadata, no rejected sample
    and no test clip. The folder can be moved. docs/export.md has the configuration for each trainer, and what that
    trainer cannot do.

    Example: autodrive export supervision s/supervision --to messages --height 224 --width 448 --out s/export

    Example: autodrive export supervision runs/mine/supervision --to hf-parquet --out runs/mine/parquet --json
    """
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.supervision import ExportSettings
    from vlm_autodrive.supervision import export_supervision as export

    chosen = parse_settings(
        ExportSettings, {"to": to, "height": height, "width": width, "blur": blur}, "export supervision"
    )
    summary = export(supervision, out, chosen, make_reporter(), workers=workers, overwrite=overwrite)
    if as_json:
        print(summary.model_dump_json(indent=1))
    else:
        _print(summary)
        print(out)


@app.command("model")
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
    base: Annotated[
        str,
        typer.Option(
            "--base", metavar="NAME[@REVISION]", help="Hub name of the base, if it was trained from a folder."
        ),
    ] = "",
    check: Annotated[
        int, typer.Option("--check", min=0, metavar="CLIPS", help="Compare verdicts on so many clips; 0 for none.")
    ] = 8,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="A report or comparison, for the card's metrics."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model that others load without this program, with a model card.

    Its direct verdicts are compared with the checkpoint's on validation clips, if the supervision set that it was
    trained on is still there; the card says how they compare.

    Example: autodrive export model runs/mine/checkpoint --to merged --out my-model --report runs/mine/report
    """
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.training import ExportModelSettings
    from vlm_autodrive.training import export_model as export

    chosen = parse_settings(
        ExportModelSettings, {"to": to, "dtype": dtype, "base": base, "check": check}, "export model"
    )
    export(checkpoint, out, chosen, make_reporter(), report=report, overwrite=overwrite)
    print(out)


def _print(summary: "ExportSummary") -> None:
    from vlm_autodrive.cli.tables import print_columns

    rows = [
        (split, type_, str(count)) for split, types in summary.samples.items() for type_, count in sorted(types.items())
    ]
    print_columns(("split", "type", "samples"), rows)
