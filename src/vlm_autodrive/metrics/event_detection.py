"""Metrics of event detection in long video: matching, recall, false alarms per hour, and temporal overlap.

Detected and true events are matched one to one; a true event without a match is missed, a detected one is a false
alarm. How long before an event an alarm is given stands in ``metrics.anticipation``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.bootstrap import Bootstrap, Ratio
from vlm_autodrive.metrics.intervals import Estimate, few_clusters_warning, poisson_rate, wilson
from vlm_autodrive.records import Record

_ROUNDING_S = 1e-9


@dataclass(frozen=True)
class Matching:
    """Detected and true events matched one to one.

    Attributes:
        pairs: Index of the detected and of the true event of each match, in order of true time.
        false_alarms: Indices of detected events without a true one.
        missed: Indices of true events without a detected one.
    """

    pairs: tuple[tuple[int, int], ...]
    false_alarms: tuple[int, ...]
    missed: tuple[int, ...]


class EventDetectionMetrics(Record):
    """How well events are found in hours of video.

    Attributes:
        events: True events.
        found: How many were found.
        recall: ``found`` over ``events``; Wilson, or the bootstrap over videos if a video has several.
        false_alarms: Detected events that match none.
        hours: Hours of video looked at.
        false_alarms_per_hour: With the exact Garwood interval.
        false_alarms_per_hour_by_video: The same rate with the bootstrap over videos, which allows
            for false alarms that come in bunches.
        mean_error_s: Mean distance of the matched events from the true ones; None without any.
        warning: What to mind in reading the intervals; empty if nothing.
    """

    events: int
    found: int
    recall: Estimate
    false_alarms: int
    hours: float
    false_alarms_per_hour: Estimate
    false_alarms_per_hour_by_video: Estimate
    mean_error_s: float | None
    warning: str


def temporal_iou(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two spans, from 0 to 1 (ActivityNet, Heilbron et al., CVPR 2015).

    A single moment has no length: it overlaps nothing but itself.

    Args:
        first: Start and end, in seconds.
        second: Likewise.

    Raises:
        ValueError: If a span ends before it starts.
    """
    for start_s, end_s in (first, second):
        if end_s < start_s:
            raise ValueError(f"a span that ends at {end_s:g} s cannot start at {start_s:g} s")
    if first == second:
        return 1.0
    shared_s = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union_s = (first[1] - first[0]) + (second[1] - second[0]) - shared_s
    return shared_s / union_s if union_s > 0 else 0.0


def match_events(detected_times: Sequence[float], true_times: Sequence[float], tolerance_s: float) -> Matching:
    """Match detected to true events, nearest pairs first, each at most once.

    Args:
        detected_times: Times of the detected events, in seconds, in any order.
        true_times: Times of the true events, likewise.
        tolerance_s: Largest distance of a match, itself included.
    """
    candidates = sorted(
        (abs(detected - true), j, i)
        for i, detected in enumerate(detected_times)
        for j, true in enumerate(true_times)
        if abs(detected - true) <= tolerance_s + _ROUNDING_S
    )
    taken: dict[int, int] = {}
    found: dict[int, int] = {}
    for _, j, i in candidates:
        if i not in taken and j not in found:
            taken[i], found[j] = j, i
    pairs = sorted(((i, j) for j, i in found.items()), key=lambda pair: (true_times[pair[1]], pair[1]))
    return Matching(
        pairs=tuple(pairs),
        false_alarms=tuple(i for i in range(len(detected_times)) if i not in taken),
        missed=tuple(j for j in range(len(true_times)) if j not in found),
    )


def event_detection_metrics(
    detected: Mapping[str, Sequence[float]],
    true: Mapping[str, Sequence[float]],
    hours: Mapping[str, float],
    tolerance_s: float,
) -> EventDetectionMetrics:
    """Score detection over several videos.

    Args:
        detected: Times of the detected events of each video, by video; a video may be missing.
        true: Times of its true events, likewise.
        hours: Hours looked at in each video; this says which videos there are.
        tolerance_s: Largest distance of a match.
    """
    unknown = (set(detected) | set(true)) - set(hours)
    if unknown:
        raise ValueError(f"events of videos whose hours are not given: {sorted(unknown)}")
    rows: list[tuple[int, int, int, float]] = []
    errors: list[float] = []
    for video in hours:
        found, wanted = detected.get(video, ()), true.get(video, ())
        matching = match_events(found, wanted, tolerance_s)
        rows.append((len(matching.pairs), len(wanted), len(matching.false_alarms), hours[video]))
        errors.extend(abs(found[i] - wanted[j]) for i, j in matching.pairs)
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    hits, events, alarms, total_hours = (float(x) for x in table.sum(axis=0))
    return EventDetectionMetrics(
        events=int(events),
        found=int(hits),
        recall=recall_over_videos(table[:, 0], table[:, 1]),
        false_alarms=int(alarms),
        hours=total_hours,
        false_alarms_per_hour=poisson_rate(int(alarms), total_hours),
        false_alarms_per_hour_by_video=Bootstrap(range(len(table))).estimate(
            table, Ratio(2, 3), alarms, proportion=False
        ),
        mean_error_s=float(np.mean(errors)) if errors else None,
        warning=few_clusters_warning(len(table)),
    )


def recall_over_videos(found: NDArray[np.float64], events: NDArray[np.float64]) -> Estimate:
    """Recall from the events found and the true ones of each video.

    Events of one video are not independent: where a video has several, whole videos are resampled.
    """
    rows = np.stack([found, events], axis=1)[events > 0]
    total = int(events.sum())
    if bool((rows[:, 1] == 1).all()):
        return wilson(int(found.sum()), total)
    return Bootstrap(range(len(rows))).estimate(rows, Ratio(0, 1), total)
