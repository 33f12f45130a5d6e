"""``autodrive run``: all stages of a recipe."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from vlm_autodrive.cli.options import AllFigures, AsJson, Overrides


def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a YAML file.")],
    settings: Overrides = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", metavar="DIR", help="Folder of the run; runs/NAME if not given.", show_default=False),
    ] = None,
    on: Annotated[
        Literal["torchrun", "slurm"] | None,
        typer.Option(
            "--on",
            help="Train in several processes: start them here by torchrun, or print a batch script for Slurm.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            show_default=False,
            help="With --on: training processes of each machine, one for each GPU; as many as there are GPUs here.",
        ),
    ] = None,
    nodes: Annotated[int, typer.Option("--nodes", metavar="N", min=1, help="With --on slurm: how many machines.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --on: print what would be started.")] = False,
    before_training: Annotated[
        bool, typer.Option("--before-training", help="Do the stages before training, and stop.")
    ] = False,
    everything: AllFigures = False,
    as_json: AsJson = False,
) -> None:
    """Run a recipe: import, clips, supervise, train, evaluate, compare, detect and report.

    Stages that are up to date are skipped. Interrupted, the same command resumes; finished, it does nothing.
    --on torchrun trains in several processes and does all else in one.

    Example: autodrive run demo train.epochs=2
    """
    from vlm_autodrive.cli.options import print_json
    from vlm_autodrive.cli.tables import print_run_result
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.errors import UserError
    from vlm_autodrive.runs import (
        load_recipe,
        prepare_training,
        run_recipe,
        slurm_script,
        start_training,
        train_command,
    )

    loaded = load_recipe(recipe, settings or ())
    if settings:
        said = f"{loaded.description.rstrip('.')}. Changed settings: {', '.join(settings)}."
        loaded = loaded.model_copy(update={"description": said.removeprefix(". ")})
    run_dir = run_dir or loaded.default_run_dir
    if on is None and (dry_run or processes is not None):
        raise UserError("--dry-run and --processes go with --on; add --on torchrun or --on slurm.")
    if nodes > 1 and on != "slurm":
        raise UserError("--nodes goes with --on slurm, which starts training on several machines.")
    if on == "slurm":
        print(slurm_script(recipe, settings or (), run_dir, loaded.name, nodes, processes or _gpus_here()))
        return
    if on == "torchrun":
        command = train_command(recipe, settings or (), run_dir, processes or _gpus_here())
        if dry_run:
            print(shlex.join(command))
            return
    if on is not None or before_training:
        prepare_training(loaded, run_dir, make_reporter())
    if before_training:
        return
    if on is not None:
        start_training(command)
    result = run_recipe(loaded, run_dir, make_reporter())
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        print_run_result(result, everything=everything)


def _gpus_here() -> int:
    """How many GPUs there are.

    Raises:
        UserError: If there is none.
    """
    import torch

    from vlm_autodrive.errors import UserError

    if not torch.cuda.device_count():
        raise UserError("there is no GPU here to count; say how many processes are to train, such as --processes 8.")
    return torch.cuda.device_count()
