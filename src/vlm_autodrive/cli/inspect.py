"""``autodrive inspect``: contact sheets of clips."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import BlurFaces


def inspect(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="What `clips` made.")],
    clip: Annotated[
        list[str] | None,
        typer.Option("--clip", metavar="ID", help="Show this clip; may be repeated. Else some are drawn at random."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Picture (.png) to write.")] = Path(
        "contact-sheet.png"
    ),
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many clips to draw.")] = 12,
    frames: Annotated[int, typer.Option("--frames", metavar="N", min=1, max=60, help="Frames of each clip.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the draw.")] = 0,
    blur: BlurFaces = None,
) -> None:
    """Show clips as contact sheets in one picture: frames with their times, the class, and the moment of the event.

    Without --clip, some of each class are drawn, and unusable ones with their reasons. To watch the clips and correct
    their labels, use `autodrive review CLIPS`.

    Example: autodrive inspect runs/mine/clips --most 20 --out look.png
    """
    from vlm_autodrive.clips import inspect_clips
    from vlm_autodrive.console import make_reporter

    reporter = make_reporter()
    made = inspect_clips(clips, out, reporter, clip_ids=clip or (), most=most, frames=frames, seed=seed, blur=blur)
    reporter.say(f"{made.shown} of {made.of} clips are shown.")
    print(made.out)
