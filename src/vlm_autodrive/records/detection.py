"""What detection finds in long video: scored windows, and the events merged from them."""

from vlm_autodrive.records.base import Outcome, Record
from vlm_autodrive.records.file_names import FileName


class WindowScore(Record):
    """One window of a long video and the model's verdict on it, in video time.

    Attributes:
        start_s: Start of the window.
        end_s: Its end.
        outcome: How the model answered.
        probabilities: Of each class; None if there are none.
        reason: Why not, or what is to be said of them.
        section: The number of the continuous section that it lies in, from 0 on; none lies across a gap.
    """

    start_s: float
    end_s: float
    outcome: Outcome
    probabilities: dict[str, float] | None
    reason: str = ""
    section: int = 0


class DetectedEvent(Record):
    """One event found.

    Attributes:
        event_class: Its class name.
        time_s: When, in seconds after the video's first frame.
        start_s: Start of the windows that it was merged from.
        end_s: Their end.
        probability: The largest probability of any event among them.
        probabilities: The class probabilities of that window.
        reasoning: The model's trace for that window; empty if it was not requested.
    """

    event_class: str
    time_s: float
    start_s: float
    end_s: float
    probability: float
    probabilities: dict[str, float]
    reasoning: str = ""


class VideoDetections(Record):
    """All that detection says of one video: its ``events.json``.

    Attributes:
        video: The file, as it was named.
        video_stream: The place among its video streams of the one that was asked for, from 0 on; None for the choice.
        model: The model's name.
        outcome: ``ok``, or ``error`` if the video, or a part of it, could not be read.
        reason: Why not, in plain words.
        duration_s: Seconds of video that were read; None if none could be.
        threshold: The probability of any event from which a window counts.
        events: The events, in order of time.
        windows: Every window scored.
        notes: What is unusual in the file, by kind: gaps in its clock, other video streams, how pictures are turned.
    """

    video: FileName
    video_stream: int | None = None
    model: str
    outcome: Outcome
    reason: str
    duration_s: float | None
    threshold: float
    events: tuple[DetectedEvent, ...]
    windows: tuple[WindowScore, ...]
    notes: dict[str, str] = {}
