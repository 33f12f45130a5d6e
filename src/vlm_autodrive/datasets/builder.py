"""The :class:`DatasetBuilder`, by which every reader adds videos, events and issues, row by row."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vlm_autodrive.records import (
    DatasetQuestion,
    Event,
    EventClass,
    ImportIssue,
    IncidentMetadata,
    Scenario,
    Video,
    read_jsonl,
)
from vlm_autodrive.tables import CellError, Row, Table, flag_cell, time_cell

EVENT_TIME = "event_time_s"
ALERT_TIME = "alert_time_s"
TRUTH_FILE = "truth.jsonl"
NOTHING_RECORDED = IncidentMetadata()


@dataclass
class DatasetBuilder:
    """A data set as its files describe it, before any video is opened.

    A reader gives every row of its files either to :meth:`add_video` and :meth:`add_event`, or to :meth:`reject`.
    The import stage then reads the lists.

    Attributes:
        name: The data set's name; empty to take the ``source`` of its first video.
        licence: What its owners allow, in a sentence; empty if the reader cannot know.
        videos: Every video that the files name, or that lies in their folders.
        events: The annotated events.
        questions: Questions on the videos that the data set brings along.
        scenarios: The simulation's ground truth, if any.
        issues: What is wrong in the files.
        rows: How many rows the annotation files have.
        rows_of_events: The row that each event came from, by event id.
        spellings: How many rows have each pair of a class's spelling and the label of the class it was mapped to.
    """

    name: str = ""
    licence: str = ""
    videos: list[Video] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    questions: list[DatasetQuestion] = field(default_factory=list)
    scenarios: list[Scenario] = field(default_factory=list)
    issues: list[ImportIssue] = field(default_factory=list)
    rows: int = 0
    rows_of_events: dict[str, Row] = field(default_factory=dict)
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)
    _rows_of_videos: dict[str, Row] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the data set is called."""
        return self.name or next((video.source for video in self.videos if video.source), "data set")

    @property
    def rejected(self) -> int:
        """How many rows were left out."""
        return len({(issue.file, issue.line) for issue in self.issues if issue.rejected and issue.line is not None})

    def add_table(self, table: Table) -> tuple[Row, ...]:
        """Count the rows of a table and keep its issues; returns the rows that can be read."""
        self.issues += table.issues
        self.rows += table.total
        return table.rows

    def reject(self, row: Row, column: str, message: str) -> None:
        """Leave a row out because of the value in a column (empty for the row as a whole)."""
        self.issues.append(row.issue(column, message, rejected=True))

    def warn(self, row: Row, column: str, message: str) -> None:
        """Accept a row, but report an error in a column."""
        self.issues.append(row.issue(column, message, rejected=False))

    def warn_of_file(self, file: Path, message: str, *, column: str = "", value: str = "") -> None:
        """Report an error in a file that no single row causes."""
        self.issues.append(
            ImportIssue(file=str(file), line=None, field=column, value=value, message=message, rejected=False)
        )

    def add_video(self, video: Video, row: Row | None = None) -> bool:
        """Add a video.

        Args:
            video: The video.
            row: The row that names it, in a data set where each video has one row: if a row above has named the
                same video, this row is rejected. None where the reader itself takes care of that.

        Returns:
            Whether it was added.
        """
        if row is not None:
            earlier = self._rows_of_videos.setdefault(video.video_id, row)
            if earlier is not row:
                same_file = earlier.file == row.file
                place = f"line {earlier.line}" if same_file else f"{earlier.file.name}, line {earlier.line},"
                self.reject(row, "", f"the same video is in {place} already; only that one is taken")
                return False
        self.videos.append(video)
        return True

    def add_event(
        self,
        video_id: str,
        row: Row | None,
        event_class: EventClass | None,
        *,
        time_s: float | None,
        alert_time_s: float | None = None,
        ego_involved: bool | None = None,
        incident: IncidentMetadata = NOTHING_RECORDED,
        number: int = 0,
        spelling: str = "",
    ) -> None:
        """Add an event of a video.

        Args:
            video_id: The video.
            row: The row that tells of it, for issues that are found later; None if only its folder does.
            event_class: Its class; None if its kind is unknown.
            time_s: Seconds after the video's first frame; None if unknown.
            alert_time_s: When an attentive driver would have been warned.
            ego_involved: Whether the recording vehicle is involved.
            incident: What is recorded of it.
            number: What tells several events of one video apart, in their ids.
            spelling: What the file calls its class, to be counted in the class map; empty not to count it.
        """
        event = Event(
            event_id=f"{video_id}-e{number}",
            video_id=video_id,
            event_class=event_class.name if event_class is not None else None,
            time_s=time_s,
            alert_time_s=alert_time_s,
            ego_involved=ego_involved,
            incident=incident,
        )
        self.events.append(event)
        if row is not None:
            self.rows_of_events[event.event_id] = row
        if spelling:
            self.count_spelling(spelling, event_class)

    def count_spelling(self, spelling: str, event_class: EventClass | None) -> None:
        """Count in the class map that a spelling was taken for a class (None: an event of unknown kind)."""
        self.spellings[spelling, event_class.label if event_class is not None else "unknown kind"] += 1

    def flag(self, row: Row, column: str) -> bool | None:
        """A cell with yes or no; None if it is empty or, with an issue written, not understood."""
        try:
            return flag_cell(row, column)
        except CellError as error:
            self.warn(row, column, f"{error}; taken as unknown")
            return None

    def event_times(
        self, row: Row, positive: bool | None, *, needs_time: bool = True
    ) -> tuple[float | None, float | None] | None:
        """The event's time and its alert's time, in seconds; None, with an issue written, if the row is left out.

        Args:
            row: The row, with the times in the columns ``EVENT_TIME`` and ``ALERT_TIME``.
            positive: Whether it tells of an event; None if it does not say.
            needs_time: Whether an event without a time is worth an issue.
        """
        try:
            time_s = time_cell(row, EVENT_TIME)
        except CellError as error:
            self.reject(row, EVENT_TIME, str(error))
            return None
        try:
            alert_s = time_cell(row, ALERT_TIME)
        except CellError as error:
            self.warn(row, ALERT_TIME, f"{error}; the row is taken without it")
            alert_s = None
        if positive is False and (time_s is not None or alert_s is not None):
            column = EVENT_TIME if time_s is not None else ALERT_TIME
            self.reject(row, column, "a time in a row without event; empty the cell or name the event's class")
            return None
        if positive and time_s is None and needs_time:
            self.warn(row, EVENT_TIME, "no time of the event; no clip can be cut around it until there is one")
        if alert_s is not None and time_s is not None and alert_s > time_s:
            self.warn(row, ALERT_TIME, "the alert is after the event; the row is taken without it")
            alert_s = None
        return time_s, alert_s


@dataclass
class CaseTwins:
    """Finds names that differ in nothing but capitals: on many machines they are one file."""

    builder: DatasetBuilder
    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    def check(self, row: Row, column: str, name: str) -> None:
        """Write an issue if an earlier row has ``name`` in other capitals."""
        earlier, line = self._seen.setdefault(name.casefold(), (name, row.line))
        if earlier != name:
            message = f"line {line} has the same name in other capitals, {earlier}; both are taken, rename one of them"
            self.builder.warn(row, column, message)


def read_truth(root: Path) -> dict[str, Scenario]:
    """The simulation's scenarios beside a data set, by video id; empty if it is no simulated one."""
    path = root / TRUTH_FILE
    return {s.video_id: s for s in read_jsonl(path, Scenario)} if path.is_file() else {}
