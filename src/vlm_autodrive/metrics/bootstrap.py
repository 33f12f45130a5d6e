"""The cluster bootstrap: 95 % confidence intervals of metrics that are no proportion of independent records.

Plain percentiles are too narrow where few clusters bear on an estimate, as on the recall of a rare class; they are
widened as Student's t is wider than the normal distribution. ``benchmarks/interval_coverage.py`` measures how often the
intervals hold the truth; ``docs/statistics.md`` has its table.

Sources: Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90:414-427, for resampling whole
clusters; Hesterberg (2015), The American Statistician 69:371-386, for the expanded percentiles.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from vlm_autodrive.metrics.intervals import Estimate, undefined, wilson, wilson_bounds

RESAMPLES = 2000
METHOD = "cluster bootstrap"
NO_SPREAD = "no interval, as the resamples show no spread"
_ROUNDING = 1e-12
_BLOCK = 2_000_000  # numbers of a block of draws: 16 MB

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


class Bootstrap:
    """Resampling of whole clusters of records, with replacement.

    All estimates made with one object rest on the same draws, so those of two models on the same records are paired.

    Attributes:
        clusters: The cluster of each record, numbered from 0 without gaps in order of first appearance.
        count: How many clusters there are.
        resamples: Draws; at least 2000 for a steady 95 % confidence interval.
        seed: Seed of the draws.
    """

    def __init__(self, clusters: Iterable[int], resamples: int = RESAMPLES, seed: int = 0) -> None:
        numbers: dict[int, int] = {}
        self.clusters = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp)
        self.count = len(numbers)
        self.resamples = resamples
        self.seed = seed

    def select(self, records: NDArray[np.bool_] | NDArray[np.intp]) -> "Bootstrap":
        """The bootstrap of some records alone: only the clusters that hold one of them are drawn.

        Args:
            records: A mask over the records, or their indices.
        """
        return Bootstrap(self.clusters[records].tolist(), self.resamples, self.seed)

    def sums(self, values: NDArray[np.generic]) -> Floats:
        """Sums of the rows of ``values``, one for each record, within each cluster; shape [clusters, ...]."""
        places = np.arange(len(self.clusters))
        members = sparse.csr_array((np.ones(len(places)), (self.clusters, places)), shape=(self.count, len(places)))
        flat = np.asarray(values, dtype=np.float64).reshape(len(places), int(np.prod(values.shape[1:])))
        return np.asarray(members @ flat).reshape(self.count, *values.shape[1:])

    def draws(self) -> Iterator[Floats]:
        """How often each cluster is drawn, in blocks of shape [some resamples, clusters], which keep the memory low."""
        drawn = _drawn(self.count, self.resamples, self.seed)
        step = max(1, _BLOCK // max(1, self.count))
        for begin in range(0, self.resamples, step):
            yield drawn[begin : begin + step].astype(np.float64)

    def resampled(self, sums: Floats) -> Floats:
        """Totals of each resample, shape [resamples, ...].

        A resample is a vector of counts, how often it has each cluster. Its total is the product of that vector with
        the sums of the clusters, so that all resamples are one matrix product and no record is copied.

        Args:
            sums: Sums of each cluster, shape [clusters, ...].
        """
        flat = sums.reshape(len(sums), -1)
        totals = np.concatenate([counts @ flat for counts in self.draws()])
        return totals.reshape(self.resamples, *sums.shape[1:])

    def estimate(
        self, values: NDArray[np.generic], statistic: Statistic, n: float | None = None, *, proportion: bool = True
    ) -> Estimate:
        """A statistic of summed counts with the expanded percentile interval.

        Args:
            values: Counts of each record, shape [records, ...].
            statistic: Maps totals of shape [batch, ...] to [batch]; NaN where it is undefined.
            n: How many records the estimate rests on, for the reader; by default all.
            proportion: Whether the statistic lies between 0 and 1.
        """
        rests_on = len(values) if n is None else int(n)
        if not len(values):
            return undefined(rests_on, METHOD)
        sums = self.sums(values)
        value = float(statistic(sums.sum(axis=0)[None])[0])
        drawn = statistic(self.resampled(sums))
        return bootstrap_estimate(value, drawn, bearing_clusters(sums, statistic), rests_on, proportion=proportion)

    def proportion(self, hits: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Estimate:
        """The proportion of records that are hits: Wilson's if every cluster has one record, else the bootstrap's.

        Args:
            hits: Whether each record is one.
            among: Which records the proportion is of; by default all. All clusters are drawn, so that their number is
                random too; :meth:`select` instead draws those of the chosen records alone.
        """
        counted = np.ones(len(hits), dtype=bool) if among is None else among
        found, n = hits & counted, int(counted.sum())
        if self.count == len(self.clusters):
            return wilson(int(found.sum()), n)
        return self.estimate(np.column_stack([found, counted]), Ratio(0, 1), n)

    def mean(self, values: Floats) -> Estimate:
        """The mean over all records."""
        return self.estimate(np.column_stack([values, np.ones(len(values))]), Ratio(0, 1), proportion=False)

    def difference(self, first: Floats, second: Floats, statistic: Statistic) -> Estimate:
        """One of :meth:`differences`."""
        return self.differences(first, second, {"": statistic})[""]

    def differences(self, first: Floats, second: Floats, statistics: Mapping[str, Statistic]) -> dict[str, Estimate]:
        """Each statistic of the second minus that of the first, with the same resamples for both.

        Pairing matters: two models on the same records err together, and their difference varies less than either
        (Miller, 2024, arXiv:2411.00640).

        Args:
            first: Counts of each record for the first model, shape [records, ...].
            second: Those for the second, record for record.
            statistics: Each maps totals of shape [batch, ...] to [batch].
        """
        method = f"paired {METHOD}"
        if first.shape != second.shape:
            raise ValueError(f"the models' counts differ in shape: {first.shape} and {second.shape}")
        if not len(first):
            return {name: undefined(0, method) for name in statistics}
        before, after = self.sums(first), self.sums(second)
        drawn_before, drawn_after = self.resampled(before), self.resampled(after)
        return {
            name: bootstrap_estimate(
                float((statistic(after.sum(axis=0)[None]) - statistic(before.sum(axis=0)[None]))[0]),
                statistic(drawn_after) - statistic(drawn_before),
                min(bearing_clusters(before, statistic), bearing_clusters(after, statistic)),
                len(first),
                proportion=False,
                method=method,
            )
            for name, statistic in statistics.items()
        }


class Ratio:
    """Sum of one column over the sum of another, vectorised over resamples."""

    def __init__(self, numerator: int, denominator: int) -> None:
        self.numerator, self.denominator = numerator, denominator

    def __call__(self, totals: Floats) -> Floats:
        """The ratio for each row of totals; NaN where the denominator is 0."""
        below = totals[:, self.denominator]
        result: Floats = np.full(len(totals), np.nan)
        np.divide(totals[:, self.numerator], below, out=result, where=below > 0)
        return result


def bootstrap_estimate(
    value: float, drawn: Floats, bearing: int, n: int, *, proportion: bool = True, method: str = METHOD
) -> Estimate:
    """An estimate from its value and the values of the resamples.

    Where all clusters agree on 0 or on 1, resampling sees no spread and would claim certainty; the Wilson interval with
    one trial for each cluster is then given instead. Other estimates without spread, such as the balanced accuracy of a
    model that always says the same, or a difference of models that never differ, have no interval: one without width
    would claim certainty too.

    Args:
        value: The statistic of all clusters; NaN where it is undefined.
        drawn: That of each resample; NaN likewise.
        bearing: On how many clusters it rests.
        n: How many records it rests on, for the reader.
        proportion: Whether it lies between 0 and 1.
        method: What the estimate says of its interval.
    """
    if np.isnan(value):
        return undefined(n, method)
    if proportion and value in (0.0, 1.0) and np.nanmin(drawn, initial=value) == np.nanmax(drawn, initial=value):
        low, high = wilson_bounds(value, min(max(bearing, 1), max(n, 1)))
        return Estimate(value=value, low=low, high=high, n=n, method="wilson over clusters, as all agree")
    if bearing < 2:
        return Estimate(value=value, low=None, high=None, n=n, method="no interval from a single cluster")
    low, high = percentile_bounds(drawn, clusters=bearing)
    if high - low <= _ROUNDING:
        return Estimate(value=value, low=None, high=None, n=n, method=NO_SPREAD)
    return Estimate(value=value, low=low, high=high, n=n, method=method)


def bearing_clusters(sums: Floats, statistic: Statistic) -> int:
    """On how many clusters a statistic rests: those that have a value of their own.

    The recall of a class rests on the clusters that hold the class, however many others there are.
    """
    return int((~np.isnan(statistic(sums))).sum())


def percentile_bounds(drawn: Floats, level: float = 0.95, clusters: int | None = None) -> tuple[float, float]:
    """The percentile interval of bootstrap draws, leaving out those where the statistic is undefined.

    Args:
        drawn: The draws.
        level: Confidence level.
        clusters: How many clusters they were drawn from, for expanded percentiles. None gives plain ones.
    """
    tail = (1 - level) / 2
    if clusters is not None:
        # Two faults of few clusters are mended at once (Hesterberg 2015): the normal quantile should be Student's t,
        # and the bootstrap's variance is (clusters - 1) / clusters of the unbiased one. The quantile so widened is
        # turned back into a tail of the normal distribution, and the draws are read off at that percentile.
        clusters = max(2, clusters)
        widened = stats.t.ppf(1 - tail, clusters - 1) * np.sqrt(clusters / (clusters - 1))
        tail = float(stats.norm.sf(widened))
    low, high = np.nanpercentile(drawn, [100 * tail, 100 * (1 - tail)])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _drawn(clusters: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    """The draws of all resamples: many estimates rest on the same ones, and drawing is most of their cost."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, clusters), dtype=np.uint16)
    for row in drawn:
        row[:] = np.bincount(rng.integers(clusters, size=clusters), minlength=clusters)
    drawn.flags.writeable = False
    return drawn
