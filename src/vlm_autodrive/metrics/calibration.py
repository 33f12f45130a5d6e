"""Calibration of probabilities: calibration error, Brier score, log loss, temperature scaling.

Sources: Nguyen and O'Connor (2015), EMNLP 1587-1598, for calibration error over bins of equally many clips, which
Naeini, Cooper and Hauskrecht (2015), AAAI 2901-2907, define over bins of equal width; Brier (1950), Monthly Weather
Review 78:1-3, in its form for several classes; Guo et al. (2017), ICML 1321-1330, for the temperature.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from vlm_autodrive.metrics.bootstrap import NO_SPREAD, Bootstrap, percentile_bounds
from vlm_autodrive.metrics.curves import Curve
from vlm_autodrive.metrics.intervals import Estimate, undefined
from vlm_autodrive.records import Record

FLOOR = 1e-9
"""The least probability that the log loss reckons with: one answer that is certain and wrong costs 20.7 nats, and not
infinitely many."""

TEMPERATURES = (0.05, 20.0)
_MAX_BINS = 10
_CLIPS_PER_BIN = 20
_FEW_VALIDATION = 50
_ECE_METHOD = "cluster bootstrap, chance gaps taken off"

Floats = NDArray[np.float64]


class ReliabilityBin(Record):
    """Clips of like confidence.

    Attributes:
        n: How many.
        confidence: Mean probability of the class named.
        accuracy: Proportion of them that are right; Wilson where every clip is its own cluster, else cluster bootstrap.
    """

    n: int
    confidence: float
    accuracy: Estimate


class CalibrationEstimates(Record):
    """How far probabilities can be taken at their word.

    Attributes:
        ece: Expected calibration error of the class named, over bins of equally many clips.
        brier: Mean squared distance of all class probabilities from the truth, summed over the classes (0 to 2).
        nll: Mean negative logarithm of the true class's probability, in nats, that taken as at least :data:`FLOOR`.
        bins: The bins of the reliability plot.
    """

    ece: Estimate
    brier: Estimate
    nll: Estimate
    bins: tuple[ReliabilityBin, ...]


class CalibrationScores(Record):
    """Calibration as it is, after a temperature fitted on validation clips, and what abstaining would bring.

    Attributes:
        n: Clips with probabilities; ``without`` more have none.
        without: Clips without probabilities. They are in no estimate of calibration; in risk and coverage they count
            as wrong, and as the least certain.
        source: Where the probabilities come from.
        uncalibrated: The estimates of the probabilities as they are.
        temperature: What the logits are divided by, fitted on validation clips; None if there are none.
        validation_clips: On how many it was fitted.
        temperature_scaled: The estimates after it; None without it.
        risk_coverage: Proportion of wrong answers (y) among the most confident proportion of clips (x).
        aurc: Area under it; lower is better.
        warning: What to mind about the temperature; empty if nothing.
    """

    n: int
    without: int
    source: str
    uncalibrated: CalibrationEstimates
    temperature: float | None
    validation_clips: int
    temperature_scaled: CalibrationEstimates | None
    risk_coverage: Curve
    aurc: Estimate
    warning: str = ""


def calibration_estimates(
    probabilities: Floats, truths: NDArray[np.intp], bootstrap: Bootstrap
) -> CalibrationEstimates:
    """Calibration error, Brier score and log loss of some probabilities.

    Args:
        probabilities: One row for each clip, one column for each class; rows sum to 1.
        truths: The column of each clip's true class.
        bootstrap: Over these clips.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truths
    place = equal_mass_bins(confidence, bins_for(len(confidence)))
    true_probability = probabilities[np.arange(len(truths)), truths]
    distance = ((probabilities - np.eye(probabilities.shape[1])[truths]) ** 2).sum(axis=1)
    return CalibrationEstimates(
        ece=_ece_estimate(confidence, right, place, bootstrap),
        brier=bootstrap.mean(distance),
        nll=bootstrap.mean(-np.log(np.maximum(true_probability, FLOOR))),
        bins=tuple(
            ReliabilityBin(
                n=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=bootstrap.select(inside).proportion(right[inside]),
            )
            for inside in (place == number for number in np.unique(place))
        ),
    )


