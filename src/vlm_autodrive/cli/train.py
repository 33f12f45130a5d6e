"""``autodrive train``: fine-tune a model on a supervision set."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import Out, Overrides, Overwrite, RecipeName


def train(
    supervision: Annotated[Path, typer.Argument(metavar="SUPERVISION", help="What `supervise` made.")],
    out: Out,
    settings: Overrides = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="The base model: tiny-base, a folder, or a name on the hub."),
    ] = None,
    recipe: RecipeName = None,
    frame_cache: Annotated[
        Path | None,
        typer.Option(
            "--frame-cache",
            metavar="DIR",
            help="Folder of decoded frames; .frames beside --out if not given.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Fine-tune a model on a supervision set.

    Interrupted, the same command resumes from the last checkpoint. On several GPUs or machines, start it with
    torchrun: torchrun --nproc_per_node 8 -m vlm_autodrive train ...

    Example: autodrive train runs/mine/supervision --model tiny-base --out runs/mine/checkpoint epochs=2
    """
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.progress import SILENT
    from vlm_autodrive.training import TrainSettings, launched_rank
    from vlm_autodrive.training import train as train_model

    chosen = settings_from(TrainSettings, "train", recipe, settings, model=model)
    is_first = launched_rank() == 0
    reporter = make_reporter() if is_first else SILENT
    trained = train_model(supervision, out, chosen, reporter, frame_cache=frame_cache, overwrite=overwrite)
    if is_first:
        print(trained)
