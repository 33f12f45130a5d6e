"""Seeing an event come: average precision on windows that end before it, and how long before it an alarm is given.

Nexar's challenge (Moura, Zhu and Zvitia, 2025, arXiv:2503.03848) asks about windows that end 0.5, 1 and 1.5 s before
the event. Each of these groups has windows without event too; its average precision is scikit-learn's, the sum over
thresholds of precision times the recall gained, and the mean over the groups is the challenge's figure. How long before
an event long video gives an alarm is computed in ``metrics.time_to_alert``.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from vlm_autodrive.metrics.intervals import (
    RESAMPLES,
    Figure,
    percentile_bounds,
    renumbered,
    undefined,
    wilson_bounds,
)
from vlm_autodrive.records import Record

_DRAWS_AT_ONCE = 100
_METHOD = "cluster bootstrap"

Floats = NDArray[np.float64]


class AnticipationScores(Record):
    """How well events are foreseen from causal windows, as in Nexar's challenge (arXiv:2503.03848).

    Attributes:
        average_precision: Of any event against none, by seconds before the event as text, such as ``0.5``.
        mean_average_precision: Their mean, the challenge's figure.
        clips: Windows of events and windows without any, by the same keys.
        chance: What a constant score gets, by the same keys: the share of windows of events.
        left_out: Clips in none of these, since no causal window could be cut, such as where the warning comes later.
    """

    average_precision: dict[str, Figure]
    mean_average_precision: Figure
    clips: dict[str, tuple[int, int]]
    chance: dict[str, float]
    left_out: int = 0


class TimeToAlert(Record):
    """How long before events an alarm is given, at one threshold, in long video.

    Attributes:
        threshold: The probability from which a window alarms, fixed by false alarms per hour on other footage.
        horizon_s: How far before an event an alarm may lie to be one of this event.
        events: True events.
        warned: How many of them had an alarm before they happened.
        median_s: Median seconds from the alarm to the event, over those warned of.
        mean_s: The literature's mean over thresholds (mTTA), shown only beside the next.
        mean_of_always_alarming_s: The same figure of a detector that always alarms: why it must not be believed.
    """

    threshold: float
    horizon_s: float
    events: int
    warned: Figure
    median_s: Figure
    mean_s: float | None
    mean_of_always_alarming_s: float | None


def average_precision(scores: Sequence[float], positives: Sequence[bool]) -> float:
    """Average precision as scikit-learn defines it; NaN without positives, where scikit-learn says 0 and warns."""
    return float(average_precision_score(positives, scores)) if any(positives) else float("nan")


def challenge_score(scores: Sequence[float], positives: Sequence[bool], groups: Sequence[Hashable]) -> float:
    """The mean of the groups' average precisions: Nexar's challenge metric, with a group for each time ahead.

    Args:
        scores: The probability of an event in each clip; any scale will do, since its order alone counts.
        positives: Whether the clip leads up to an event.
        groups: The time ahead that each clip belongs to, also those without event.

    Returns:
        The mean; NaN if there is no clip, or a group without positives.
    """
    values = [
        average_precision([scores[i] for i in indices], [positives[i] for i in indices])
        for indices in _indices(groups).values()
    ]
    return float(np.mean(values)) if values else float("nan")


def anticipation(
    scores: Sequence[float],
    positives: Sequence[bool],
    leads_s: Sequence[float],
    clusters: Sequence[int],
    *,
    left_out: int = 0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AnticipationScores:
    """Average precision for each time ahead and their mean, with intervals of the cluster bootstrap.

    Args:
        scores: The probability of an event in each clip.
        positives: Whether the clip leads up to an event.
        leads_s: The time ahead that each clip belongs to, in seconds.
        clusters: The cluster of each clip: a video's windows at several times ahead are no independent evidence.
        left_out: Clips that could not be cut, for the reader.
        resamples: Draws of the bootstrap.
        seed: Its seed.
    """
    groups = {lead_s: np.array(indices) for lead_s, indices in sorted(_indices(leads_s).items())}
    given, wanted = np.asarray(scores, dtype=np.float64), np.asarray(positives, dtype=bool)
    numbers = np.array(renumbered(clusters))
    drawn = _drawn(given, wanted, list(groups.values()), numbers, resamples, seed)
    values = [average_precision(scores=given[g].tolist(), positives=wanted[g].tolist()) for g in groups.values()]
    return AnticipationScores(
        average_precision={
            f"{lead_s:g}": _figure(value, column, len(indices), numbers[indices])
            for (lead_s, indices), value, column in zip(groups.items(), values, drawn.T, strict=True)
        },
        mean_average_precision=_figure(float(np.mean(values)), drawn.mean(axis=1), len(given), numbers),
        clips={f"{lead_s:g}": (int(wanted[g].sum()), int((~wanted[g]).sum())) for lead_s, g in groups.items()},
        chance={f"{lead_s:g}": float(wanted[g].mean()) for lead_s, g in groups.items()},
        left_out=left_out,
    )


def weighted_average_precisions(scores: Floats, positives: NDArray[np.bool_], weights: Floats) -> Floats:
    """Average precision where each clip counts several times or not at all, for many such draws at once.

    Args:
        scores: One for each clip.
        positives: Likewise.
        weights: How often each clip counts, shape [draws, clips].

    Returns:
        One for each draw; NaN where a draw holds no positive.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # clips of one score pass the threshold together
    counted = weights[:, order]
    hits = np.cumsum(counted * positives[order], axis=1)[:, ends]
    taken = np.cumsum(counted, axis=1)[:, ends]
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    gained = (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1)
    total = hits[:, -1]
    result: Floats = np.full(len(weights), np.nan)
    np.divide(gained, total, out=result, where=total > 0)
    return result


def _drawn(
    scores: Floats,
    positives: NDArray[np.bool_],
    groups: Sequence[NDArray[np.intp]],
    clusters: NDArray[np.intp],
    resamples: int,
    seed: int,
) -> Floats:
    """Average precision of each group in each draw of whole clusters, shape [resamples, groups]."""
    count = int(clusters.max()) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    rows = []
    for begin in range(0, resamples, _DRAWS_AT_ONCE):
        weights = draws[begin : begin + _DRAWS_AT_ONCE, clusters].astype(np.float64)
        rows.append([weighted_average_precisions(scores[g], positives[g], weights[:, g]) for g in groups])
    return np.concatenate([np.array(row).T for row in rows])


def _figure(value: float, drawn: Floats, n: int, clusters: NDArray[np.intp]) -> Figure:
    """The figure with the percentile interval; where resampling sees no spread at the top, as in ``intervals``."""
    if np.isnan(value):
        return undefined(n, _METHOD)
    low, high = percentile_bounds(drawn)
    if low == high == value == 1.0:
        low, high = wilson_bounds(1.0, len(set(clusters.tolist())))
        return Figure(value=value, low=low, high=high, n=n, method="wilson over clusters, as all agree")
    return Figure(value=value, low=low, high=high, n=n, method=_METHOD)


def _indices(groups: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return members
