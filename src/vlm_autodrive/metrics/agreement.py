"""Agreement beyond chance: Cohen's kappa of two raters' labels, Krippendorff's alpha of any number of graders.

Sources: Cohen (1960), Educational and Psychological Measurement 20:37-46; Krippendorff (2011), Computing
Krippendorff's alpha-reliability, sections C to E (any number of graders, grades may be missing; nominal and ordinal
differences).
"""

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.metrics.bootstrap import METHOD, Bootstrap, bootstrap_estimate
from vlm_autodrive.metrics.intervals import Estimate, undefined, wilson
from vlm_autodrive.records import Record

Floats = NDArray[np.float64]


class Agreement(Record):
    """How far two reviewers agree on the records that both reviewed.

    Attributes:
        first: One reviewer.
        second: The other.
        alike: The proportion of these records of which they say the same.
        cohen_kappa: Agreement beyond chance; None if there is nothing to tell apart.
    """

    first: str
    second: str
    alike: Estimate
    cohen_kappa: float | None


def agreement(first: str, second: str, pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """How far two reviewers agree.

    Args:
        first: One reviewer's name.
        second: The other's.
        pairs: What they said of each record that both reviewed.
    """
    alike = sum(one == other for one, other in pairs)
    kappa = cohen_kappa([one for one, _ in pairs], [other for _, other in pairs])
    return Agreement(first=first, second=second, alike=wilson(alike, len(pairs)), cohen_kappa=kappa)


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa of two raters' labels: 1 is full agreement, 0 is what chance gives.

    Returns:
        None where there is nothing to tell apart: fewer than two different labels.
    """
    from sklearn.metrics import cohen_kappa_score

    numbers = {label: number for number, label in enumerate(dict.fromkeys([*first, *second]))}
    if len(numbers) < 2:
        return None
    return float(cohen_kappa_score([numbers[label] for label in first], [numbers[label] for label in second]))


Level = Literal["ordinal", "nominal"]
"""Whether grades have an order, or are classes of which any two differ alike."""


def krippendorff_alpha(units: Sequence[Sequence[float]], level: Level = "ordinal") -> float:
    """Krippendorff's alpha: 1 is full agreement, 0 is what chance gives.

    Args:
        units: The grades of each thing that was graded; those with fewer than two say nothing. Classes as numbers.
        level: Whether the grades have an order.

    Returns:
        NaN where there is nothing to tell apart: fewer than two different grades.
    """
    return float(_alpha(_coincidences(units).sum(axis=0)[None], level)[0])


def krippendorff_alpha_estimate(
    units: Sequence[Sequence[float]], bootstrap: Bootstrap, level: Level = "ordinal"
) -> Estimate:
    """The same with the interval of the cluster bootstrap.

    Args:
        units: The grades of each thing.
        bootstrap: Over these things.
        level: Whether the grades have an order.
    """
    counted = [index for index, grades in enumerate(units) if len(grades) > 1]
    if not counted:
        return undefined(0, METHOD)
    pairs = _coincidences([units[index] for index in counted])
    counting = bootstrap.select(np.array(counted))
    sums = counting.sums(pairs)
    value, drawn = float(_alpha(sums.sum(axis=0)[None], level)[0]), _alpha(counting.resampled(sums), level)
    # All clusters bear on it, also those whose graders agree and that so have no alpha of their own.
    return bootstrap_estimate(value, drawn, counting.count, len(counted), proportion=False)


def _coincidences(units: Sequence[Sequence[float]]) -> Floats:
    """How often each two grades meet in a unit, each pair weighted by 1 / (grades there - 1); [units, grades, grades].

    They add up over units, so that a bootstrap can draw their sums.
    """
    values = sorted({grade for grades in units if len(grades) > 1 for grade in grades})
    place = {value: index for index, value in enumerate(values)}
    found: Floats = np.zeros((len(units), len(values), len(values)))
    for table, grades in zip(found, units, strict=True):
        if len(grades) > 1:
            counts: Floats = np.zeros(len(values))
            np.add.at(counts, [place[grade] for grade in grades], 1.0)
            table += (np.outer(counts, counts) - np.diag(counts)) / (len(grades) - 1)
    return found


def _alpha(pairs: Floats, level: Level) -> Floats:
    """1 minus observed over expected disagreement, for tables of shape [batch, grades, grades]."""
    counts = pairs.sum(axis=2)
    n = counts.sum(axis=1)
    if level == "nominal":
        squared = np.broadcast_to(1.0 - np.eye(pairs.shape[1]), pairs.shape)
    else:
        # The difference of two grades is the number of grades given between them, with half of those at both ends.
        middle = counts.cumsum(axis=1) - counts / 2
        squared = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (n - 1) * (pairs * squared).sum(axis=(1, 2))
    expected = (counts[:, :, None] * counts[:, None, :] * squared).sum(axis=(1, 2))
    ratio: Floats = np.full(len(pairs), np.nan)
    np.divide(observed, expected, out=ratio, where=expected > 0)
    return 1 - ratio
