"""Two models on the same clips: McNemar's exact test and the paired cluster bootstrap.

Sources: McNemar (1947), Psychometrika 12:153-157, in its exact binomial form; Holm (1979),
Scandinavian Journal of Statistics 6:65-70; Miller (2024), arXiv:2411.00640, for why evaluations on
the same questions must be compared in pairs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vlm_autodrive.metrics.intervals import RESAMPLES, Figure, Statistic, percentile_bounds, resampled_sums, undefined
from vlm_autodrive.records import Record


class McNemar(Record):
    """How two models differ on the same records.

    Attributes:
        only_first: Records that the first alone has right.
        only_second: Records that the second alone has right.
        p_value: Two-sided exact probability of so uneven a split, were both equally good.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_right: Sequence[bool], second_right: Sequence[bool]) -> McNemar:
    """McNemar's exact test on who is right where."""
    pairs = list(zip(first_right, second_right, strict=True))
    only_first = sum(1 for first, second in pairs if first and not second)
    only_second = sum(1 for first, second in pairs if second and not first)
    discordant = only_first + only_second
    p_value = 1.0 if discordant == 0 else float(stats.binomtest(only_first, discordant, 0.5).pvalue)
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted


def paired_difference(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    statistic: Statistic,
    n: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure:
    """``statistic`` of the second minus that of the first, resampling the same clusters for both.

    Args:
        first: Counts of the first model by cluster, shape [clusters, ...].
        second: Counts of the second model, cluster for cluster.
        statistic: Maps totals of shape [batch, ...] to [batch].
        n: How many records the figure rests on.
        resamples: Draws.
        seed: Seed of the draws, the same for both models.
    """
    method = "paired cluster bootstrap"
    if first.shape != second.shape:
        raise ValueError(f"the models' counts differ in shape: {first.shape} and {second.shape}")
    if len(first) == 0:
        return undefined(n, method)
    value = float((statistic(second.sum(axis=0)[None]) - statistic(first.sum(axis=0)[None]))[0])
    if np.isnan(value):
        return undefined(n, method)
    drawn = statistic(resampled_sums(second, resamples, seed)) - statistic(resampled_sums(first, resamples, seed))
    low, high = percentile_bounds(drawn)
    return Figure(value=value, low=low, high=high, n=n, method=method)
