"""``autodrive export``: hand results to other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.cli.export_model import export_model
from vlm_autodrive.cli.options import AsJson, Out, Overwrite

if TYPE_CHECKING:
    from vlm_autodrive.supervision import ExportSummary

app = typer.Typer(
    no_args_is_help=True,
    help="Hand results to other programs.\n\nExample: autodrive export supervision runs/mine/supervision "
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
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Clips cut at once; all cores if not given.")
    ] = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Write accepted questions and answers, with their clips, for another trainer.

    Each clip is cut to a file of its own, since most trainers read whole files. Only what the student is asked and
    answers is written: no label, no event time, no metadata; no rejected sample and no test clip. The folder can be
    moved. docs/export.md has the configuration for each trainer, and says what is lost there.

    Example: autodrive export supervision runs/mine/supervision --to messages --out runs/mine/export

    Example: autodrive export supervision runs/mine/supervision --to hf-parquet --out runs/mine/parquet --json
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.supervision import ExportSettings
    from vlm_autodrive.supervision import export_supervision as export

    chosen = parse_settings(ExportSettings, {"to": to}, "export supervision")
    summary = export(supervision, out, chosen, make_reporter(), workers=workers, overwrite=overwrite)
    if as_json:
        print(summary.model_dump_json(indent=1))
    else:
        _print(summary)
        print(out)


app.command("model")(export_model)


def _print(summary: "ExportSummary") -> None:
    from vlm_autodrive.cli.tables import print_columns

    rows = [
        (split, type_, str(count)) for split, types in summary.samples.items() for type_, count in sorted(types.items())
    ]
    print_columns(("split", "type", "samples"), rows)
