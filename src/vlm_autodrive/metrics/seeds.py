"""Intervals of what was trained several times: over the clips, which are a sample, and over the trainings' seeds.

Seeds and clips are crossed: every training is tested on the same clips. So whole clusters of clips are resampled for
all seeds alike (Owen 2007, Annals of Applied Statistics 1:386-411), which gives the spread of the mean over these
seeds. What the seeds add is taken from the spread of the seeds' own scores and not resampled: of three seeds a
bootstrap knows too little. The two variances are added, and the interval is stretched as Student's t with
Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110-114), of the seeds and of the
clusters. The shape of the bootstrap's interval is kept, side for side, as in the method of variance estimates recovery
(Zou and Donner 2008, Statistics in Medicine 27:1693-1702). With one seed, or seeds that score the same, it is the
cluster bootstrap and nothing else.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vlm_autodrive.metrics.bootstrap import (
    METHOD,
    Bootstrap,
    Statistic,
    bearing_clusters,
    bootstrap_estimate,
    percentile_bounds,
)
from vlm_autodrive.metrics.intervals import Estimate, undefined

LEVEL = 0.95

Floats = NDArray[np.float64]


def over_seeds(values: Floats, statistic: Statistic, bootstrap: Bootstrap) -> Estimate:
    """The mean over trainings of a statistic between 0 and 1, with an interval over clips and seeds.

    Args:
        values: Counts of each training for each record, shape [seeds, records, ...]; the records are the same for all.
        statistic: Maps totals of shape [batch, ...] to [batch]; NaN where it is undefined.
        bootstrap: Over the records.
    """
    method, n = _method(len(values)), values.shape[1]
    if not len(values) or not n:
        return undefined(n, method)
    sums = _sums(values, bootstrap)
    scores = statistic(sums.sum(axis=1))
    if np.isnan(scores).any():
        return undefined(n, method)
    bearing = min(bearing_clusters(each, statistic) for each in sums)
    drawn = _drawn(sums, statistic, bootstrap)
    clips = bootstrap_estimate(float(scores.mean()), drawn, bearing, n, method=method)
    estimate = _with_seeds(clips, scores, drawn, bearing, method)
    if estimate.low is None or estimate.high is None:
        return estimate
    return estimate.model_copy(update={"low": max(0.0, estimate.low), "high": min(1.0, estimate.high)})


def difference_over_seeds(first: Floats, second: Floats, statistic: Statistic, bootstrap: Bootstrap) -> Estimate:
    """The mean over trainings of ``second`` minus ``first``, tested on the same clips.

    Args:
        first: Counts of each training for each record, shape [seeds, records, ...].
        second: Likewise, seed for seed and record for record.
        statistic: Maps totals of shape [batch, ...] to [batch].
        bootstrap: Over the records, the same draws for both.
    """
    method = "paired " + _method(len(first))
    if first.shape != second.shape:
        raise ValueError(f"the counts differ in shape: {first.shape} and {second.shape}")
    n = first.shape[1]
    if not len(first) or not n:
        return undefined(n, method)
    before, after = _sums(first, bootstrap), _sums(second, bootstrap)
    scores = statistic(after.sum(axis=1)) - statistic(before.sum(axis=1))
    if np.isnan(scores).any():
        return undefined(n, method)
    drawn = _drawn(after, statistic, bootstrap) - _drawn(before, statistic, bootstrap)
    bearing = min(bearing_clusters(each, statistic) for each in (*before, *after))
    clips = bootstrap_estimate(float(scores.mean()), drawn, bearing, n, proportion=False, method=method)
    return _with_seeds(clips, scores, drawn, bearing, method)


def _method(seeds: int) -> str:
    return METHOD if seeds < 2 else f"{METHOD}, widened by the spread of {seeds} seeds"


def _sums(values: Floats, bootstrap: Bootstrap) -> Floats:
    return np.stack([bootstrap.sums(each) for each in values])  # [seeds, clusters, ...]


def _drawn(sums: Floats, statistic: Statistic, bootstrap: Bootstrap) -> Floats:
    """The mean over seeds in each draw of clusters, one draw for all seeds; shape [resamples]."""
    totals = bootstrap.resampled(np.moveaxis(sums, 0, 1))  # [resamples, seeds, ...]
    scores = statistic(totals.reshape(-1, *sums.shape[2:])).reshape(len(totals), len(sums))
    return np.asarray(scores.mean(axis=1), dtype=np.float64)


def _with_seeds(clips: Estimate, scores: Floats, drawn: Floats, bearing: int, method: str) -> Estimate:
    """The estimate whose interval is that of the clips alone, with an interval for clips and seeds.

    Args:
        clips: The estimate.
        scores: The value of each seed.
        drawn: The mean over seeds in each draw of clusters.
        bearing: On how many clusters it rests.
        method: What it says of its interval.
    """
    value, seeds = float(scores.mean()), len(scores)
    of_seeds = float(scores.var(ddof=1)) / seeds if seeds > 1 else 0.0
    if of_seeds == 0 or bearing < 2:
        return clips
    unbiased = bearing / (bearing - 1)  # the bootstrap's variance is by so much too small
    of_clips = float(np.nanvar(drawn)) * unbiased
    # Satterthwaite: a sum of two variances behaves like one with this many degrees of freedom.
    freedom = (of_seeds + of_clips) ** 2 / (of_seeds**2 / (seeds - 1) + of_clips**2 / (bearing - 1))
    normal, student = stats.norm.ppf((1 + LEVEL) / 2), stats.t.ppf((1 + LEVEL) / 2, freedom)

    def reach(of_side: float) -> float:
        # One side of the clips' interval over the normal quantile is a standard error; the seeds' variance is added.
        return float(student * np.sqrt(unbiased * (of_side / normal) ** 2 + of_seeds))

    low, high = percentile_bounds(drawn, LEVEL)
    return clips.model_copy(
        update={"low": value - reach(value - low), "high": value + reach(high - value), "method": method}
    )
