"""Whether a probability of 0.8 means 8 in 10: calibration error, Brier score, log loss, temperature, abstention."""

from vlm_autodrive.metrics.curves import Curve
from vlm_autodrive.metrics.intervals import Figure
from vlm_autodrive.records import Record


class ReliabilityBin(Record):
    """Clips of like confidence.

    Attributes:
        n: How many.
        confidence: Mean probability of the class named.
        right: Share of them that are right, with Wilson's interval.
    """

    n: int
    confidence: float
    right: Figure


class CalibrationFigures(Record):
    """How far probabilities can be taken at their word.

    Attributes:
        ece: Expected calibration error of the class named, over bins of equally many clips.
        brier: Mean squared distance of all class probabilities from the truth, summed over the classes (0 to 2).
        nll: Mean negative logarithm of the true class's probability, in nats.
        bins: The bins of the reliability plot.
    """

    ece: Figure
    brier: Figure
    nll: Figure
    bins: tuple[ReliabilityBin, ...]


class CalibrationScores(Record):
    """Calibration as it is, after a temperature fitted on validation clips, and what abstaining would bring.

    Attributes:
        n: Clips with probabilities; ``without`` more have none.
        without: Clips without probabilities.
        source: Where the probabilities come from.
        plain: The figures of the probabilities as they are.
        temperature: What the logits are divided by, fitted on validation clips; None if there are none.
        validation_clips: On how many it was fitted.
        scaled: The figures after it; None without it.
        risk_coverage: Share of wrong answers (y) among the most confident share of clips (x).
        aurc: Area under it; lower is better.
    """

    n: int
    without: int
    source: str
    plain: CalibrationFigures
    temperature: float | None
    validation_clips: int
    scaled: CalibrationFigures | None
    risk_coverage: Curve
    aurc: Figure
