"""``autodrive run``: all stages of a recipe."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.addresses import is_mirrored
from vlm_autodrive.cli.options import AllFigures, AsJson, Overrides


def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a YAML file.")],
    settings: Overrides = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", metavar="DIR", help="Folder of the run; runs/NAME if not given.", show_default=False),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="PLACE",
            help="torchrun: train in several processes of this machine. slurm: print a batch script for Slurm. "
            "ray[=ADDRESS]: do what is done clip by clip or video by video on a Ray cluster, or in workers of this "
            "machine if no address is given.",
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
    --on torchrun trains in several processes and does all else in one. --on ray decodes, supervises, evaluates and
    detects on a cluster, and trains in one process; add --before-training to train with --on torchrun or slurm.
    See docs/cluster.md.

    Example: autodrive run demo train.epochs=2
    """
    from vlm_autodrive.cli.options import on_cluster_if, print_json
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
    place = (on or "").partition("=")[0]
    if on is not None and (place not in ("torchrun", "slurm", "ray") or (place != "ray" and place != on)):
        raise UserError(f"--on {on} is no place to run; give torchrun, slurm, ray or ray=ADDRESS.")
    starts_training = place in ("torchrun", "slurm")
    if not starts_training and (dry_run or processes is not None):
        raise UserError("--dry-run and --processes go with --on torchrun or --on slurm; add one of them.")
    if nodes > 1 and place != "slurm":
        raise UserError("--nodes goes with --on slurm, which starts training on several machines.")
    if place == "slurm":
        if is_mirrored(run_dir):
            raise UserError(
                "--on slurm needs a folder that all machines share, not an address; give another --run-dir."
            )
        print(slurm_script(recipe, settings or (), run_dir, loaded.name, nodes, processes or _gpus_here()))
        return
    command = []
    if place == "torchrun":
        command = train_command(recipe, settings or (), run_dir, processes or _gpus_here())
        if dry_run:
            print(shlex.join(command))
            return
    reporter = make_reporter()
    with on_cluster_if(None if starts_training else on, reporter) as executor:
        if starts_training or before_training:
            prepare_training(loaded, run_dir, reporter, executor=executor)
        if before_training:
            return
        if command:
            start_training(command)
        result = run_recipe(loaded, run_dir, reporter, executor=executor)
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
