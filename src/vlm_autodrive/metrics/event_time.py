"""Timing error of the moments that traces cite.

A moment is scored by its distance from the true one: hit rates within fixed tolerances and mean absolute error, beside
the best constant guess, which is the median of the true times (the constant that minimises the mean absolute error).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.bootstrap import Bootstrap
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record

TOLERANCES_S = (0.5, 1.0, 2.0)
_ROUNDING_S = 1e-9


class EventTimeScores(Record):
    """How well cited moments meet the true ones.

    Attributes:
        n: Clips asked about.
        cited: How many of them gave a time; one that gave none misses every tolerance.
        within: Proportion of ``n`` within each tolerance, by its seconds as text, such as ``0.5``.
        mean_error_s: Mean absolute error of the times given.
        constant_s: The best constant guess.
        constant_within: Its proportion within each tolerance.
        constant_error_s: Its mean absolute error.
    """

    n: int
    cited: int
    within: dict[str, Estimate]
    mean_error_s: Estimate
    constant_s: float | None
    constant_within: dict[str, Estimate]
    constant_error_s: Estimate


def event_time_scores(
    cited_s: Sequence[float | None],
    true_s: Sequence[float],
    bootstrap: Bootstrap,
    tolerances_s: Sequence[float] = TOLERANCES_S,
) -> EventTimeScores:
    """Score cited moments against true ones.

    Args:
        cited_s: The time given for each clip; None for none.
        true_s: The true time of each clip.
        bootstrap: Over these clips.
        tolerances_s: Distances within which a cited time is a hit.
    """
    errors = np.array([np.nan if c is None else abs(c - t) for c, t in zip(cited_s, true_s, strict=True)])
    constant = float(np.median(true_s)) if len(true_s) else None
    constant_errors = np.abs(np.asarray(true_s, dtype=np.float64) - (constant or 0.0))

    def within(distances: NDArray[np.float64]) -> dict[str, Estimate]:
        return {f"{t:g}": bootstrap.proportion(distances <= t + _ROUNDING_S) for t in tolerances_s}

    given = ~np.isnan(errors)
    return EventTimeScores(
        n=len(errors),
        cited=int(given.sum()),
        within=within(errors),
        mean_error_s=bootstrap.select(given).mean(errors[given]),
        constant_s=constant,
        constant_within=within(constant_errors),
        constant_error_s=bootstrap.mean(constant_errors),
    )
