"""Classification metrics, all computed from one table of counts.

A confusion table has one row for each true class and one column for each predicted class, with a
last column for records without an answer; so a failed record is in every recall's denominator.
Every statistic takes tables of shape [..., K, K + 1] and is vectorised over the leading axes, which is
what makes the bootstrap quick. Definitions are those of scikit-learn 1.7 (``precision_recall_fscore_
support``, ``balanced_accuracy_score``); undefined values are NaN rather than 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def one_hot_confusion(truths: Sequence[str], predicted: Sequence[str | None], names: Sequence[str]) -> Floats:
    """One confusion table for each record, with a single 1 in it; their sum is the confusion table.

    Args:
        truths: True class of each record.
        predicted: Predicted class of each record; None counts as no answer, and so as wrong.
        names: The classes, in the order of rows and columns.
    """
    place = {name: index for index, name in enumerate(names)}
    tables = np.zeros((len(truths), len(names), len(names) + 1))
    for index, (truth, answer) in enumerate(zip(truths, predicted, strict=True)):
        tables[index, place[truth], len(names) if answer is None else place[answer]] = 1
    return tables


def confusion(truths: Sequence[str], predicted: Sequence[str | None], names: Sequence[str]) -> Floats:
    """The confusion table, shape [K, K + 1]; the last column counts records without an answer."""
    table: Floats = one_hot_confusion(truths, predicted, names).sum(axis=0)
    return table


def accuracy(tables: Floats) -> Floats:
    """Proportion of all records that are answered rightly."""
    return _divide(_right(tables).sum(axis=-1), tables.sum(axis=(-2, -1)))


def recall(tables: Floats) -> Floats:
    """Of each true class, the proportion found; NaN where the class does not occur. Shape [..., K]."""
    return _divide(_right(tables), tables.sum(axis=-1))


def precision(tables: Floats) -> Floats:
    """Of the records said to be of a class, the proportion that are; NaN where none was. Shape [..., K]."""
    return _divide(_right(tables), tables[..., :-1].sum(axis=-2))


def f1(tables: Floats) -> Floats:
    """2 TP / (2 TP + FP + FN) of each class; NaN where the class does not occur. Shape [..., K]."""
    support = tables.sum(axis=-1)
    scores = _divide(2 * _right(tables), support + tables[..., :-1].sum(axis=-2))
    return np.where(support > 0, scores, np.nan)


def macro_f1(tables: Floats) -> Floats:
    """Plain mean of F1 over the classes that occur."""
    return _mean_of_defined(f1(tables))


def balanced_accuracy(tables: Floats) -> Floats:
    """Plain mean of recall over the classes that occur."""
    return _mean_of_defined(recall(tables))


def false_positive_rate(tables: Floats) -> Floats:
    """Of the records that are not of the first class, the proportion that is said to be of it."""
    others = tables[..., 1:, :]
    return _divide(others[..., 0].sum(axis=-1), others.sum(axis=(-2, -1)))


def _right(tables: Floats) -> Floats:
    return np.diagonal(tables[..., :-1], axis1=-2, axis2=-1)


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    result: Floats = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _mean_of_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return _divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))
