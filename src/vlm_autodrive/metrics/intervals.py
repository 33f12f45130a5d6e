"""Estimates with a 95 % confidence interval, and the intervals that need no resampling: Wilson and Garwood.

Sources: Wilson (1927), JASA 22:209-212; Garwood (1936), Biometrika 28:437-442; for stratified samples Cochran (1977),
Sampling Techniques, chapter 5 (weighted mean and variance), Kish (1965), Survey Sampling (effective sample size), and
Franco, Little, Louis and Slud (2019), Journal of Survey Statistics and Methodology 7:334-364 (Wilson's interval with
it). ``bootstrap`` has the intervals of all else.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from vlm_autodrive.records import Estimate as Estimate

FEW_CLIPS = 30
"""Fewer clips or events than these, of a class or in all, allow no firm conclusion."""
FEW_CLUSTERS = 30
STRATIFIED_METHOD = "wilson, effective sample size"


def undefined(n: int, method: str = "undefined") -> Estimate:
    """An estimate that cannot be computed."""
    return Estimate(value=None, low=None, high=None, n=n, method=method)


def wilson(successes: int, n: int, level: float = 0.95) -> Estimate:
    """A proportion with the Wilson score interval, for independent trials."""
    if n == 0:
        return undefined(0, "wilson")
    low, high = wilson_bounds(successes / n, n, level)
    return Estimate(value=successes / n, low=low, high=high, n=n, method="wilson")


def wilson_bounds(proportion: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion; ``n`` may be an effective number of trials, not whole.

    It inverts the score test, p +- z sqrt(p (1 - p) / n) solved for the true p, and so keeps its coverage near 0 and 1,
    where the interval p +- z sqrt(...) around the seen value shrinks to nothing.
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    middle = (proportion + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n)))
    low = 0.0 if proportion == 0 else max(0.0, middle - half)
    high = 1.0 if proportion == 1 else min(1.0, middle + half)
    return low, high


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


def stratified_proportion(sizes: Sequence[int], scores: Sequence[Sequence[float]], level: float = 0.95) -> Estimate:
    """The proportion of all records that are good, from samples drawn within strata.

    The mean of each stratum counts by the stratum's size, so the proportion is unbiased however unevenly the strata
    were sampled. The interval is Wilson's with the effective sample size: that of the weights alone, or that of the
    estimated variance where it is smaller. With one stratum this is the plain Wilson interval.

    Args:
        sizes: How many records each stratum has.
        scores: For each stratum, the scores from 0 to 1 of those reviewed. Strata without any are left out.
        level: Confidence level.
    """
    seen = [(size, row) for size, row in zip(sizes, scores, strict=True) if row]
    n = sum(len(row) for _, row in seen)
    if not seen:
        return undefined(0, STRATIFIED_METHOD)
    whole = sum(size for size, _ in seen)
    strata = [(size / whole, sum(row), len(row)) for size, row in seen]
    proportion = min(1.0, sum(weight * good / count for weight, good, count in strata))
    effective = 1 / sum(weight**2 / count for weight, _, count in strata)
    variance = 0.0
    for weight, good, count in strata:
        # A stratum of one record shows no spread, so its mean is drawn towards the whole by one record of the whole.
        shrunk = (good + proportion) / (count + 1)
        variance += weight**2 * shrunk * (1 - shrunk) / count
    if variance > 0:
        effective = min(effective, proportion * (1 - proportion) / variance)
    low, high = wilson_bounds(proportion, effective, level)
    return Estimate(value=proportion, low=low, high=high, n=n, method=STRATIFIED_METHOD)


def few_clusters_warning(clusters: int) -> str:
    """A warning for readers where the clusters are too few to trust a bootstrap; empty if they are not."""
    if clusters >= FEW_CLUSTERS:
        return ""
    return (
        f"Only {clusters} independent groups of clips: below {FEW_CLUSTERS} the intervals come out too narrow "
        "and should be read as rough."
    )
