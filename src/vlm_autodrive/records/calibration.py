"""The calibration of a model on long video: its operating points, and on what they were fitted."""

from typing import Any

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.file_names import FileName


class Estimate(Record):
    """One number with its uncertainty.

    Attributes:
        value: The number; None where it is undefined, such as a precision when nothing was predicted.
        low: Lower end of the 95 % confidence interval; None likewise.
        high: Upper end.
        n: How many clips, events or videos it rests on.
        method: How the interval was made.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str


class OperatingPoint(Record):
    """What to set for a rate of false alarms, and what to expect then.

    Attributes:
        max_false_alarms_per_hour: The rate.
        threshold: The probability of any event from which a window counts; None if no threshold keeps to the rate.
        min_windows: How many windows of an event span must reach it.
        recall: Proportion of the true events found; undefined without any.
        false_alarms_per_hour: False alarms per hour; with the exact interval of a Poisson rate.
        hours_needed: Hours of footage that it takes, without one false alarm in them, until the interval of the rate
            lies at or below ``max_false_alarms_per_hour``. With fewer, the rate cannot be promised.
    """

    max_false_alarms_per_hour: float
    threshold: float | None
    min_windows: int
    recall: Estimate
    false_alarms_per_hour: Estimate
    hours_needed: float


class Calibration(Record):
    """The part of a model's card that tells how it is to be run on long video: ``calibration.json``.

    Attributes:
        points: The operating points, by rising rate.
        max_false_alarms_per_hour: The rate of the point that detection takes if none is asked for.
        low_threshold: Low threshold of the hysteresis; None for the default share of the threshold.
        merge_gap_s: How far apart two event spans may lie that are merged.
        window_s: Length of the windows.
        stride_s: Seconds between the starts of two windows.
        sampling: How frames were taken, as plain values.
        temperature: What the logits of a window's probabilities are to be divided by; None if it could not be fitted.
        tolerance_s: How far a detected event may lie from the true one.
        model: The model's name.
        model_key: What identifies its weights, as in artefacts.
        videos: Names of the video files that it was fitted on.
        hours: Hours of them that were judged.
        events: Their true events.
        held_out: Whether recall and false alarms of each video were measured at the threshold fitted on the others;
            false with one video alone, whose own threshold flatters it.
        notes: What to mind; empty if nothing.
    """

    points: tuple[OperatingPoint, ...]
    max_false_alarms_per_hour: float
    low_threshold: float | None
    merge_gap_s: float
    window_s: float
    stride_s: float
    sampling: dict[str, Any]
    temperature: float | None
    tolerance_s: float
    model: str
    model_key: str
    videos: tuple[FileName, ...]
    hours: float
    events: int
    held_out: bool
    notes: tuple[str, ...] = ()

    def point(self, rate: float | None = None) -> OperatingPoint | None:
        """The operating point of the highest rate up to ``rate``, or of ``max_false_alarms_per_hour``; None if none."""
        limit = (self.max_false_alarms_per_hour if rate is None else rate) + 1e-9
        return next((each for each in reversed(self.points) if each.max_false_alarms_per_hour <= limit), None)
