"""What detection finds in long video: scored windows, and the events merged from them."""

from collections.abc import Sequence
from pathlib import PurePath

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
        calibrated_probability: ``probability`` at the temperature of the model's calibration; None if there is none.
        alert_time_s: When an alarm could have been given: the end of the first window with which enough of them reach
            the threshold. None in detections that do not tell.
        reasoning: The model's trace for that window, as it wrote it; empty if it was not requested. Its seconds count
            from ``reasoning_start_s``.
        reasoning_start_s: Start of that window; None without a trace.
        reasoning_class: The class that the trace itself comes to; None if it names none.
        contradicts: Whether that is another class than the event's.
        reasoning_time_s: When the event is by the trace itself, in trip time; None if it does not tell. ``time_s`` is
            another where the windows disagree with it.
        cited_times_s: The moments in that window that the trace cites, in trip time.
    """

    event_class: str
    time_s: float
    start_s: float
    end_s: float
    probability: float
    probabilities: dict[str, float]
    calibrated_probability: float | None = None
    alert_time_s: float | None = None
    reasoning: str = ""
    reasoning_start_s: float | None = None
    reasoning_class: str | None = None
    contradicts: bool = False
    reasoning_time_s: float | None = None
    cited_times_s: tuple[float, ...] = ()


class TripFile(Record):
    """One file of a trip: consecutive files of one camera channel, as dashcams cut them.

    Attributes:
        path: The file.
        start_s: Trip time of its first frame: seconds after the trip's first frame.
        duration_s: Its length in seconds.
        recorded_at: Wall-clock time of its first frame, in ISO 8601, where its name or container tells it; local time
            of the camera if it names no zone.
    """

    path: FileName
    start_s: float
    duration_s: float
    recorded_at: str | None = None


def file_at(files: Sequence[TripFile], time_s: float) -> TripFile:
    """The file of a trip that shows a moment.

    Args:
        files: The trip's files, in order; at least one.
        time_s: The moment in trip time. One between two files belongs to the file before it.
    """
    return next((file for file in reversed(files) if file.start_s <= time_s), files[0])


class NotJudged(Record):
    """Seconds of a trip that the model was not asked about, or gave no answer for.

    Attributes:
        path: The file that has them.
        start_s: Trip time at which they begin, or would begin.
        duration_s: How many; None if nothing tells. Of footage that cannot be read, which trip time passes over, by the
            header of the file or the clock in the names.
        reason: Why, in plain words.
    """

    path: FileName
    start_s: float
    duration_s: float | None
    reason: str


class VideoDetections(Record):
    """All that detection says of one video, or of one trip of several files: its ``events.json``.

    All times are in trip time, which is the file's own where the trip is one file.

    Attributes:
        video: The file, as it was named; of a trip its first file.
        files: The files, in order of time; one for a single video. Empty if nothing could be read.
        video_stream: The place among its video streams of the one that was asked for, from 0 on; None for the choice.
        model: The model's name.
        training: What footage it was trained on, in words; empty if its card does not tell.
        expectation: Where the threshold comes from, and what recall and false alarms to expect, in words.
        outcome: ``ok``, or ``error`` if the video, or a part of it, could not be read.
        reason: Why not, in plain words.
        duration_s: Seconds of video that were read; None if none could be.
        threshold: The probability of any event from which a window counts.
        events: The events, in order of time.
        windows: Every window scored.
        not_judged: The seconds that no scored window shows: with ``duration_s`` they are all seconds of the files.
        notes: What is unusual in the file, by kind: gaps in its clock, other video streams, how pictures are turned.
    """

    video: FileName
    files: tuple[TripFile, ...] = ()
    video_stream: int | None = None
    model: str
    training: str = ""
    expectation: str = ""
    outcome: Outcome
    reason: str
    duration_s: float | None
    threshold: float
    events: tuple[DetectedEvent, ...]
    windows: tuple[WindowScore, ...]
    not_judged: tuple[NotJudged, ...] = ()
    notes: dict[str, str] = {}

    @property
    def title(self) -> str:
        """A short name for people: the file with its folder, and of a trip how many files it has."""
        path = PurePath(self.video)
        more = f" ({len(self.files)} files)" if len(self.files) > 1 else ""
        return "/".join(path.parts[-2:]) + more
