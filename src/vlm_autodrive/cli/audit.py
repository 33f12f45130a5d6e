"""``autodrive audit``: leakage between splits, and shortcuts to the class."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson
from vlm_autodrive.cli.wrapping import wrap_for

LEAK = 1


def audit(
    folder: Annotated[Path, typer.Argument(metavar="CATALOG|CLIPS", help="What `import` or `clips` made.")],
    skip_frames: Annotated[
        bool,
        typer.Option("--skip-frames", help="Leave out near-duplicate frames, whose search decodes every video."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of folds and bootstrap.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Look for leakage between splits, and for shortcuts to the class.

    Leaks: drives, footage and files that two splits share, and near-duplicate frames. Shortcuts: whether a classifier
    without pixels predicts the class from duration, fps, bitrate, codec, sizes, position, file name or source; by the
    area under the ROC curve, for event against none and for each class against the rest, cross-validated by drive,
    with 95 % confidence intervals.

    Exits with status 1 if anything leaks from one split to another. Shortcuts are reported and leave the status at 0.

    Example: autodrive audit runs/mine/clips
    """
    from vlm_autodrive.clips import audit as audit_set
    from vlm_autodrive.console import make_reporter

    found = audit_set(folder, make_reporter(), frames=not skip_frames, seed=seed)
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        print(wrap_for(sys.stdout, "\n".join(found.lines())))
    if found.leaks_across_splits:
        raise typer.Exit(LEAK)
