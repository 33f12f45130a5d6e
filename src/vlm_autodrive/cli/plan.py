"""``autodrive plan``: token counts and memory of a training run, before it starts; the loss mask of a clip."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson, Overrides, RecipeName

DOES_NOT_FIT = 1


def plan(
    supervision: Annotated[Path, typer.Argument(metavar="SUPERVISION", help="What `supervise` made.")],
    settings: Overrides = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="As for `train`.")] = None,
    show: Annotated[
        str | None, typer.Option("--show", metavar="CLIP", help="Show this clip's packed sequence, token by token.")
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", min=0, metavar="N", help="GPUs to plan for; 0 for a CPU. Default: this machine."),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option("--memory", min=0.001, metavar="GB", help="Memory of each GPU. Default: that of this machine."),
    ] = None,
    recipe: RecipeName = None,
    as_json: AsJson = False,
) -> None:
    """Count tokens and frames of every clip, estimate the memory, and say whether training fits.

    Nothing is loaded: a model's configuration is enough, and those of Cosmos-Reason, Qwen2.5-VL and Qwen3-VL are
    shipped. Exits with status 1 if something does not fit, and names settings that would make it fit; training would
    refuse it too.

    Example: autodrive plan runs/mine/supervision --model tiny-base

    Example: autodrive plan runs/nexar/supervision --recipe nexar --gpus 1 --memory 80
    """
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.training import TrainSettings, machine_of, show_loss_mask
    from vlm_autodrive.training import plan as plan_training

    chosen = settings_from(TrainSettings, "train", recipe, settings, model=model)
    if show is not None:
        print(show_loss_mask(supervision, chosen, show))
        return
    planned = plan_training(supervision, chosen, make_reporter(), machine=machine_of(chosen, gpus, memory))
    if as_json:
        print(planned.model_dump_json(indent=1))
    else:
        print("\n".join(planned.lines()))
    if not planned.fits:
        raise typer.Exit(DOES_NOT_FIT)
