"""Anticipation metrics: average precision on windows that end before an event, and the time to alert.

Nexar's challenge (Moura, Zhu and Zvitia, 2025, arXiv:2503.03848) asks about windows that end 0.5, 1 and 1.5 s before
the event. Each of these groups has windows without event too; its average precision is that of ``metrics.curves``, and
the mean over the groups is the challenge's score.

In long video an alarm comes at the threshold that was fitted under a limit on false alarms per hour. A window's verdict
is there when the window ends, so that is when its alarm could be given: nothing later has been seen. An alarm is one of
an event if it is given within ``HORIZON_S`` before it by a window that shows no earlier event. In Nexar's annotations
the warning that a person could give comes at most 4.5 s before the event (the median is 1.4 s), so an alarm more than 5
s before it was of something else. The literature's mean time to accident is a mean over all thresholds and asks for no
false alarms, so a detector that always alarms maximises it; it is reported beside ours and never alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.bootstrap import Bootstrap, bootstrap_estimate
from vlm_autodrive.metrics.curves import areas
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record

HORIZON_S = 5.0
_ROUNDING_S = 1e-9

Floats = NDArray[np.float64]


class AnticipationScores(Record):
    """Anticipation of events from causal windows, as in Nexar's challenge (arXiv:2503.03848).

    Attributes:
        average_precision: Of any event against none, by seconds before the event as text, such as ``0.5``.
        mean_average_precision: Their mean, the challenge's score.
        clips: Windows of events and windows without any, by the same keys.
        chance: What a constant score gets, by the same keys: the proportion of windows of events.
        left_out: Clips in none of these, since no causal window could be cut, such as where the warning comes later.
    """

    average_precision: dict[str, Estimate]
    mean_average_precision: Estimate
    clips: dict[str, tuple[int, int]]
    chance: dict[str, float]
    left_out: int = 0


class TimeToAlert(Record):
    """How long before events an alarm is given, at one threshold, in long video.

    Attributes:
        threshold: The probability from which a window alarms, fitted on other videos.
        horizon_s: How far before an event an alarm may lie to be one of this event.
        events: True events.
        warned: How many of them had an alarm before they happened.
        median_s: Median seconds from the alarm to the event, over those warned of.
        mean_s: The literature's mean over thresholds (mTTA), shown only beside the next.
        mean_of_always_alarming_s: The same of a detector that always alarms: the baseline to compare it with.
    """

    threshold: float
    horizon_s: float
    events: int
    warned: Estimate
    median_s: Estimate
    mean_s: float | None
    mean_of_always_alarming_s: float | None


def anticipation(
    scores: Sequence[float],
    positives: Sequence[bool],
    leads_s: Sequence[float],
    bootstrap: Bootstrap,
    *,
    left_out: int = 0,
) -> AnticipationScores:
    """Average precision for each time ahead and their mean, with intervals of the cluster bootstrap.

    Args:
        scores: The probability of an event in each clip.
        positives: Whether the clip leads up to an event.
        leads_s: The time ahead that each clip belongs to, in seconds.
        bootstrap: Over these clips: a video's windows at several times ahead are one cluster, no independent evidence.
        left_out: Clips that could not be cut, for the reader.
    """
    groups = {lead_s: np.flatnonzero(np.asarray(leads_s) == lead_s) for lead_s in sorted(set(leads_s))}
    given, wanted = np.asarray(scores, dtype=np.float64), np.asarray(positives, dtype=bool)
    found = [areas(given[g], wanted[g], bootstrap, g) for g in groups.values()]
    values, drawn = [value[0] for value, _ in found], [rows[0] for _, rows in found]

    def estimate(value: float, resampled: Floats, indices: NDArray[np.intp]) -> Estimate:
        with_event = len(np.unique(bootstrap.clusters[indices][wanted[indices]]))
        return bootstrap_estimate(value, resampled, with_event, len(indices))

    return AnticipationScores(
        average_precision={
            f"{lead_s:g}": estimate(value, rows, g)
            for (lead_s, g), value, rows in zip(groups.items(), values, drawn, strict=True)
        },
        mean_average_precision=estimate(float(np.mean(values)), np.mean(drawn, axis=0), np.arange(len(given))),
        clips={f"{lead_s:g}": (int(wanted[g].sum()), int((~wanted[g]).sum())) for lead_s, g in groups.items()},
        chance={f"{lead_s:g}": float(wanted[g].mean()) for lead_s, g in groups.items()},
        left_out=left_out,
    )


@dataclass(frozen=True)
class ScoredWindow:
    """One window of a video: what it shows, in seconds of video time, and its probability of any event."""

    start_s: float
    end_s: float
    probability: float


def time_to_alert(
    windows: Mapping[str, Sequence[ScoredWindow]],
    true: Mapping[str, Sequence[float]],
    threshold: float,
    horizon_s: float = HORIZON_S,
) -> TimeToAlert | None:
    """How long before the true events an alarm is given; None if there are no events.

    Args:
        windows: The scored windows of each video, in any order.
        true: The times of its events, in seconds, in any order; a video may be missing.
        threshold: The probability from which a window alarms.
        horizon_s: How far before an event an alarm may lie to count.
    """
    ahead: list[list[tuple[float, float]]] = []
    videos: list[int] = []
    for number, (video, scored) in enumerate(windows.items()):
        earlier_s = -np.inf
        for time_s in sorted(true.get(video, ())):
            ahead.append(_ahead_of(time_s, earlier_s, scored, horizon_s))
            videos.append(number)
            earlier_s = time_s
    if not ahead:
        return None
    leads, chances = _padded(ahead)
    alerts = _first_alerts(leads, chances, threshold)
    warned = ~np.isnan(alerts)
    bootstrap = Bootstrap(videos)
    thresholds = sorted({chance for each in ahead for _, chance in each})
    return TimeToAlert(
        threshold=threshold,
        horizon_s=horizon_s,
        events=len(ahead),
        warned=bootstrap.proportion(warned),
        median_s=_median(alerts[warned], bootstrap.select(warned)),
        mean_s=_mean_over(thresholds, leads, chances),
        mean_of_always_alarming_s=_mean_over([1.0], leads, np.ones_like(chances)),
    )


def _ahead_of(
    time_s: float, earlier_s: float, windows: Sequence[ScoredWindow], horizon_s: float
) -> list[tuple[float, float]]:
    """The windows that could warn of an event: seconds from their end to the event, and their probability."""
    return [
        (time_s - window.end_s, window.probability)
        for window in windows
        if time_s - horizon_s - _ROUNDING_S <= window.end_s < time_s - _ROUNDING_S and window.start_s >= earlier_s
    ]


def _padded(ahead: Sequence[Sequence[tuple[float, float]]]) -> tuple[Floats, Floats]:
    """Leads and probabilities as tables of one row for each event; empty places can never alarm."""
    widest = max(map(len, ahead))
    leads = np.full((len(ahead), widest), -np.inf)
    chances = np.full((len(ahead), widest), -np.inf)
    for row, each in enumerate(ahead):
        for column, (lead_s, chance) in enumerate(each):
            leads[row, column], chances[row, column] = lead_s, chance
    return leads, chances


def _first_alerts(leads: Floats, chances: Floats, threshold: float) -> Floats:
    """Seconds from the first alarm to each event; NaN where there is none."""
    longest: Floats = np.where(chances >= threshold, leads, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(longest), longest, np.nan)


def _mean_over(thresholds: Sequence[float], leads: Floats, chances: Floats) -> float | None:
    """The mean over thresholds of the mean time to alert of the events warned of at each; None without any."""
    means = []
    for threshold in thresholds:
        alerts = _first_alerts(leads, chances, threshold)
        if not np.isnan(alerts).all():
            means.append(float(np.nanmean(alerts)))
    return float(np.mean(means)) if means else None


def _median(values: Floats, bootstrap: Bootstrap) -> Estimate:
    """The median with the interval of the bootstrap over videos."""
    distinct, places = np.unique(values, return_inverse=True)
    counts = np.eye(len(distinct))[places]  # a median is no sum, but the counts of each value are

    def median(totals: Floats) -> Floats:
        below = np.cumsum(totals, axis=1)
        n = below[:, -1:]
        # Of an even number of values the median lies midway between the two in the middle.
        low, high = ((below >= rank).argmax(axis=1) for rank in (np.floor((n + 1) / 2), np.ceil((n + 1) / 2)))
        return np.asarray((distinct[low] + distinct[high]) / 2, dtype=np.float64)

    return bootstrap.estimate(counts, median, proportion=False)
