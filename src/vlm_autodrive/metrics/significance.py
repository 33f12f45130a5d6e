"""Significance of a difference: exact and permutation tests, Holm's adjustment, and how many clips settle it.

Sources: McNemar (1947), Psychometrika 12:153-157, in its exact binomial form; Holm (1979),
Scandinavian Journal of Statistics 6:65-70; Bloom (1995), Evaluation Review 19:547-556, for the minimum detectable
difference; Connor (1987), Biometrics 43:207-211, for the sample size; Kish (1965),
Survey Sampling, for the design effect. For clips that are not independent whole clusters are swapped: Fisher (1935),
The Design of Experiments, section 21, for paired differences; Pesarin and Salmaso (2010), Permutation Tests for Complex
Data, for what may be exchanged; Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology
9:39, for the 1 that is added where permutations are drawn and not counted.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vlm_autodrive.metrics.bootstrap import Bootstrap
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record

LEVEL = 0.05
POWER = 0.80
DRAWS = 10_000
_ROUNDING = 1e-12

Counts = NDArray[np.int64]


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


def clips_to_settle(test: McNemar, n: int, design_effect: float = 1.0) -> int | None:
    """How many clips would show the difference seen, at 5 % two-sided with a power of 80 %, by McNemar's test.

    Args:
        test: What was seen.
        n: On how many clips.
        design_effect: How many times larger the variance of the difference is than for independent clips.

    Returns:
        The number; None where no difference was seen.
    """
    if test.only_first == test.only_second:
        return None
    discordant, difference = (test.only_first + test.only_second) / n, abs(test.only_first - test.only_second) / n
    at_level, at_power = stats.norm.ppf(1 - LEVEL / 2), stats.norm.ppf(POWER)
    root = at_level * np.sqrt(discordant) + at_power * np.sqrt(discordant - difference**2)
    return int(np.ceil(design_effect * (root / difference) ** 2))


def design_effect(differences: Sequence[int], bootstrap: Bootstrap) -> float:
    """How many times larger the variance of a mean difference is, for its clusters, than for independent clips.

    Never below 1: clusters whose clips happen to even out are no reason to ask for fewer.

    Args:
        differences: Of each clip, whether the second model is right minus whether the first is.
        bootstrap: Over these clips; its clusters are what counts here.
    """
    apart = np.asarray(differences, dtype=np.float64)
    apart = apart - apart.mean()
    together = bootstrap.sums(apart)
    n, count = len(apart), len(together)
    if count < 2 or not apart.any():
        return 1.0
    return max(1.0, count * (n - 1) / ((count - 1) * n) * float((together @ together) / (apart @ apart)))


def minimum_detectable_difference(difference: Estimate) -> float | None:
    """The smallest true difference that such data would show at 5 % two-sided with a power of 80 %.

    It is (z of 0.975 + z of 0.8) standard errors (Bloom 1995), about 2.8. The standard error is taken from the
    difference's own 95 % interval, half of whose width is z of 0.975 standard errors; an interval that is widened for
    few clusters or seeds so widens it alike. About 1.43 times half the interval's width.

    Returns:
        None where the difference has no interval.
    """
    if difference.low is None or difference.high is None:
        return None
    at_level, at_power = stats.norm.ppf(1 - LEVEL / 2), stats.norm.ppf(POWER)
    return float((difference.high - difference.low) / 2 * (at_level + at_power) / at_level)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted


def sign_flip_p_value(differences: Sequence[int]) -> float:
    """Two-sided exact p-value of a sum of whole numbers, were each as likely to have the other sign.

    With the second model's right answers minus the first's, cluster by cluster, this swaps the models' answers in
    whole clusters. With one clip a cluster it is McNemar's exact test. All sign patterns are counted, not drawn: the
    numbers of one size make a binomial distribution, and those of several sizes are convolved.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.int64))
    chances = np.ones(1)  # of each number of flips so far, weighted by their size
    for size, count in zip(*np.unique(sizes[sizes > 0], return_counts=True), strict=True):
        # Of `count` clusters whose difference is `size`, a binomial number keeps its sign. Sums of independent numbers
        # have the convolution of their distributions, so 2^clusters sign patterns cost a few short products.
        spread = np.zeros(int(size * count) + 1)
        spread[::size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, spread)
    sums = 2 * np.arange(len(chances)) - sizes.sum()
    return min(1.0, float(chances[np.abs(sums) >= abs(sum(differences))].sum()))


def slice_p_value(inside: Counts, outside: Counts, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided p-value of the accuracy in a slice against that of the rest.

    Where a cluster lies in the slice or outside as a whole, as a drive lies in the night, it is drawn which clusters
    lie inside, as many as do. Where the slice cuts through a cluster, it is drawn which of its clips lie inside. Only
    the numbers right and of clips matter, so draws are made of the patterns of those, however many clusters there are.

    Args:
        inside: Of each cluster, the clips in the slice that are right and all clips in it, shape [clusters, 2].
        outside: The same of its other clips.
        draws: Permutations drawn.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    cut = (inside[:, 1] > 0) & (outside[:, 1] > 0)
    within, whole = inside[~cut].any(axis=1), (inside + outside)[~cut]
    patterns, counts = np.unique(whole, axis=0, return_counts=True)
    drawn = np.zeros((draws, 2), dtype=np.int64)
    if len(patterns):
        drawn += rng.multivariate_hypergeometric(counts, int(within.sum()), size=draws, method="marginals") @ patterns
    both = np.column_stack([(inside + outside)[cut], inside[cut][:, 1]])
    for (right, clips, taken), count in zip(*np.unique(both, axis=0, return_counts=True), strict=True):
        chances = stats.hypergeom.pmf(np.arange(taken + 1), clips, right, taken)
        drawn[:, 0] += rng.multinomial(count, chances / chances.sum(), size=draws) @ np.arange(taken + 1)
        drawn[:, 1] += taken * count
    total = (inside + outside).sum(axis=0)
    seen = _distance(inside.sum(axis=0)[None], total)[0]
    return float((1 + (_distance(drawn, total) >= seen - _ROUNDING).sum()) / (draws + 1))


def _distance(inside: Counts, total: Counts) -> NDArray[np.float64]:
    outside = total - inside
    return np.asarray(np.abs(inside[:, 0] / inside[:, 1] - outside[:, 0] / outside[:, 1]), dtype=np.float64)
