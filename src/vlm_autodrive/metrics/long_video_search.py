"""The records of detection in long videos, which the report shows."""

from pathlib import Path

from pydantic import ValidationError

from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics.anticipation import TimeToAlert
from vlm_autodrive.metrics.event_time import DetectionScores
from vlm_autodrive.metrics.intervals import Estimate
from vlm_autodrive.records import Record

LONG_VIDEOS_FILE = "long_videos.json"


class DetectionScore(Record):
    """How well events were found.

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
    scores: DetectionScores
    median_error_s: float | None
    class_right: Estimate
    times_real_time: float | None = None
    time_to_alert: TimeToAlert | None = None


class LongVideoSearch(Record):
    """What a search of long videos came to: ``long_videos.json``.

    Attributes:
        videos: Videos searched, without those on which the threshold was fixed.
        events: Events found in them, right or wrong.
        hours: Hours of video that were scanned in them.
        threshold: The probability from which a window counted.
        threshold_fixed_on: The other videos on which the threshold was fixed beforehand; empty if it was not.
        false_alarms_allowed: How many false alarms an hour it was to allow on them.
        score: How well events were found; None where the truth is not known.
        timelines: Pictures of some of the videos, from the folder that holds ``long_videos.json``.
    """

    videos: int
    events: int
    hours: float
    threshold: float
    threshold_fixed_on: tuple[str, ...] = ()
    false_alarms_allowed: float | None = None
    score: DetectionScore | None = None
    timelines: tuple[str, ...] = ()


def read_long_videos(folder: Path) -> LongVideoSearch:
    """Read what a search of long videos came to.

    Raises:
        UserError: If ``folder`` does not hold it.
    """
    path = folder / LONG_VIDEOS_FILE
    try:
        return LongVideoSearch.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; a recipe with a detect section makes it.") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(
            f"{path} is of another version or damaged; remove its folder and run the recipe again."
        ) from None
