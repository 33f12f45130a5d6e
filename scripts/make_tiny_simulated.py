"""Make what `autodrive demo` shows: the shipped fine-tuned model, and two simulated drives.

    autodrive run demo
    python -m scripts.make_tiny_simulated runs/demo/checkpoint --work runs/tiny-simulated --install

The model is the demo's, in bfloat16, calibrated on an hour of other simulated drives. No recipe uses their seed, nor
that of the two drives that are shipped. These show, and measure nothing: of the first two pairs of drives in daylight
with events of both classes, it is the one in which the model names every class rightly.
"""

import argparse
import shutil
from pathlib import Path

from scripts.make_tiny_base import ship
from vlm_autodrive.artifacts import write_text
from vlm_autodrive.cli.demo import DRIVES
from vlm_autodrive.console import make_reporter
from vlm_autodrive.detection import CalibrateSettings, calibrate
from vlm_autodrive.models import TINY_SIMULATED, read_card, resolve_model
from vlm_autodrive.simulation import SimulateSettings, simulate

CALIBRATION = SimulateSettings(seed=900_003, triplets=0, singles=0, long_videos=12)
SHOWN = SimulateSettings(
    seed=900_015, triplets=0, singles=0, long_videos=2, long_video_duration_s=60, long_video_events=2
)
RATE = 5.0
"""False alarms per hour of the operating point that is used unless another is asked for."""


def main() -> None:
    """Make both; what is finished in the work folder is not done again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="what `autodrive run demo` trained, runs/demo/checkpoint")
    parser.add_argument("--work", type=Path, default=Path("runs/tiny-simulated"), help="folder for all that is made")
    parser.add_argument("--install", action="store_true", help="replace what the package ships")
    arguments = parser.parse_args()
    work: Path = arguments.work
    model, drives = work / TINY_SIMULATED, work / "shown"
    make_model(arguments.checkpoint, model, work)
    make_drives(drives, work)
    if arguments.install:
        for made, shipped in ((model, Path(resolve_model(TINY_SIMULATED))), (drives, DRIVES)):
            shutil.rmtree(shipped, ignore_errors=True)
            shutil.copytree(made, shipped)


def make_model(checkpoint: Path, model: Path, work: Path) -> None:
    """The checkpoint in bfloat16, with its card and a calibration of these very weights."""
    reporter = make_reporter()
    drives = simulate(work / "calibration-drives", CALIBRATION, reporter)
    card = read_card(str(checkpoint))
    ship(checkpoint, model, card.model_copy(update={"name": TINY_SIMULATED, "calibration": None}))
    truth, settings = drives / "long_videos" / "manifest.csv", CalibrateSettings(max_false_alarms_per_hour=RATE)
    calibrate(str(model), truth, (), work / "calibration", settings, reporter, overwrite=True)


def make_drives(drives: Path, work: Path) -> None:
    """The two drives, under names of their own, with their ground truth."""
    made = simulate(work / "shown-drives", SHOWN, make_reporter()) / "long_videos"
    shutil.rmtree(drives, ignore_errors=True)
    drives.mkdir()
    truth = (made / "manifest.csv").read_text(encoding="utf-8")
    for number, video in enumerate(sorted(made.glob("*.mp4")), start=1):
        shutil.copyfile(video, drives / f"drive-{number}.mp4")
        truth = truth.replace(f"{video.name},", f"drive-{number}.mp4,").replace(f",{video.stem},", f",drive-{number},")
    write_text(drives / "manifest.csv", truth)


if __name__ == "__main__":
    main()
