"""How often the intervals that stand beside our figures hold the truth.

    python -m benchmarks.interval_coverage

Test sets are drawn from a world whose figures are known, each figure gets its interval as in a report, and the share
of the intervals that hold the truth is counted. Drives differ in how hard they are, so the clips of a drive are right
or wrong together. The table is written into docs/statistics.md between the marks.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.docs_table import write_table
from vlm_autodrive.metrics import (
    Bootstrap,
    Estimate,
    at_temperature,
    calibration_estimates,
    classification,
    ranking,
)
from vlm_autodrive.metrics.calibration import calibration_error, equal_mass_bins

DOCS = Path(__file__).parents[1] / "docs" / "statistics.md"
MIXES = {"10/15/75 %": (0.10, 0.15, 0.75), "balanced": (1 / 3, 1 / 3, 1 / 3)}
UNEVEN = (1, 1, 2, 2, 3, 3, 4, 8)
STRUCTURES = {"independent": (1,), "drives of 3": (3,), "drives of 1 to 8": UNEVEN}
FIGURES = (
    "accuracy",
    "recall of Collision",
    "macro-F1",
    "AP of Collision",
    "ECE",
    "ECE, calibrated",
    "difference of accuracy",
    "difference of macro-F1",
)
SIZES = (50, 100, 200)
_NAMES = ("collision", "near_collision", "normal")
_SKILL = np.array([[1.6, 1.2, 1.8], [1.0, 0.6, 1.6]])  # of both models, by true class
_DRIVE, _CLIP, _SURE = 1.0, 0.8, 1.6  # spread between drives, what both models share of a clip, and overconfidence
_COOLED = 2.1  # the temperature at which the probabilities are nearly right

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A test set: each clip's true class, its drive, and both models' probabilities of the classes."""

    truths: NDArray[np.intp]
    drives: list[int]
    probabilities: Floats


def draw(rng: np.random.Generator, n: int, mix: tuple[float, ...], sizes: tuple[int, ...]) -> Sample:
    """Draw a test set of ``n`` clips in drives of the given sizes, over and over, the last one cut short."""
    drives = np.repeat(np.arange(n), np.resize(sizes, n))[:n]
    truths = rng.choice(len(mix), size=n, p=mix)
    ease = _DRIVE * rng.normal(size=n)[drives]
    logits = rng.normal(size=(2, n, len(mix))) + _CLIP * rng.normal(size=(n, len(mix)))
    logits[:, np.arange(n), truths] += _SKILL[:, truths] + ease
    powers = np.exp(_SURE * logits)
    return Sample(truths, drives.tolist(), powers / powers.sum(axis=2, keepdims=True))


@lru_cache
def truth(mix: tuple[float, ...], clips: int = 1_000_000, seed: int = 7) -> dict[str, float]:
    """The figures of the world itself, from a draw of so many clips, each a drive of its own."""
    sample = draw(np.random.default_rng(seed), clips, mix, (1,))
    first, second = (_table(sample, model) for model in (0, 1))
    probabilities = sample.probabilities[0]
    positive = sample.truths == 0
    order = np.argsort(-probabilities[:, 0])
    hits = positive[order]
    return {
        "accuracy": float(classification.accuracy(first)),
        "recall of Collision": float(classification.recall(first)[0]),
        "macro-F1": float(classification.macro_f1(first)),
        "AP of Collision": float((np.cumsum(hits) / np.arange(1, clips + 1))[hits].mean()),
        "ECE": _finely(probabilities, sample.truths),
        "ECE, calibrated": _finely(at_temperature(probabilities, _COOLED), sample.truths),
        "difference of accuracy": float(classification.accuracy(second) - classification.accuracy(first)),
        "difference of macro-F1": float(classification.macro_f1(second) - classification.macro_f1(first)),
    }


def figures(sample: Sample, resamples: int) -> Iterator[tuple[str, Estimate]]:
    """The figures of a test set, with the intervals that a report gives them."""
    bootstrap = Bootstrap(sample.drives, resamples)
    probabilities = sample.probabilities[0]
    said, positive = probabilities.argmax(axis=1), sample.truths == 0
    first, second = (_tables(sample, model) for model in (0, 1))
    yield "accuracy", bootstrap.proportion(said == sample.truths)
    yield "recall of Collision", bootstrap.select(positive).proportion(said[positive] == 0)
    yield "macro-F1", bootstrap.estimate(first, classification.macro_f1)
    yield "AP of Collision", ranking(probabilities[:, 0], positive, bootstrap).average_precision
    yield "ECE", calibration_estimates(probabilities, sample.truths, bootstrap).ece
    cooled = at_temperature(probabilities, _COOLED)
    yield "ECE, calibrated", calibration_estimates(cooled, sample.truths, bootstrap).ece
    for name, statistic in (("accuracy", classification.accuracy), ("macro-F1", classification.macro_f1)):
        yield f"difference of {name}", bootstrap.difference(first, second, statistic)


def coverage(
    n: int, mix: tuple[float, ...], sizes: tuple[int, ...], trials: int, resamples: int = 2000, seed: int = 0
) -> dict[str, tuple[int, int]]:
    """How many intervals of each figure hold the truth, and how many there were; a figure may be undefined."""
    known, rng = truth(mix), np.random.default_rng(seed)
    held = {name: [0, 0] for name in FIGURES}
    for _ in range(trials):
        for name, figure in figures(draw(rng, n, mix, sizes), resamples):
            if figure.low is not None and figure.high is not None:
                held[name][0] += figure.low <= known[name] <= figure.high
                held[name][1] += 1
    return {name: (hits, count) for name, (hits, count) in held.items()}


def _finely(probabilities: Floats, truths: NDArray[np.intp]) -> float:
    """The calibration error over a hundred bins."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truths
    return calibration_error(confidence, right, equal_mass_bins(confidence, 100))


def _tables(sample: Sample, model: int) -> Floats:
    tables = np.zeros((len(sample.truths), 3, 4))
    tables[np.arange(len(tables)), sample.truths, sample.probabilities[model].argmax(axis=1)] = 1
    return tables


def _table(sample: Sample, model: int) -> Floats:
    return np.bincount(sample.truths * 4 + sample.probabilities[model].argmax(axis=1), minlength=12).reshape(3, 4) * 1.0


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="put the table into docs/statistics.md")
    arguments = parser.parse_args()
    lines = [f"| classes | clips are | clips | {' | '.join(FIGURES)} |", "|---|---|---|" + "---|" * len(FIGURES)]
    for mix_name, mix in MIXES.items():
        for structure, sizes in STRUCTURES.items():
            for n in SIZES:
                held = coverage(n, mix, sizes, arguments.trials)
                cells = [f"{100 * hits / count:.1f}" for hits, count in held.values()]
                lines.append(f"| {mix_name} | {structure} | {n} | {' | '.join(cells)} |")
                print(lines[-1], flush=True)
    lines.append(
        f"\n{arguments.trials} test sets a row; the standard error of a share of 95 % is "
        f"{100 * (0.95 * 0.05 / arguments.trials) ** 0.5:.1f} %. `python -m benchmarks.interval_coverage --write` "
        "makes this table."
    )
    if arguments.write:
        write_table("interval coverage", lines, DOCS)


if __name__ == "__main__":
    main()
