"""The operating point of a search: what the model's card says of its threshold, and what to expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlm_autodrive.artifacts import PROVENANCE, read_provenance
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import at_temperature
from vlm_autodrive.models import model_key, read_card, resolve_model
from vlm_autodrive.records import Calibration, DetectedEvent, Estimate, OperatingPoint, Taxonomy
from vlm_autodrive.settings import parse_settings

_OF_CALIBRATION = ("window_s", "stride_s", "merge_gap_s", "low_threshold")


@dataclass(frozen=True)
class SearchBasis:
    """What the results of a search rest on, in words to stand beside them.

    Attributes:
        training: What footage the model was trained on; empty if its card does not tell.
        expectation: Where the threshold comes from, and what recall and false alarms to expect at it.
        temperature: The temperature of the calibration; None if there is none.
    """

    training: str = ""
    expectation: str = ""
    temperature: float | None = None


def choose_operating_point(
    settings: DetectSettings, model: str, sampling: Mapping[str, Any], rate: float | None = None
) -> tuple[DetectSettings, SearchBasis]:
    """The settings with the operating point of the model's card, unless they name a threshold themselves.

    What the settings name stands. What they leave open is taken from the calibration.

    Args:
        settings: The user's settings.
        model: The model; of a served one the folder of its checkpoint, if there is one.
        sampling: How its frames are taken, as plain values.
        rate: The false alarms per hour that are wanted; None for what the calibration was made for.

    Raises:
        UserError: If a rate is wanted that the card cannot promise: it has no calibration, or one for other settings,
            or none for so few false alarms; or if a threshold is named as well.
    """
    card = read_card(model)
    calibration, named = card.calibration, settings.model_fields_set
    command = f"`autodrive calibrate --model {model} --truth CSV --out DIR`"
    if "threshold" in named:
        if rate is not None:
            raise UserError("threshold and --false-alarms-per-hour exclude each other; leave one out.")
        return settings, SearchBasis(card.training, f"threshold {settings.threshold:.4g}, as set.")
    if calibration is None:
        if rate is not None:
            raise UserError(f"{model} is not calibrated, so that no rate can be chosen; {command} does it.")
        words = (
            f"threshold {settings.threshold:g}, by default: {model} is not calibrated; {command} tells what to expect."
        )
        return settings, SearchBasis(card.training, words)
    point = calibration.point(rate)
    if point is None or point.threshold is None:
        lowest = min(each.max_false_alarms_per_hour for each in calibration.points if each.threshold is not None)
        raise UserError(
            f"{model} has no operating point for {rate} false alarms per hour; its lowest is {lowest:g}. Add "
            f"'rates=[{rate}]' to {command}, with more footage."
        )
    taken = {name: getattr(calibration, name) for name in _OF_CALIBRATION} | {"min_windows": point.min_windows}
    unlike = [
        f"{name}={getattr(settings, name)} (there {value})"
        for name, value in taken.items()
        if name in named and getattr(settings, name) != value
    ]
    unlike += ["frames are sampled otherwise"] if dict(sampling) != calibration.sampling else []
    unlike += [] if calibration.model_key in _weights(model) else ["its weights have changed"]
    open_to_it = {name: value for name, value in taken.items() if name not in named}
    chosen = with_threshold(settings.model_copy(update=open_to_it), point.threshold)
    chosen = parse_settings(DetectSettings, chosen.model_dump(), f"settings with those of the calibration of {model}")
    if not unlike:
        return chosen, SearchBasis(card.training, expectation(calibration, point), calibration.temperature)
    if rate is not None:
        raise UserError(f"{model} was calibrated otherwise: {', '.join(unlike)}; leave that out, or {command} anew.")
    words = f"threshold {point.threshold:.4g} of a calibration that does not hold here: {', '.join(unlike)}."
    return chosen, SearchBasis(card.training, words)


def _weights(model: str) -> set[str]:
    """The keys of a model's weights: an export has those of the checkpoint that it was made from too."""
    folder = Path(resolve_model(model))
    made_from = read_provenance(folder).inputs.values() if (folder / PROVENANCE).is_file() else ()
    return {model_key(model), *(each.key for each in made_from)}


def with_calibrated_probability(event: DetectedEvent, temperature: float | None, taxonomy: Taxonomy) -> DetectedEvent:
    """The event with its probability at a temperature; as it is without one."""
    if temperature is None:
        return event
    row = np.array([[event.probabilities[name] for name in taxonomy.names]])
    normal = at_temperature(row, temperature)[0, -1]  # the class without event is the taxonomy's last
    return event.model_copy(update={"calibrated_probability": float(1 - normal)})


def expectation(calibration: Calibration, point: OperatingPoint) -> str:
    """What to expect at an operating point, in a sentence."""
    how = "each measured at the threshold of the others" if calibration.held_out else "measured where it was fitted"
    recall = f"a recall of {interval_words(point.recall)} and " if calibration.events else ""
    words = (
        f"threshold {point.threshold:.4g} in {counted(point.min_windows, 'window')}, calibrated for "
        f"{point.max_false_alarms_per_hour:g} false alarms per hour: expect {recall}"
        f"{interval_words(point.false_alarms_per_hour)} false alarms per hour on footage like that of the calibration "
        f"(95 % intervals; {calibration_footage(calibration)}, {how})."
    )
    if calibration.hours < point.hours_needed:
        words += f" So few hours promise no such rate; {point.hours_needed:.1f} h without a false alarm would."
    return words


def calibration_footage(calibration: Calibration) -> str:
    """What a calibration was fitted on, in words."""
    return (
        f"{counted(len(calibration.videos), 'video')}, {calibration.hours:.2g} h together, with "
        f"{counted(calibration.events, 'event')}"
    )


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}{'s' * (number != 1)}"


def interval_words(estimate: Estimate) -> str:
    """An estimate with its interval in brackets."""
    if estimate.value is None:
        return "not known"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def with_threshold(settings: DetectSettings, threshold: float) -> DetectSettings:
    """The same settings with another threshold; ``low_threshold`` is lowered to it where it lies above."""
    low = settings.low_threshold
    return settings.model_copy(
        update={"threshold": threshold, "low_threshold": None if low is None else min(low, threshold)}
    )
