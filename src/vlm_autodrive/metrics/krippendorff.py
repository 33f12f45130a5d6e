"""How far several graders agree: Krippendorff's alpha for grades that have an order.

Source: Krippendorff (2011), Computing Krippendorff's alpha-reliability, sections D and E (any number of graders,
grades may be missing, ordinal differences).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.intervals import (
    RESAMPLES,
    Estimate,
    bootstrap_estimate,
    cluster_sums,
    renumbered,
    resampled_sums,
    undefined,
)

Floats = NDArray[np.float64]


def krippendorff_alpha(units: Sequence[Sequence[float]]) -> float:
    """Krippendorff's alpha of grades with an order: 1 is full agreement, 0 is what chance gives.

    Args:
        units: The grades of each thing that was graded; those with fewer than two say nothing.

    Returns:
        NaN where there is nothing to tell apart: fewer than two different grades.
    """
    return float(_alpha(_coincidences(units).sum(axis=0)[None])[0])


def krippendorff_alpha_estimate(
    units: Sequence[Sequence[float]], clusters: Sequence[int], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The same with the interval of the cluster bootstrap.

    Args:
        units: The grades of each thing.
        clusters: The cluster of each.
        resamples: Draws of whole clusters.
        seed: Of the draws.
    """
    counted = [index for index, grades in enumerate(units) if len(grades) > 1]
    if not counted:
        return undefined(0, "cluster bootstrap")
    pairs = _coincidences([units[index] for index in counted])
    per_cluster = cluster_sums(pairs, renumbered([clusters[index] for index in counted]))
    value, drawn = float(_alpha(per_cluster.sum(axis=0)[None])[0]), _alpha(resampled_sums(per_cluster, resamples, seed))
    # All clusters bear on it, also those whose graders agree and that so have no alpha of their own.
    return bootstrap_estimate(value, drawn, len(per_cluster), len(counted), proportion=False)


def _coincidences(units: Sequence[Sequence[float]]) -> Floats:
    """How often each two grades meet in a unit, each pair weighted by 1 / (grades there - 1); [units, grades, grades].

    They add up over units, so that a bootstrap can draw their sums.
    """
    values = sorted({grade for grades in units if len(grades) > 1 for grade in grades})
    place = {value: index for index, value in enumerate(values)}
    found: Floats = np.zeros((len(units), len(values), len(values)))
    for table, grades in zip(found, units, strict=True):
        if len(grades) > 1:
            counts: Floats = np.zeros(len(values))
            np.add.at(counts, [place[grade] for grade in grades], 1.0)
            table += (np.outer(counts, counts) - np.diag(counts)) / (len(grades) - 1)
    return found


def _alpha(pairs: Floats) -> Floats:
    """1 minus observed over expected disagreement, for tables of shape [batch, grades, grades]."""
    counts = pairs.sum(axis=2)
    n = counts.sum(axis=1)
    # The difference of two grades is the number of grades given between them, with half of those at both ends.
    middle = counts.cumsum(axis=1) - counts / 2
    squared = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (n - 1) * (pairs * squared).sum(axis=(1, 2))
    expected = (counts[:, :, None] * counts[:, None, :] * squared).sum(axis=(1, 2))
    ratio: Floats = np.full(len(pairs), np.nan)
    np.divide(observed, expected, out=ratio, where=expected > 0)
    return 1 - ratio
