"""``autodrive audit``: what leaks between splits, and what gives the class away."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson

LEAK = 1


def audit(
    folder: Annotated[Path, typer.Argument(metavar="CATALOG|CLIPS", help="What `import` or `clips` made.")],
    skip_frames: Annotated[
        bool, typer.Option("--skip-frames", help="Leave out the comparison of frames, which decodes every video.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of folds and resampling.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Look for leaks between splits, and for shortcuts to the class.

    Drives, footage and files that two splits share, and frames that look the same. Then, whether a classifier
    that sees no picture tells the classes apart by duration, fps, bitrate, codec, sizes, position, file name or
    source: areas under the ROC curve, of event against none and of each class against the rest, from folds that
    keep drives whole, with 95 % intervals.

    Ends with status 1 if anything leaks from one split to another. Shortcuts are told and leave the status at 0.

    Example: autodrive audit runs/mine/clips
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.clips import audit as audit_set

    found = audit_set(folder, make_reporter(), frames=not skip_frames, seed=seed)
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        print("\n".join(found.lines()))
    if found.leaks_across_splits:
        raise typer.Exit(LEAK)
