"""Intervals of what was trained several times: over the clips, which are a sample, and over the trainings' seeds.

Seeds and clips are crossed: every training is tested on the same clips. So whole clusters of clips are resampled for
all seeds alike (Owen 2007, Annals of Applied Statistics 1:386-411), which gives the spread of the mean over these
seeds. What the seeds add is taken from the spread of the seeds' own scores and not resampled: of three seeds a
bootstrap knows too little. The two variances are added, and the interval is stretched as Student's t with
Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110-114), of the seeds and of the
clusters. The shape of the bootstrap's
interval is kept, side for side, as in the method of variance estimates recovery (Zou and Donner 2008, Statistics in
Medicine 27:1693-1702). With one seed, or seeds that score the same, it is the cluster bootstrap and nothing else.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vlm_autodrive.metrics.intervals import (
    RESAMPLES,
    Estimate,
    Statistic,
    bearing_clusters,
    bootstrap_estimate,
    percentile_bounds,
    resampled_sums,
    undefined,
)

Floats = NDArray[np.float64]


def over_seeds(
    counts: Floats,
    statistic: Statistic,
    n: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """The mean over trainings of a statistic between 0 and 1, with an interval over clips and seeds.

    Args:
        counts: Counts of each training by cluster, shape [seeds, clusters, ...]; the clusters are the same for all.
        statistic: Maps totals of shape [batch, ...] to [batch]; NaN where it is undefined.
        n: How many records each training was tested on.
        resamples: Draws of clusters.
        seed: Seed of the draws.
        level: Confidence level.
    """
    method = _method(len(counts))
    if not counts.shape[0] or not counts.shape[1]:
        return undefined(n, method)
    scores = statistic(counts.sum(axis=1))
    if np.isnan(scores).any():
        return undefined(n, method)
    bearing = min(bearing_clusters(each, statistic) for each in counts)
    drawn = _drawn(counts, statistic, resamples, seed)
    clips = bootstrap_estimate(float(scores.mean()), drawn, bearing, n, level=level, method=method)
    figure = _with_seeds(clips, scores, drawn, bearing, level, method)
    if figure.low is None or figure.high is None:
        return figure
    return figure.model_copy(update={"low": max(0.0, figure.low), "high": min(1.0, figure.high)})


def difference_over_seeds(
    first: Floats,
    second: Floats,
    statistic: Statistic,
    n: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """The mean over trainings of ``second`` minus ``first``, tested on the same clips.

    Args:
        first: Counts of each training by cluster, shape [seeds, clusters, ...].
        second: Likewise, seed for seed and cluster for cluster.
        statistic: Maps totals of shape [batch, ...] to [batch].
        n: How many records each training was tested on.
        resamples: Draws of clusters, the same for both.
        seed: Seed of the draws.
        level: Confidence level.
    """
    method = "paired " + _method(len(first))
    if first.shape != second.shape:
        raise ValueError(f"the counts differ in shape: {first.shape} and {second.shape}")
    if not first.shape[0] or not first.shape[1]:
        return undefined(n, method)
    scores = statistic(second.sum(axis=1)) - statistic(first.sum(axis=1))
    if np.isnan(scores).any():
        return undefined(n, method)
    drawn = _drawn(second, statistic, resamples, seed) - _drawn(first, statistic, resamples, seed)
    bearing = min(bearing_clusters(each, statistic) for each in (*first, *second))
    clips = bootstrap_estimate(float(scores.mean()), drawn, bearing, n, proportion=False, level=level, method=method)
    return _with_seeds(clips, scores, drawn, bearing, level, method)


def _method(seeds: int) -> str:
    return "cluster bootstrap" if seeds < 2 else f"cluster bootstrap, widened by the spread of {seeds} seeds"


def _drawn(counts: Floats, statistic: Statistic, resamples: int, seed: int) -> Floats:
    """The mean over seeds in each draw of clusters, one draw for all seeds; shape [resamples]."""
    by_cluster = np.moveaxis(counts, 0, 1)  # [clusters, seeds, ...]
    totals = resampled_sums(by_cluster, resamples, seed)  # [resamples, seeds, ...]
    scores = statistic(totals.reshape(-1, *counts.shape[2:])).reshape(resamples, len(counts))
    mean: Floats = scores.mean(axis=1)
    return mean


def _with_seeds(clips: Estimate, scores: Floats, drawn: Floats, bearing: int, level: float, method: str) -> Estimate:
    """A figure whose interval is that of the clips alone, with an interval for clips and seeds.

    Args:
        clips: The figure.
        scores: That of each seed.
        drawn: The mean over seeds in each draw of clusters.
        bearing: On how many clusters it rests.
        level: Confidence level.
        method: What it says of its interval.
    """
    value, seeds = float(scores.mean()), len(scores)
    of_seeds = float(scores.var(ddof=1)) / seeds if seeds > 1 else 0.0
    if of_seeds == 0 or bearing < 2:
        return clips
    unbiased = bearing / (bearing - 1)  # the bootstrap's variance is by so much too small
    of_clips = float(np.nanvar(drawn)) * unbiased
    freedom = (of_seeds + of_clips) ** 2 / (of_seeds**2 / (seeds - 1) + of_clips**2 / (bearing - 1))
    normal, student = stats.norm.ppf((1 + level) / 2), stats.t.ppf((1 + level) / 2, freedom)

    def reach(of_side: float) -> float:
        return float(student * np.sqrt(unbiased * (of_side / normal) ** 2 + of_seeds))

    low, high = percentile_bounds(drawn, level)
    return clips.model_copy(
        update={"low": value - reach(value - low), "high": value + reach(high - value), "method": method}
    )
