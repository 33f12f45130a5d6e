"""Permutation tests for clips that are not independent: whole clusters are swapped.

Sources: Fisher (1935), The Design of Experiments, section 21, for paired differences; Pesarin and Salmaso (2010),
Permutation Tests for Complex Data, for what may be exchanged; Phipson and Smyth (2010), Statistical Applications in
Genetics and Molecular Biology 9:39, for the 1 that is added where permutations are drawn and not counted.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 10_000
_ROUNDING = 1e-12

Counts = NDArray[np.int64]


def sign_flip_p_value(differences: Sequence[int]) -> float:
    """Two-sided exact p-value of a sum of whole numbers, were each as likely to have the other sign.

    With the second model's right answers minus the first's, cluster by cluster, this swaps the models' answers in
    whole clusters. With one clip a cluster it is McNemar's exact test. All sign patterns are counted, not drawn: the
    numbers of one size make a binomial distribution, and those of several sizes are convolved.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.int64))
    chances = np.ones(1)  # of each number of flips so far, weighted by their size
    for size, count in zip(*np.unique(sizes[sizes > 0], return_counts=True), strict=True):
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
