"""Seeing an event come: average precision on windows that end before it, and how long before it an alarm is given."""

from vlm_autodrive.metrics.intervals import Figure
from vlm_autodrive.records import Record


class AnticipationScores(Record):
    """How well events are foreseen from causal windows, as in Nexar's challenge (arXiv:2503.03848).

    Attributes:
        average_precision: Of any event against none, by seconds before the event as text, such as ``0.5``.
        mean_average_precision: Their mean, the challenge's figure.
        clips: Windows of events and windows without any, by the same keys.
        chance: What a constant score gets, by the same keys: the share of windows of events.
    """

    average_precision: dict[str, Figure]
    mean_average_precision: Figure
    clips: dict[str, tuple[int, int]]
    chance: dict[str, float]


class TimeToAlert(Record):
    """How long before events an alarm is given, at one threshold, in long video.

    Attributes:
        threshold: The probability from which a window alarms, fixed by false alarms per hour on other footage.
        events: True events.
        warned: How many of them had an alarm before they happened.
        median_s: Median seconds from the alarm to the event, over those warned of.
        mean_s: The literature's mean over thresholds (mTTA), shown only beside the next.
        mean_of_always_alarming_s: The same figure of a detector that always alarms: why it must not be believed.
    """

    threshold: float
    events: int
    warned: Figure
    median_s: Figure
    mean_s: float | None
    mean_of_always_alarming_s: float | None
