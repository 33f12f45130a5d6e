"""Videos and their annotated events, as a data set's reader delivers them."""

from pydantic import Field, model_validator

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.file_names import FileName
from vlm_autodrive.records.incident import IncidentMetadata

TRAIN_ONLY = "train_only"


class Video(Record):
    """One video file of a data set.

    Attributes:
        video_id: Unique in the catalog; always text (Nexar's ``00042`` keeps its zeros).
        path: The file: absolute in memory, relative to the catalog's folder on disk.
        video_stream: The place, among the video streams of a file that has several, of the one to read, from 0 on; None
            to choose the driving video.
        positive: Whether the annotations say that an event is in it; None where they do not tell.
        group_id: The drive, vehicle or source video that it comes from; splits never part a group.
        triplet_id: The matched triplet of simulated scenarios that it belongs to, if any.
        split: The split that the data set itself prescribes, if any; :data:`TRAIN_ONLY` is for training only.
        metadata: All further columns as the files have them; what is understood as incident metadata is not among them.
        incident: What is recorded of the video in the project's own vocabulary; of its event only what its event's
            own record does not hold.
        duration_s: Seconds from the first frame to the end of the last; None if not readable.
        normal_at_s: Moments at which a reviewer found no event, such as false alarms, in seconds after the first frame;
            a Normal clip is cut around each.
        partly_annotated: Whether nothing is known but of the moments that somebody has looked at: the events, and
            ``normal_at_s``. No other Normal clip is cut from such a video.
        section_starts_s: Where, after a gap in the file's clock, a new continuous section begins.
        width: Pixels; None if not readable.
        height: Pixels; None if not readable.
        problem: Why the video cannot be used, in plain words; empty if it can.
        notes: What is unusual in the file, by kind, in plain words, such as a second video stream that is not read.
        source: The data set that it came with.
        source_id: The footage that it shows, as ``dataset:id`` (``nexar:00776``, ``dada:1/001``), the same in
            every data set that uses this footage; None if unknown. See :func:`source_id_of`.
    """

    video_id: str
    path: FileName
    video_stream: int | None = None
    positive: bool | None
    group_id: str
    triplet_id: str | None = None
    split: str | None = None
    metadata: dict[str, str] = {}
    incident: IncidentMetadata = IncidentMetadata()
    duration_s: float | None = None
    normal_at_s: tuple[float, ...] = ()
    partly_annotated: bool = False
    section_starts_s: tuple[float, ...] = ()
    width: int | None = None
    height: int | None = None
    problem: str = ""
    notes: dict[str, str] = {}
    source: str = ""
    source_id: str | None = None


class Event(Record):
    """One annotated event.

    Attributes:
        event_id: Unique in the catalog.
        video_id: The video that shows it.
        event_class: A class name of the taxonomy, or None for an event of unknown kind.
        time_s: Seconds after the first frame of contact, or of the smallest gap; None if unknown.
        alert_time_s: When an attentive driver would have been warned; None if unknown.
        ego_involved: Whether the recording vehicle is involved; None if unknown.
        incident: What is recorded of the event.
    """

    event_id: str
    video_id: str
    event_class: str | None
    time_s: float | None
    alert_time_s: float | None = None
    ego_involved: bool | None = None
    incident: IncidentMetadata = IncidentMetadata()


class ImportIssue(Record):
    """Something in an annotation file that could not be imported unchanged.

    Attributes:
        file: The annotation file.
        line: Line number in it, the header being line 1; in JSON the number of the entry, from 1 on; None if it
            concerns the whole file.
        field: The column; empty if it concerns the whole row.
        value: The offending text.
        message: What is wrong and what to do.
        rejected: Whether the row was left out because of it.
    """

    file: FileName
    line: int | None
    field: str
    value: str
    message: str
    rejected: bool


class DatasetQuestion(Record):
    """A question on a video that a data set brings along, with its answer.

    Attributes:
        question_id: Unique in the catalog.
        video_id: The video that it is about.
        topic: The data set's own name of the question's topic, such as ``accident reason``.
        question: The question, without its options.
        options: The options to choose from, without their letters; empty for an open question.
        answer: The right answer in full; one of ``options`` where there are any.
        source: The data set that it came with.
        start_s: Where the span that it asks about begins, in seconds after the video's first frame; None for the
            whole video.
        end_s: Where that span ends, likewise.
    """

    question_id: str
    video_id: str
    topic: str
    question: str
    options: tuple[str, ...] = ()
    answer: str
    source: str = ""
    start_s: float | None = Field(default=None, ge=0.0)
    end_s: float | None = None

    @property
    def span(self) -> tuple[float, float] | None:
        """The seconds of the video that it asks about; None for the whole video."""
        return None if self.start_s is None or self.end_s is None else (self.start_s, self.end_s)

    @model_validator(mode="after")
    def _check(self) -> "DatasetQuestion":
        if self.options and self.answer not in self.options:
            raise ValueError("the answer is none of the options")
        if (self.start_s is None) != (self.end_s is None) or (self.span is not None and self.span[0] >= self.span[1]):
            raise ValueError("a span has a start and, after it, an end")
        return self


class DataSet(Record):
    """One data set of a catalog.

    Attributes:
        name: Its name.
        licence: What its owners allow, in a sentence; empty if it is not known here.
        videos: How many videos of it are in the catalog.
        rows: How many rows its annotation files have.
        imported: How many of them were taken.
        rejected: How many were left out, each with its reason in the issues.
    """

    name: str
    licence: str
    videos: int
    rows: int
    imported: int
    rejected: int


def source_id_of(dataset: str, number: str) -> str:
    """The name of a piece of footage, the same wherever a data set uses it again.

    Args:
        dataset: The data set that the footage first came with, such as ``nexar``, ``dada``, ``cap``, ``dota``,
            ``ccd`` or ``dad``.
        number: Its id there, as that data set writes it, zeros included; parts are joined by ``/``.
    """
    return f"{dataset.strip().casefold()}:{number.strip()}"
