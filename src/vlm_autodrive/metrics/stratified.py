"""Shares from a stratified sample, and how far two reviewers agree.

Sources: Cochran (1977), Sampling Techniques, chapter 5, for the weighted mean and its variance; Kish (1965),
Survey Sampling, for the effective sample size; Franco, Little, Louis and Slud (2019), Journal of Survey
Statistics and Methodology 7:334-364, for the Wilson interval with it; Cohen (1960), Educational and
Psychological Measurement 20:37-46, for kappa.
"""

from collections.abc import Sequence

from vlm_autodrive.metrics.intervals import Estimate, undefined, wilson, wilson_bounds
from vlm_autodrive.records import Record

METHOD = "wilson, effective sample size"


class Agreement(Record):
    """How far two reviewers agree.

    Attributes:
        first: One reviewer.
        second: The other.
        alike: The share of the items that both judged on which they say the same.
        kappa: Agreement beyond chance: 1 is full, 0 is what chance gives; None if there is nothing to tell apart.
    """

    first: str
    second: str
    alike: Estimate
    kappa: float | None


def stratified_proportion(sizes: Sequence[int], scores: Sequence[Sequence[float]], level: float = 0.95) -> Estimate:
    """The share of all items that are good, from samples drawn within strata.

    The mean of each stratum counts by the stratum's size, so the share is unbiased however unevenly the strata
    were sampled. The interval is Wilson's with the effective sample size: that of the weights alone, or that of
    the estimated variance where it is smaller. In the variance each stratum's mean is drawn towards the whole
    by one item, since a stratum of one item shows no spread. With one stratum this is the plain Wilson interval.

    Args:
        sizes: How many items each stratum has.
        scores: For each stratum, the scores from 0 to 1 of those judged. Strata without any are left out.
        level: Confidence level.
    """
    seen = [(size, row) for size, row in zip(sizes, scores, strict=True) if row]
    n = sum(len(row) for _, row in seen)
    if not seen:
        return undefined(0, METHOD)
    whole = sum(size for size, _ in seen)
    parts = [(size / whole, sum(row), len(row)) for size, row in seen]
    share = min(1.0, sum(weight * good / count for weight, good, count in parts))
    effective = 1 / sum(weight**2 / count for weight, _, count in parts)
    variance = 0.0
    for weight, good, count in parts:
        drawn_in = (good + share) / (count + 1)
        variance += weight**2 * drawn_in * (1 - drawn_in) / count
    if variance > 0:
        effective = min(effective, share * (1 - share) / variance)
    low, high = wilson_bounds(share, effective, level)
    return Estimate(value=share, low=low, high=high, n=n, method=METHOD)


def agreement(first: str, second: str, pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """How far two reviewers agree on the items that both judged.

    Args:
        first: One reviewer's name.
        second: The other's.
        pairs: What they said of each of these items.
    """
    n = len(pairs)
    alike = sum(one == other for one, other in pairs)
    kappa = None
    if n:
        yes_first, yes_second = sum(one for one, _ in pairs) / n, sum(other for _, other in pairs) / n
        by_chance = yes_first * yes_second + (1 - yes_first) * (1 - yes_second)
        kappa = None if by_chance == 1 else (alike / n - by_chance) / (1 - by_chance)
    return Agreement(first=first, second=second, alike=wilson(alike, n), kappa=kappa)
