"""``autodrive plan``: tokens and memory of a training before it starts, a clip's loss mask, and capacity by hours."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson, Overrides, RecipeName, is_setting
from vlm_autodrive.cli.wrapping import wrap_for
from vlm_autodrive.errors import UserError

DOES_NOT_FIT = 1


def plan(
    supervision: Annotated[
        Path | None, typer.Argument(metavar="[SUPERVISION]", help="What `supervise` made; none with --hours.")
    ] = None,
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
    hours: Annotated[
        float | None,
        typer.Option("--hours", metavar="H", help="Compute what H hours of video take, from inputs that are shown."),
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", metavar="D", help="With --hours: days to do it in. Default: 7.")
    ] = None,
    cores: Annotated[
        int | None, typer.Option("--cores", min=1, metavar="N", help="With --hours: CPU cores at hand.")
    ] = None,
    recipe: RecipeName = None,
    as_json: AsJson = False,
) -> None:
    """Count tokens and frames of every clip, estimate the memory, and say whether training fits.

    Nothing is loaded: a model's configuration is enough, and those of Cosmos-Reason, Qwen2.5-VL and Qwen3-VL are
    shipped. Exits with status 1 if something does not fit, and names settings that would make it fit; training would
    refuse it too.

    With --hours there is no folder: decoding, GPU hours, storage, the teacher's cost and the bottleneck are computed
    for that much video. Each input is printed with its source, and is set by KEY=VALUE: see docs/scale.md.

    Example: autodrive plan runs/mine/supervision --model tiny-base

    Example: autodrive plan runs/nexar/supervision --recipe nexar --gpus 1 --memory 80

    Example: autodrive plan --hours 10000 --days 7 --cores 64 --gpus 8
    """
    if hours is not None:
        from vlm_autodrive.cli.capacity import capacity_of, print_capacity

        overrides = [*([] if supervision is None else [str(supervision)]), *(settings or ())]
        unfit = {"--show": show, "--memory": memory, "--recipe": recipe}
        unfit |= {text: text for text in overrides if not is_setting(text)}
        if named := [name for name, value in unfit.items() if value is not None]:
            raise UserError(f"--hours is computed without a folder, so leave out {', '.join(named)}.")
        found = capacity_of(overrides, hours=hours, days=days, cores=cores, gpus=gpus, model=model)
        if as_json:
            print(found.model_dump_json(indent=1))
        else:
            print_capacity(found)
        return
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.training import TrainSettings, machine_of, show_loss_mask
    from vlm_autodrive.training import plan as plan_training

    if supervision is None:
        raise UserError("give the folder that `supervise` made, or --hours H for what H hours of video take.")
    if days is not None or cores is not None:
        raise UserError("--days and --cores go with --hours.")
    chosen = settings_from(TrainSettings, "train", recipe, settings, model=model)
    if show is not None:
        print(show_loss_mask(supervision, chosen, show))
        return
    planned = plan_training(supervision, chosen, make_reporter(), machine=machine_of(chosen, gpus, memory))
    if as_json:
        print(planned.model_dump_json(indent=1))
    else:
        print(wrap_for(sys.stdout, "\n".join(planned.lines())))
    if not planned.fits:
        raise typer.Exit(DOES_NOT_FIT)
