"""Precision-recall and ROC curves, their areas, and the recall at a given precision or false alarm rate.

Average precision and the area under the ROC curve are scikit-learn's (``average_precision_score``,
``roc_auc_score``): average precision is the sum of the precisions at the distinct scores, each weighted by the
recall that it adds, without interpolation between them (Davis and Goadrich, 2006, ICML, on why); the ROC area is the
Mann-Whitney statistic with ties counted half (Hanley and McNeil, 1982, Radiology 143:29-36).

For the intervals clips are sorted once. All estimates change at scores of positive clips only, so the counts between
two such scores are summed up for all resamples at once, by one sparse matrix product.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vlm_autodrive.metrics.bootstrap import Bootstrap, bootstrap_estimate
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record

PRECISION = 0.9
FALSE_POSITIVE_RATE = 0.05
_POINTS = 200
_BLOCK = 32  # resamples whose curves are in the processor's cache at once
_ROUNDING = 1e-12

Floats = NDArray[np.float64]


class Curve(Record):
    """Points of a curve, thinned out for drawing; estimates are computed from all points.

    Attributes:
        x: Recall, false positive rate or coverage.
        y: Precision, true positive rate or risk, point for point.
        thresholds: The probability from which a clip counts as positive, point for point.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    thresholds: tuple[float, ...]


class RankingScores(Record):
    """How well probabilities rank the clips of a class before all others.

    Attributes:
        positives: Clips of the class.
        average_precision: As scikit-learn defines it; ``positives / n`` is what chance gives.
        auroc: Area under the ROC curve; 0.5 is what chance gives.
        recall_at_precision: Highest recall among thresholds with a precision of at least 0.9.
        recall_at_false_positive_rate: Highest recall among thresholds with a false positive rate of at most 0.05.
        precision_recall: The curve of precision over recall.
        roc: The curve of the true over the false positive rate.
    """

    positives: int
    average_precision: Estimate
    auroc: Estimate
    recall_at_precision: Estimate
    recall_at_false_positive_rate: Estimate
    precision_recall: Curve
    roc: Curve


def ranking(scores: Floats, positive: NDArray[np.bool_], bootstrap: Bootstrap) -> RankingScores:
    """All estimates of a ranking, with intervals of the cluster bootstrap.

    Average precision and the recalls are undefined without positive clips, the ROC area also without negative ones.

    Args:
        scores: One for each clip; higher is more likely positive.
        positive: Whether each clip is.
        bootstrap: Over these clips.

    Raises:
        ValueError: If there are no clips, or a score is not a number.
    """
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError("a ranking needs at least one score, and every score must be a finite number")
    (found, area, at_precision, at_rate), drawn = areas(scores, positive, bootstrap)
    positives, n = int(positive.sum()), len(scores)
    with_positive, with_negative = (len(np.unique(bootstrap.clusters[chosen])) for chosen in (positive, ~positive))
    both = min(with_positive, with_negative)
    precision_recall, roc = _curves(scores, positive)
    return RankingScores(
        positives=positives,
        average_precision=bootstrap_estimate(found, drawn[0], with_positive, n),
        auroc=bootstrap_estimate(area, drawn[1], both, n),
        recall_at_precision=bootstrap_estimate(at_precision, drawn[2], with_positive, positives),
        recall_at_false_positive_rate=bootstrap_estimate(at_rate, drawn[3], with_positive, positives),
        precision_recall=precision_recall,
        roc=roc,
    )


def areas(
    scores: Floats, positive: NDArray[np.bool_], bootstrap: Bootstrap, records: NDArray[np.intp] | None = None
) -> tuple[Floats, Floats]:
    """Average precision, ROC area and the two recalls, of the clips and of each resample; NaN where undefined.

    Args:
        scores: One for each clip; higher is more likely positive.
        positive: Whether each clip is.
        bootstrap: Over these clips, or over more: all its clusters are drawn, also such that hold none of these.
        records: Which of the bootstrap's records the clips are; by default all, in order.

    Returns:
        The four values, and as many rows of their resamples.
    """
    groups = bootstrap.clusters if records is None else bootstrap.clusters[records]
    whole, drawn = weighted(_steps(scores, positive, groups, bootstrap.count), _areas, bootstrap)
    return whole[:, 0], drawn


