"""Precision-recall and ROC curves, their areas, and how good a ranking is at a stated prevalence."""

from vlm_autodrive.metrics.intervals import Figure
from vlm_autodrive.records import Record


class Curve(Record):
    """Points of a curve, thinned out for drawing; figures are computed from all points.

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
    average_precision: Figure
    auroc: Figure
    recall_at_precision: Figure
    recall_at_false_positive_rate: Figure
    precision_recall: Curve
    roc: Curve
