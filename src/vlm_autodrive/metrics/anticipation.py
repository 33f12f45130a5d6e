"""Seeing an event come: average precision on windows that end before it, and how long before it an alarm is given.

Nexar's challenge (Moura, Zhu and Zvitia, 2025, arXiv:2503.03848) asks about windows that end 0.5, 1 and 1.5 s before
the event. Each of these groups has windows without event too; its average precision is that of ``metrics.curves``, and
the mean over the groups is the challenge's figure. How long before an event long video gives an alarm is computed in
``metrics.time_to_alert``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.bootstrap import Bootstrap, bootstrap_estimate
from vlm_autodrive.metrics.curves import areas
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record

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

    average_precision: dict[str, Estimate]
    mean_average_precision: Estimate
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