def bins_for(n: int) -> int:
    """How many bins so many clips fill: ten, or fewer where a bin would hold fewer than twenty clips."""
    return max(1, min(_MAX_BINS, n // _CLIPS_PER_BIN))


def equal_mass_bins(confidence: Floats, bins: int) -> NDArray[np.intp]:
    """The bin of each clip, cut at the quantiles of the confidences; equal confidences share a bin."""
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1))[1:-1]
    return np.searchsorted(edges, confidence, side="right")


def calibration_error(confidence: Floats, right: NDArray[np.bool_], place: NDArray[np.intp]) -> float:
    """Mean distance of confidence and accuracy over bins, each weighted by its clips."""
    gaps = np.bincount(place, weights=right - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def _ece_estimate(
    confidence: Floats, right: NDArray[np.bool_], place: NDArray[np.intp], bootstrap: Bootstrap
) -> Estimate:
    """The error with an interval that holds for calibrated models too; the bins stay put.

    Chance gaps in the bins add up whatever their sign, so the estimate lies above the truth, most of all where that
    is near 0, and no percentile of the resampled error comes down to it. But the estimate is off by no more than the
    sum of the chance gaps (the triangle inequality), whose size the resamples show: that is taken off at the lower
    end. The upper end is the percentile of the resampled errors. Both ends err to the wide side.
    """
    value = calibration_error(confidence, right, place)
    clusters, n = bootstrap.count, len(place)
    if clusters < 2:
        return undefined(n, "no interval from a single cluster").model_copy(update={"value": value})
    rows = np.zeros((n, int(place.max()) + 2))
    rows[np.arange(n), place] = right - confidence
    rows[:, -1] = 1
    sums = bootstrap.sums(rows)
    totals = bootstrap.resampled(sums)
    gaps = totals[:, :-1] / totals[:, -1:]
    by_chance = np.abs(gaps - sums[:, :-1].sum(axis=0) / n).sum(axis=1)
    _, high = percentile_bounds(np.abs(gaps).sum(axis=1), clusters=clusters)
    _, most = percentile_bounds(by_chance, clusters=clusters)
    low, high = max(0.0, value - most), max(value, high)
    if low == high:
        return undefined(n, NO_SPREAD).model_copy(update={"value": value})
    return Estimate(value=value, low=low, high=high, n=n, method=_ECE_METHOD)


def fit_temperature(probabilities: Floats, truths: NDArray[np.intp]) -> float:
    """The temperature within :data:`TEMPERATURES` that makes the log loss least.

    Args:
        probabilities: Of validation clips, one row for each.
        truths: The column of each clip's true class.
    """

    def loss(log_temperature: float) -> float:
        scaled = at_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scaled[np.arange(len(truths)), truths], FLOOR)).mean())

    # A temperature is a factor: on a logarithmic scale halving and doubling are steps of one length, and the range is
    # searched evenly. It needs bounds: where the model is right on every clip, the loss falls on as the temperature
    # nears 0; where it is worse than chance, on towards infinity.
    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def at_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities whose logits, which are their logarithms, are divided by a temperature."""
    logits = np.log(np.maximum(probabilities, FLOOR)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def temperature_warning(temperature: float | None, truths: NDArray[np.intp]) -> str:
    """What to mind about a temperature; empty if nothing.

    Args:
        temperature: The one fitted; None if no validation clip has probabilities.
        truths: The true classes of those that have some.
    """
    if temperature is None:
        return "No validation clip has probabilities, so that no temperature could be fitted."
    low, high = TEMPERATURES
    clips = len(truths)
    if temperature < 1.01 * low or temperature > high / 1.01:
        return (
            f"The temperature lies at an end of the range searched, {low:g} to {high:g}: the validation clips do not "
            "fix it, as when all are answered rightly or the probabilities say nothing."
        )
    if len(set(truths.tolist())) < 2:
        return f"The {clips} validation clips are all of one class: a temperature fitted on them holds for no other."
    if clips < _FEW_VALIDATION:
        return f"The temperature was fitted on only {clips} validation clips and is rough."
    return ""
