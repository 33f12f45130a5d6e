"""Intervals: Wilson for proportions, Garwood for rates, the cluster bootstrap for all else.

The bootstrap's plain percentiles are too narrow where few clusters bear on a figure, as on the recall of a rare
class; they are widened as Student's t is wider than the normal distribution. ``benchmarks/interval_coverage.py``
measures how often the intervals hold the truth; ``docs/statistics.md`` has its table.

Sources: Wilson (1927), JASA 22:209-212; Garwood (1936), Biometrika 28:437-442; Cameron, Gelbach and
Miller (2008), Review of Economics and Statistics 90:414-427, for resampling whole clusters; Hesterberg (2015),
The American Statistician 69:371-386, for the expanded percentiles.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vlm_autodrive.records import Record

FEW_CLUSTERS = 30
RESAMPLES = 2000
METHOD = "cluster bootstrap"
NO_SPREAD = "no interval, as the resamples show no spread"
_ROUNDING = 1e-12
_BLOCK = 2_000_000  # numbers of a block of draws: 16 MB

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Estimate(Record):
    """One number with its uncertainty.

    Attributes:
        value: The number; None where it is undefined, such as a precision when nothing was predicted.
        low: Lower end of the interval; None likewise.
        high: Upper end.
        n: How many clips, events or videos it rests on.
        method: How the interval was made.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str


def undefined(n: int, method: str = "undefined") -> Estimate:
    """A figure that cannot be computed."""
    return Estimate(value=None, low=None, high=None, n=n, method=method)


def wilson(successes: int, n: int, level: float = 0.95) -> Estimate:
    """A proportion with the Wilson score interval, for independent trials."""
    if n == 0:
        return undefined(0, "wilson")
    low, high = wilson_bounds(successes / n, n, level)
    return Estimate(value=successes / n, low=low, high=high, n=n, method="wilson")


def poisson_rate(count: int, exposure: float, level: float = 0.95) -> Estimate:
    """Events per unit of exposure with the exact Garwood interval.

    Args:
        count: Events seen.
        exposure: How much was looked at, such as hours of driving.
        level: Confidence level.
    """
    if exposure <= 0:
        return undefined(count, "garwood")
    tail = (1 - level) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * count + 2) / 2
    return Estimate(
        value=count / exposure, low=float(low / exposure), high=float(high / exposure), n=count, method="garwood"
    )


def cluster_sums(values: NDArray[np.generic], clusters: Sequence[int]) -> NDArray[np.float64]:
    """Sums of the rows of ``values`` within each cluster; the shape is [clusters, ...].

    Args:
        values: One row for each record.
        clusters: The cluster of each record, numbered from 0 without gaps.
    """
    sums = np.zeros((max(clusters, default=-1) + 1, *values.shape[1:]))
    np.add.at(sums, np.asarray(clusters, dtype=np.intp), values)
    return sums


