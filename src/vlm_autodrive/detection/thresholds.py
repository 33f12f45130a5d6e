"""Fitting of the threshold on videos with ground truth, under a limit on false alarms per hour."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.detection.events import event_probability, merge_windows
from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.detection.results import read_detections
from vlm_autodrive.detection.scan import CERTAIN
from vlm_autodrive.detection.scoring import TOLERANCE_S, score_detections, times_of
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import Estimate, match_events
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, Record, Taxonomy, VideoDetections

THRESHOLD_FILE = "threshold.json"

_MAX_CANDIDATES = 150


class FittedThreshold(Record):
    """A threshold, and its metrics on the videos that it was fitted on: its ``threshold.json``.

    Attributes:
        threshold: The probability from which a window counts.
        max_false_alarms_per_hour: The limit that it was fitted under.
        tolerance_s: How far a detected event may lie from the true one.
        model: The model whose scores it was fitted on.
        videos: How many videos those were.
        hours: Their length.
        events: Their true events.
        recall: Proportion of them found, with its confidence interval. On these videos: expect a little less on others.
        false_alarms_per_hour: With its confidence interval. On these videos: expect a little more on others.
        warning: What to mind in reading the intervals; empty if nothing.
    """

    threshold: float
    max_false_alarms_per_hour: float
    tolerance_s: float
    model: str
    videos: int
    hours: float
    events: int
    recall: Estimate
    false_alarms_per_hour: Estimate
    warning: str


def fit_threshold(
    detections: Sequence[VideoDetections],
    truths: Mapping[str, Sequence[Event]],
    max_false_alarms_per_hour: float,
    settings: DetectSettings,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    tolerance_s: float = TOLERANCE_S,
) -> float:
    """The threshold with the best recall at no more than so many false alarms per hour.

    The stored scores of the windows are merged anew at many thresholds; the model does not run again. Thresholds lie
    midway between scores that occur, and of several that do equally well the one nearest to the middle between the
    lowest and the highest is taken, so that the choice depends on no single window. (Not the middle one of their
    number: most windows of a quiet video score next to nothing, and a threshold down there floods another video.)
    Every higher threshold must keep to the limit too: far down, nearly all windows merge into a few long events, which
    are few false alarms by accident. The times that a reasoning trace refined are not used.

    Args:
        detections: Scanned videos, other ones than those to be detected in later.
        truths: The true events of each, by the name that its detections bear; videos without entry are left out.
        max_false_alarms_per_hour: The limit.
        settings: How windows are merged; its threshold is not used, and its ``low_threshold`` never exceeds the
            threshold that is tried.
        taxonomy: The classes.
        tolerance_s: How far a detected event may lie from the true one.

    Raises:
        UserError: If there is no true event, if the model gave no probabilities, or if no threshold keeps to the limit.
    """
    kept = [each for each in detections if each.video in truths]
    hours = sum(each.duration_s or 0.0 for each in kept) / 3600
    true = [times_of(truths[each.video]) for each in kept]
    if hours == 0 or not any(true):
        raise UserError("A threshold can only be fitted on videos that were scanned and hold true events.")
    if any(window.reason == CERTAIN for each in kept for window in each.windows):
        raise UserError("The model gave no probabilities for these videos, so there is no threshold to fit.")
    results = []
    for threshold in _candidates(kept, taxonomy):
        tried = with_threshold(settings, threshold)
        found = alarms = 0
        for each, wanted in zip(kept, true, strict=True):
            times = [event.time_s for event in merge_windows(each.windows, tried, taxonomy)]
            matching = match_events(times, wanted, tolerance_s)
            found, alarms = found + len(matching.pairs), alarms + len(matching.false_alarms)
        results.append((threshold, found, alarms))
    from_the_top = takewhile(lambda result: result[2] / hours <= max_false_alarms_per_hour, reversed(results))
    allowed = list(from_the_top)[::-1]
    if not allowed:
        fewest = min(alarms for _, _, alarms in results) / hours
        raise UserError(
            f"No threshold keeps to {max_false_alarms_per_hour:g} false alarms per hour: "
            f"there are at least {fewest:.1f}. Allow more, or train the model further."
        )
    most_found = max(found for _, found, _ in allowed)
    fewest_alarms = min(alarms for _, found, alarms in allowed if found == most_found)
    best = [threshold for threshold, found, alarms in allowed if (found, alarms) == (most_found, fewest_alarms)]
    middle = (best[0] + best[-1]) / 2
    return min(best, key=lambda threshold: abs(threshold - middle))


def with_threshold(settings: DetectSettings, threshold: float) -> DetectSettings:
    """The same settings with another threshold; ``low_threshold`` is lowered to it where it lies above."""
    low = settings.low_threshold
    return settings.model_copy(
        update={"threshold": threshold, "low_threshold": None if low is None else min(low, threshold)}
    )


def fit_threshold_on_folder(
    detections_folder: Path,
    truth_file: Path,
    out: Path,
    max_false_alarms_per_hour: float,
    settings: DetectSettings,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    tolerance_s: float = TOLERANCE_S,
) -> FittedThreshold:
    """Fit the threshold on a folder of detections, and write ``threshold.json``.

    Args:
        detections_folder: What ``autodrive detect`` wrote.
        truth_file: The true events; see :func:`vlm_autodrive.detection.ground_truth.read_ground_truth`.
        out: The folder for ``threshold.json``.
        max_false_alarms_per_hour: The limit.
        settings: How windows are merged.
        taxonomy: The classes.
        tolerance_s: How far a detected event may lie from the true one.

    Raises:
        UserError: As :func:`fit_threshold` does.
    """
    detections = read_detections(detections_folder)
    truths = match_ground_truth(detections, read_ground_truth(truth_file, taxonomy))
    threshold = fit_threshold(detections, truths, max_false_alarms_per_hour, settings, taxonomy, tolerance_s)
    tried = with_threshold(settings, threshold)
    merged = [
        each.model_copy(update={"threshold": threshold, "events": tuple(merge_windows(each.windows, tried, taxonomy))})
        for each in detections
    ]
    score = score_detections(merged, truths, tolerance_s, taxonomy=taxonomy)
    fitted = FittedThreshold(
        threshold=threshold,
        max_false_alarms_per_hour=max_false_alarms_per_hour,
        tolerance_s=tolerance_s,
        model=score.model,
        videos=score.videos,
        hours=score.scores.hours,
        events=score.scores.events,
        recall=score.scores.recall,
        false_alarms_per_hour=score.scores.false_alarms_per_hour,
        warning=score.scores.warning,
    )
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / THRESHOLD_FILE, fitted.model_dump_json(indent=1) + "\n")
    return fitted


def read_threshold(path: Path) -> FittedThreshold:
    """Read a ``threshold.json``, or the one in a folder.

    Raises:
        UserError: If it is missing or no such file.
    """
    file = path / THRESHOLD_FILE if path.is_dir() else path
    try:
        return FittedThreshold.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} does not exist; make it with `autodrive detect --fit-threshold`.") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{file} holds no threshold; make it anew with `autodrive detect --fit-threshold`.") from None


def _candidates(detections: Sequence[VideoDetections], taxonomy: Taxonomy) -> list[float]:
    """Thresholds midway between scores that occur, and one above them all, rising.

    Where there are too many, all of the highest are kept and ever fewer towards the low ones, which flood any video
    with false alarms.
    """
    chances = (event_probability(window, taxonomy) for each in detections for window in each.windows)
    scores = np.unique([chance for chance in chances if chance is not None])
    edges = np.concatenate([[0.0], scores, [1.0]])
    middles = np.unique(((edges[:-1] + edges[1:]) / 2).clip(1e-6, 1.0))
    ranks = np.arange(1, len(middles) + 1)
    if len(middles) > _MAX_CANDIDATES:
        ranks = np.unique(np.geomspace(1, len(middles), _MAX_CANDIDATES).round().astype(int))
    return [float(middle) for middle in middles[len(middles) - ranks[::-1]]]
