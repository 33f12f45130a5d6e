"""Does detection find events that training never saw, and does the calibration promise what then comes?

    python -m benchmarks.long_drives runs/demo/supervision --work s/long-drives --write

For each seed of :data:`SEEDS`, which were fixed beforehand, the demo's recipe trains a model on the demo's supervision.
Each model is calibrated on simulated drives and searches others, at the operating point that its card gives for
:data:`RATE`. No drive is the demo's. What is finished in the work folder is not done again.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import read_taxonomy
from vlm_autodrive.console import make_reporter
from vlm_autodrive.detection import CalibrateSettings, DetectSettings, calibrate, detect, score_folder
from vlm_autodrive.metrics import LongVideoScores
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Estimate, OperatingPoint
from vlm_autodrive.runs import load_recipe
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.training import train

DOCS = Path(__file__).parents[1] / "docs" / "results.md"
SEEDS = (1, 2, 3)
RATE = 6.0
"""False alarms per hour."""
DRIVES = {"calibration": (16, 7001), "test": (26, 7002)}
"""How many drives of 300 s with 4 events each, and the seed of their simulation."""


@dataclass(frozen=True)
class Trained:
    """One training.

    Attributes:
        seed: Its seed.
        promised: What the calibration says of its operating point.
        found: What came of it on other drives.
    """

    seed: int
    promised: OperatingPoint
    found: LongVideoScores


def simulate_drives(work: Path, reporter: Reporter) -> dict[str, Path]:
    """The ground truth of the drives to calibrate on and of those to search."""
    for name, (count, seed) in DRIVES.items():
        simulate(work / name, SimulateSettings(triplets=0, singles=0, long_videos=count, seed=seed), reporter)
    return {name: work / name / "long_videos" / "manifest.csv" for name in DRIVES}


def measure(supervision: Path, work: Path, seed: int, drives: dict[str, Path], reporter: Reporter) -> Trained:
    """Train with a seed, calibrate, and search."""
    settings = load_recipe("demo").train.model_copy(update={"seed": seed})
    checkpoint = train(supervision, work / "checkpoint", settings, reporter, frame_cache=work.parent / "frames")
    rates = CalibrateSettings(rates=(1.0, 2.0, RATE), max_false_alarms_per_hour=RATE)
    calibration = calibrate(str(checkpoint), drives["calibration"], (), work / "calibration", rates, reporter)
    promised = calibration.point(RATE)
    assert promised is not None
    videos = sorted(drives["test"].parent.glob("*.mp4"))
    detect(videos, str(checkpoint), work / "found", DetectSettings(reasoning=False), reporter)
    found = score_folder(work / "found", drives["test"], work / "score", read_taxonomy(checkpoint))
    return Trained(seed, promised, found)


def table(trained: list[Trained]) -> list[str]:
    """The figures of every training."""
    lines = [
        "| seed | threshold | recall promised | recall | false alarms per hour promised | false alarms per hour "
        "| median error, s | class right |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in trained:
        promised, found = each.promised, each.found
        rates = _told(promised.recall), _told(found.scores.recall), _told(promised.false_alarms_per_hour)
        cells = (each.seed, f"{found.threshold:.3f}", *rates, _told(found.scores.false_alarms_per_hour))
        lines.append(
            f"| {' | '.join(map(str, cells))} | {found.median_error_s or 0:.2f} | {_told(found.class_right)} |"
        )
    return lines


def _told(figure: Estimate) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("supervision", type=Path, help="The demo's, such as runs/demo/supervision.")
    parser.add_argument("--work", type=Path, required=True, help="Gets drives, checkpoints and detections.")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--write", action="store_true", help="Put the table into docs/results.md.")
    arguments = parser.parse_args()
    reporter = make_reporter()
    drives = simulate_drives(arguments.work, reporter)
    trained = []
    for seed in arguments.seeds:
        trained.append(measure(arguments.supervision, arguments.work / f"seed-{seed}", seed, drives, reporter))
        print(table(trained)[-1], flush=True)
    first, (count, _) = trained[0].found.scores, DRIVES["calibration"]
    lines = [
        *table(trained),
        "",
        f"{first.hours:.2f} hours with {first.events} events; calibrated on {count} other drives. Brackets hold 95 % "
        f"confidence intervals. Machine: {torch.get_num_threads()} threads of an {processor_name()}, no GPU.",
    ]
    print("\n".join(lines))
    if arguments.write:
        write_table("long drives", lines, DOCS)


if __name__ == "__main__":
    main()