def resampled_counts(clusters: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each cluster is drawn, in blocks of shape [some resamples, clusters].

    Blocks keep the memory low; the same arguments give the same draws, so figures of two models are paired.
    """
    drawn = _drawn(clusters, resamples, seed)
    step = max(1, _BLOCK // max(1, clusters))
    for begin in range(0, resamples, step):
        yield drawn[begin : begin + step].astype(np.float64)


@lru_cache(maxsize=8)
def _drawn(clusters: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """The draws of all resamples: many figures rest on the same ones, and drawing is most of their cost."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, clusters), dtype=np.uint16)
    for row in drawn:
        row[:] = np.bincount(rng.integers(clusters, size=clusters), minlength=clusters)
    drawn.flags.writeable = False
    return drawn


def resampled_sums(per_cluster: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Totals of ``resamples`` draws of whole clusters with replacement; the shape is [resamples, ...]."""
    flat = per_cluster.reshape(len(per_cluster), -1)
    totals = np.concatenate([counts @ flat for counts in resampled_counts(len(flat), resamples, seed)])
    return totals.reshape(resamples, *per_cluster.shape[1:])


def cluster_bootstrap(
    per_cluster: NDArray[np.float64],
    statistic: Statistic,
    n: int,
    *,
    proportion: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """A statistic of summed counts with the expanded percentile interval of the cluster bootstrap.

    Args:
        per_cluster: Counts of each cluster, shape [clusters, ...].
        statistic: Maps totals of shape [batch, ...] to [batch]; NaN where it is undefined.
        n: How many records the figure rests on, for the reader.
        proportion: Whether the statistic lies between 0 and 1.
        resamples: Draws; at least 2000 for a steady 95 % interval.
        seed: Seed of the draws.
        level: Confidence level.
    """
    if len(per_cluster) == 0:
        return undefined(n, METHOD)
    value = float(statistic(per_cluster.sum(axis=0)[None])[0])
    drawn = statistic(resampled_sums(per_cluster, resamples, seed))
    bearing = bearing_clusters(per_cluster, statistic)
    return bootstrap_estimate(value, drawn, bearing, n, proportion=proportion, level=level)


def bootstrap_estimate(
    value: float,
    drawn: NDArray[np.float64],
    bearing: int,
    n: int,
    *,
    proportion: bool = True,
    level: float = 0.95,
    method: str = METHOD,
) -> Estimate:
    """A figure from its value and the values of the resamples.

    Where all clusters agree on 0 or on 1, resampling sees no spread and would claim certainty; the
    Wilson interval with one trial for each cluster is then given instead. Other figures without spread, such as the
    balanced accuracy of a model that always says the same, or a difference of models that never differ, have no
    interval: one without width would claim certainty too.

    Args:
        value: The figure of all clusters; NaN where it is undefined.
        drawn: That of each resample; NaN likewise.
        bearing: On how many clusters the figure rests.
        n: How many records it rests on, for the reader.
        proportion: Whether it lies between 0 and 1.
        level: Confidence level.
        method: What the figure says of its interval.
    """
    if np.isnan(value):
        return undefined(n, method)
    if proportion and value in (0.0, 1.0) and np.nanmin(drawn, initial=value) == np.nanmax(drawn, initial=value):
        low, high = wilson_bounds(value, min(max(bearing, 1), max(n, 1)), level)
        return Estimate(value=value, low=low, high=high, n=n, method="wilson over clusters, as all agree")
    if bearing < 2:
        return Estimate(value=value, low=None, high=None, n=n, method="no interval from a single cluster")
    low, high = percentile_bounds(drawn, level, bearing)
    if high - low <= _ROUNDING:
        return Estimate(value=value, low=None, high=None, n=n, method=NO_SPREAD)
    return Estimate(value=value, low=low, high=high, n=n, method=method)


def bearing_clusters(per_cluster: NDArray[np.float64], statistic: Statistic) -> int:
    """On how many clusters a figure rests: those that have one of their own.

    The recall of a class rests on the clusters that hold the class, however many others there are.
    """
    return int((~np.isnan(statistic(per_cluster))).sum())


def share(hits: NDArray[np.bool_], clusters: Sequence[int], resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """A share of records: Wilson if every cluster has one record, else the cluster bootstrap."""
    groups = renumbered(clusters)
    if len(set(groups)) == len(groups):
        return wilson(int(hits.sum()), len(hits))
    table = cluster_sums(np.column_stack([hits, np.ones(len(hits))]).astype(np.float64), groups)
    return cluster_bootstrap(table, Ratio(0, 1), len(hits), resamples=resamples, seed=seed)


def mean(values: NDArray[np.float64], clusters: Sequence[int], resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """A mean with the interval of the cluster bootstrap."""
    if len(values) == 0:
        return undefined(0, "cluster bootstrap")
    table = cluster_sums(np.column_stack([values, np.ones(len(values))]), renumbered(clusters))
    return cluster_bootstrap(table, Ratio(0, 1), len(values), proportion=False, resamples=resamples, seed=seed)


def renumbered(clusters: Sequence[int]) -> list[int]:
    """The same clusters numbered from 0 without gaps, in order of first appearance."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]


class Ratio:
    """Sum of one column over the sum of another, vectorised over resamples."""

    def __init__(self, numerator: int, denominator: int) -> None:
        self.numerator, self.denominator = numerator, denominator

    def __call__(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """The ratio for each row of totals; NaN where the denominator is 0."""
        below = totals[:, self.denominator]
        result: NDArray[np.float64] = np.full(len(totals), np.nan)
        np.divide(totals[:, self.numerator], below, out=result, where=below > 0)
        return result


def percentile_bounds(
    drawn: NDArray[np.float64], level: float = 0.95, clusters: int | None = None
) -> tuple[float, float]:
    """The percentile interval of bootstrap draws, leaving out those where the statistic is undefined.

    Args:
        drawn: The draws.
        level: Confidence level.
        clusters: How many clusters they were drawn from: the percentiles are then moved outwards, as far as a normal
            interval is widened by Student's t and by the bootstrap's variance being (clusters - 1) / clusters of the
            unbiased one. None gives plain percentiles.
    """
    tail = (1 - level) / 2
    if clusters is not None:
        clusters = max(2, clusters)
        widened = stats.t.ppf(1 - tail, clusters - 1) * np.sqrt(clusters / (clusters - 1))
        tail = float(stats.norm.sf(widened))
    low, high = np.nanpercentile(drawn, [100 * tail, 100 * (1 - tail)])
    return float(low), float(high)


def few_clusters_warning(clusters: int) -> str:
    """A warning for readers where the clusters are too few to trust a bootstrap; empty if they are not."""
    if clusters >= FEW_CLUSTERS:
        return ""
    return (
        f"Only {clusters} independent groups of clips: below {FEW_CLUSTERS} the intervals come out too narrow "
        "and should be read as rough."
    )


def wilson_bounds(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share; ``n`` may be an effective number of trials, not whole."""
    z = float(stats.norm.ppf((1 + level) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    low = 0.0 if share == 0 else max(0.0, middle - half)
    high = 1.0 if share == 1 else min(1.0, middle + half)
    return low, high
