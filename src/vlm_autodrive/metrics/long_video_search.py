"""The records of detection in long videos, which the report shows."""

from vlm_autodrive.metrics.anticipation import TimeToAlert
from vlm_autodrive.metrics.event_detection import EventDetectionMetrics
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record


class LongVideoScores(Record):
    """Scores of event detection in long videos with ground truth.

    Attributes:
        model: The model.
        threshold: The probability from which a window counted.
        tolerance_s: How far a detected event may lie from the true one.
        videos: Videos scored.
        videos_with_errors: How many of them could not be read or judged in full; their events stay in the count.
        scores: Recall, false alarms per hour and hours, with their intervals.
        median_error_s: Median distance of the events found from the true ones; None without any.
        class_right: Proportion of the events found that bear the right class.
        times_real_time: How many times as fast as real time the scan was; None if not known.
        time_to_alert: How long before the events an alarm could be given; None without events.
    """

    model: str
    threshold: float
    tolerance_s: float
    videos: int
    videos_with_errors: int
    scores: EventDetectionMetrics
    median_error_s: float | None
    class_right: Estimate
    times_real_time: float | None = None
    time_to_alert: TimeToAlert | None = None


class LongVideoSearch(Record):
    """The result of a search of long videos: ``long_videos.json``.

    Attributes:
        videos: Videos searched, without those on which the threshold was fitted.
        events: Events found in them, right or wrong.
        hours: Hours of video that were scanned in them.
        threshold: The probability from which a window counted.
        training: What footage the model was trained on, in words; empty if its card does not tell.
        expectation: Where the threshold comes from, and what was to be expected at it, in words.
        threshold_fitted_on: The other videos on which the threshold was fitted; empty if it was set by hand.
        max_false_alarms_per_hour: Limit that it was fitted under, on these; None if it was set by hand.
        score: How well events were found; None where the truth is not known.
        timelines: Pictures of some of the videos, from the folder that holds ``long_videos.json``.
    """

    videos: int
    events: int
    hours: float
    threshold: float
    training: str = ""
    expectation: str = ""
    threshold_fitted_on: tuple[str, ...] = ()
    max_false_alarms_per_hour: float | None = None
    score: LongVideoScores | None = None
    timelines: tuple[str, ...] = ()
