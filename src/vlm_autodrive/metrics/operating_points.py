"""Operating points of event detection: the choice of a threshold for a rate of false alarms, and what to expect of it.

What to expect is cross-fitted by video: each video is counted at the choice that all others make, and the counts are
added up, since a choice looks better than it is on the videos that it was made on. (Stone, 1974, Journal of the Royal
Statistical Society B 36:111-147: leave-one-out cross-validation.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.event_detection import recall_over_videos
from vlm_autodrive.metrics.intervals import poisson_rate
from vlm_autodrive.records import OperatingPoint

Choice = tuple[int, int]


@dataclass(frozen=True)
class AlarmCounts:
    """What each choice of threshold and least number of windows finds in each video.

    Attributes:
        thresholds: The thresholds tried, falling.
        min_windows: The numbers of windows tried, rising.
        found: True events found, by threshold, number of windows and video.
        alarms: False alarms, likewise.
        events: True events of each video.
        hours: Hours of each video.
    """

    thresholds: NDArray[np.float64]
    min_windows: tuple[int, ...]
    found: NDArray[np.float64]
    alarms: NDArray[np.float64]
    events: NDArray[np.float64]
    hours: NDArray[np.float64]


def operating_point(counts: AlarmCounts, rate: float) -> OperatingPoint:
    """The choice for a rate of false alarms per hour on all videos, and what to expect of it on others."""
    videos = np.arange(len(counts.hours))
    choice = best_choice(counts, rate, videos)
    found, alarms = np.zeros(len(videos)), np.zeros(len(videos))
    for video in videos:
        others = videos[videos != video] if len(videos) > 1 else videos
        threshold, windows = best_choice(counts, rate, others) or (0, len(counts.min_windows) - 1)
        found[video] = counts.found[threshold, windows, video]
        alarms[video] = counts.alarms[threshold, windows, video]
    return OperatingPoint(
        max_false_alarms_per_hour=rate,
        threshold=None if choice is None else float(counts.thresholds[choice[0]]),
        min_windows=counts.min_windows[-1 if choice is None else choice[1]],
        recall=recall_over_videos(found, counts.events),
        false_alarms_per_hour=poisson_rate(int(alarms.sum()), float(counts.hours.sum())),
        hours_needed=hours_to_promise(rate),
    )


def best_choice(counts: AlarmCounts, rate: float, videos: NDArray[np.intp]) -> Choice | None:
    """The choice that finds the most events in some videos at no more than so many false alarms per hour.

    Every higher threshold must keep to the rate too: far down, nearly all windows merge into a few long events, which
    are few false alarms by accident. Of choices that do equally well the least number of windows with the widest range
    of such thresholds is taken, and of that range the threshold nearest to its middle, so that the choice depends on no
    single window. (Not the middle one of their number: most windows of a quiet video score next to nothing, and a
    threshold down there floods another video.) In videos without an event it is the lowest threshold.

    Returns:
        The places of threshold and number of windows; None if no threshold keeps to the rate.
    """
    found, alarms = counts.found[..., videos].sum(axis=-1), counts.alarms[..., videos].sum(axis=-1)
    allowed = np.logical_and.accumulate(alarms / counts.hours[videos].sum() <= rate, axis=0)
    if not allowed.any():
        return None
    if not counts.events[videos].any():
        windows = int(np.flatnonzero(allowed.any(axis=0))[0])
        return int(np.flatnonzero(allowed[:, windows])[-1]), windows
    best = allowed & (found == found[allowed].max())
    best &= alarms == alarms[best].min()
    ranges = [np.flatnonzero(best[:, windows]) for windows in range(len(counts.min_windows))]
    widths = [counts.thresholds[each[0]] - counts.thresholds[each[-1]] if len(each) else -1.0 for each in ranges]
    windows = int(np.argmax(widths))
    places = ranges[windows]
    middle = (counts.thresholds[places[0]] + counts.thresholds[places[-1]]) / 2
    return int(places[np.argmin(abs(counts.thresholds[places] - middle))]), windows


def hours_to_promise(rate: float) -> float:
    """Hours without any false alarm after which the exact two-sided 95 % interval ends at ``rate``: 3.69 / rate."""
    return float(poisson_rate(0, 1.0).high or 0.0) / rate
