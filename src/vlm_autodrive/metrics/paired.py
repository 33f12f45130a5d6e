"""Two models on the same clips: McNemar's exact test, the paired cluster bootstrap, and how many clips settle it.

Sources: McNemar (1947), Psychometrika 12:153-157, in its exact binomial form; Holm (1979),
Scandinavian Journal of Statistics 6:65-70; Connor (1987), Biometrics 43:207-211, for the sample size; Kish (1965),
Survey Sampling, for the design effect; Miller (2024), arXiv:2411.00640, for why evaluations on the same questions
must be compared in pairs. ``permutation`` has the test for clips that are not independent.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from vlm_autodrive.metrics.bootstrap import Bootstrap
from vlm_autodrive.records import Record

LEVEL = 0.05
POWER = 0.80


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


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted
