"""``autodrive run``: all stages of a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AllFigures, AsJson, Overrides


def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a YAML file.")],
    settings: Overrides = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", metavar="DIR", help="Folder of the run; runs/NAME if not given.", show_default=False),
    ] = None,
    everything: AllFigures = False,
    as_json: AsJson = False,
) -> None:
    """Run a recipe: import, clips, supervise, train, evaluate, compare, detect and report.

    Stages that are up to date are skipped. Interrupted, the same command resumes; finished, it does nothing.

    Example: autodrive run demo train.epochs=2
    """
    from vlm_autodrive.cli.options import print_json
    from vlm_autodrive.cli.tables import print_run_result
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.runs import load_recipe, run_recipe

    loaded = load_recipe(recipe, settings or ())
    result = run_recipe(loaded, run_dir or loaded.default_run_dir, make_reporter())
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        print_run_result(result, everything=everything)
