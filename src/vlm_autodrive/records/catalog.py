"""Videos and their annotated events, as a data set's reader delivers them."""

from vlm_autodrive.records.base import Record

PRACTICE = "practice"


class Video(Record):
    """One video file of a data set.

    Attributes:
        video_id: Unique in the catalog; always text (Nexar's ``00042`` keeps its zeros).
        path: The file: absolute in memory, relative to the catalog's folder on disk.
        positive: Whether the annotations say that an event is in it; None where they do not tell.
        group_id: The drive, vehicle or source video that it comes from; splits never part a group.
        triplet_id: The matched triplet of simulated scenarios that it belongs to, if any.
        split: The split that the data set itself prescribes, if any; :data:`PRACTICE` is for training only.
        metadata: Free columns, such as ``light_conditions``, ``weather`` and ``scene``.
        duration_s: Seconds from the first frame to the end of the last; None if not readable.
        width: Pixels; None if not readable.
        height: Pixels; None if not readable.
        problem: Why the video cannot be used, in plain words; empty if it can.
        source: The data set, and whatever is worth saying about its licence.
    """

    video_id: str
    path: str
    positive: bool | None
    group_id: str
    triplet_id: str | None = None
    split: str | None = None
    metadata: dict[str, str] = {}
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    problem: str = ""
    source: str = ""


class Event(Record):
    """One annotated event.

    Attributes:
        event_id: Unique in the catalog.
        video_id: The video that shows it.
        event_class: A class name of the taxonomy, or None for an event of unknown kind.
        time_s: Seconds after the first frame of contact, or of the smallest gap; None if unknown.
        alert_time_s: When an attentive driver would have been warned; None if unknown.
        ego_involved: Whether the recording vehicle is involved; None if unknown.
    """

    event_id: str
    video_id: str
    event_class: str | None
    time_s: float | None
    alert_time_s: float | None = None
    ego_involved: bool | None = None


class ImportIssue(Record):
    """Something in an annotation file that could not be taken as it stands.

    Attributes:
        file: The annotation file.
        line: Line number in it, the header being line 1; None if it concerns the whole file.
        field: The column; empty if it concerns the whole row.
        value: The offending text.
        message: What is wrong and what to do.
        rejected: Whether the row was left out because of it.
    """

    file: str
    line: int | None
    field: str
    value: str
    message: str
    rejected: bool