def weighted(
    steps: sparse.csr_array, statistics: Callable[[Floats], Floats], bootstrap: Bootstrap
) -> tuple[Floats, Floats]:
    """Statistics of a curve with every cluster once, and with the clusters of each resample; resamples come last.

    Args:
        steps: Turns weights of clusters into weights of the steps of a curve, shape [steps, clusters].
        statistics: Maps weights of steps, shape [steps, resamples], to values of shape [..., resamples].
        bootstrap: Over the clusters.
    """
    drawn = [
        statistics(steps @ counts[begin : begin + _BLOCK].T)
        for counts in bootstrap.draws()
        for begin in range(0, len(counts), _BLOCK)
    ]
    return statistics(steps @ np.ones((bootstrap.count, 1))), np.concatenate(drawn, axis=-1)


def _steps(scores: Floats, positive: NDArray[np.bool_], groups: NDArray[np.intp], clusters: int) -> sparse.csr_array:
    """A matrix that turns weights of clusters into weights of the steps of a curve.

    Its rows are, for each distinct score of a positive clip, from high to low: the positives with it; then, in as
    many rows, the negatives with it; then the negatives above it and at most at the next higher one; and a last row
    for the negatives below all. Its columns are the clusters.
    """
    levels = np.unique(scores[positive])
    count = len(levels)
    place = count - np.searchsorted(levels, scores, side="right")  # levels strictly above each score
    tied = np.zeros(len(scores), dtype=bool)
    inside = place < count
    tied[inside] = levels[count - 1 - place[inside]] == scores[inside]
    rows = np.where(positive, place, np.where(tied, count + place, 2 * count + place))
    ones = np.ones(len(scores))
    return sparse.csr_array((ones, (rows, groups)), shape=(3 * count + 1, clusters))


def _areas(steps: Floats) -> Floats:
    """Average precision, ROC area and the two recalls, shape [4, resamples]; NaN where undefined.

    Args:
        steps: As the matrix of :func:`_steps` gives them, shape [3 x levels + 1, resamples].
    """
    count = len(steps) // 3
    hits, ties, above = steps[:count], steps[count : 2 * count], steps[2 * count : 3 * count]
    found, alarms = np.cumsum(hits, axis=0), np.cumsum(above + ties, axis=0)
    positives, negatives = hits.sum(axis=0), (ties + above).sum(axis=0) + steps[-1]
    said = found + alarms
    precision = np.divide(found, said, out=np.zeros_like(said), where=said > 0)
    average = (hits * precision).sum(axis=0)
    beaten = (hits * (negatives - alarms + ties / 2)).sum(axis=0)
    precise = np.where(precision >= PRECISION - _ROUNDING, found, 0.0).max(axis=0, initial=0.0)
    seldom = np.where(alarms <= (FALSE_POSITIVE_RATE + _ROUNDING) * negatives, found, 0.0).max(axis=0, initial=0.0)
    result = np.full((4, steps.shape[1]), np.nan)
    for row, (part, whole) in enumerate(
        [(average, positives), (beaten, positives * negatives), (precise, positives), (seldom, positives)]
    ):
        np.divide(part, whole, out=result[row], where=whole > 0)
    result[3, negatives == 0] = np.nan
    return result


def _curves(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Curve, Curve]:
    """Both curves, a point for each distinct score and, for the ROC curve, its start at 0."""
    levels = np.unique(scores)[::-1]
    place = np.searchsorted(-levels, -scores)
    found = np.cumsum(np.bincount(place[positive], minlength=len(levels)))
    alarms = np.cumsum(np.bincount(place[~positive], minlength=len(levels)))
    positives, negatives = max(1, int(found[-1])), max(1, int(alarms[-1]))
    recall, precision, rate = found / positives, found / (found + alarms), alarms / negatives
    chosen = thinned(recall, precision)
    precision_recall = Curve(
        x=tuple(recall[chosen].tolist()),
        y=tuple(precision[chosen].tolist()),
        thresholds=tuple(levels[chosen].tolist()),
    )
    chosen = thinned(rate, recall)
    roc = Curve(
        x=(0.0, *rate[chosen].tolist()),
        y=(0.0, *recall[chosen].tolist()),
        thresholds=(float(levels[0]), *levels[chosen].tolist()),
    )
    return precision_recall, roc


def thinned(x: Floats, y: Floats, points: int = _POINTS) -> NDArray[np.intp]:
    """Which points of a curve to draw: at most so many, evenly along the curve's way, its ends among them."""
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    if len(way) <= points:
        return np.arange(len(way))
    return np.unique(np.searchsorted(way, np.linspace(0, way[-1], points)).clip(0, len(way) - 1))
