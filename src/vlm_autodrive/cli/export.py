"""``autodrive export``: hand results to other programs."""

import typer

from vlm_autodrive.cli.export_model import export_model

app = typer.Typer(no_args_is_help=True, help="Hand results to other programs.")
app.command("model")(export_model)
