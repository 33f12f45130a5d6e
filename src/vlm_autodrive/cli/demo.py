"""``autodrive demo``: the first minute, with the drives and the model that are shipped."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import vlm_autodrive
from vlm_autodrive.cli.options import Overwrite
from vlm_autodrive.cli.review import WITHOUT_SERVER, has_server, review
from vlm_autodrive.cli.wrapping import wrap_for

if TYPE_CHECKING:
    from vlm_autodrive.metrics import LongVideoScores
    from vlm_autodrive.records import VideoDetections

DRIVES = Path(vlm_autodrive.__file__).parent / "simulated_drives"
TRUTH = DRIVES / "manifest.csv"

_BEFORE = """\
Everything here is simulated: two drives of one minute each, and a tiny model
that has learnt from other simulated drives. It now searches the two for
collisions and near-collisions.
"""
_AFTER = """\
This shows how it works, and says nothing of real video. For that:
  I have trips:          autodrive detect trips --model MODEL --out found
  I have labelled clips: autodrive run own import.path=my-drives/manifest.csv
MODEL is a general model that you serve, or your own after training. README.md
begins with these two ways.
"""


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Gets what is found.")] = Path(
        "runs/demo-quick"
    ),
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Serve the review page at the end, until Ctrl-C.")
    ] = True,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open that page in your browser.")] = True,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port of the page; 0 for a free one.")
    ] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Find the events in two simulated drives, and show them on the review page, within a minute.

    The drives and the model come with the package; nothing is downloaded. A second call finds the search done.

    Example: autodrive demo
    """
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.detection import DetectSettings, detect, score_folder, write_short_list
    from vlm_autodrive.models import TINY_SIMULATED

    print(_BEFORE, flush=True)
    reporter = make_reporter()
    found = detect(sorted(DRIVES.glob("*.mp4")), TINY_SIMULATED, out, DetectSettings(), reporter, overwrite=overwrite)
    index = write_short_list(out, reporter=reporter)
    score = score_folder(out, TRUTH, out)
    told = "\n".join([*map(drive_words, found), score_words(score)])
    print(f"\n{wrap_for(sys.stdout, told)}\n\n{_AFTER}", flush=True)
    if shutil.which("autodrive") is None:
        print(f"To type autodrive like this: source {Path(sys.executable).parent / 'activate'}\n")
    if not page:
        print(f"What was found, as a page: {index}")
    elif not has_server():
        print(f"What was found, as a page: {index}\nTo confirm and correct it, {WITHOUT_SERVER}")
    else:
        review(out, port=port, open_=open_, queue="view=grid")


def drive_words(found: "VideoDetections") -> str:
    """What was found in a drive, in a line."""
    from vlm_autodrive.progress import format_clock

    events = [
        f"{each.event_class.replace('_', '-')} at {format_clock(each.time_s, tenths=True)} ({each.probability:.2f})"
        for each in found.events
    ]
    return f"{Path(found.video).stem}, {format_clock(found.duration_s or 0)} long: {', '.join(events) or 'no event'}"


def score_words(score: "LongVideoScores") -> str:
    """How that compares with what happened in the simulation."""
    counts = score.scores
    wrong = counts.found - round((score.class_right.value or 0.0) * counts.found)
    alarms = {0: "no false alarm", 1: "1 false alarm"}.get(counts.false_alarms, f"{counts.false_alarms} false alarms")
    classes = (
        f"{wrong} of them with the wrong class, which you can correct on the page" if wrong else "each as its class"
    )
    return (
        f"What happened is known: {counts.found} of {counts.events} events were found, within "
        f"{score.tolerance_s:g} s, with {alarms}; {classes}."
    )
