"""What every format's reader delivers, and the checks on a row that all of them share."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vlm_autodrive.datasets.table import CellError, Row, time_cell
from vlm_autodrive.records import Event, ImportedQuestion, ImportIssue, Scenario, Video, read_jsonl

EVENT_TIME = "event_time_s"
ALERT_TIME = "alert_time_s"
TRUTH_FILE = "truth.jsonl"


@dataclass
class Reading:
    """A data set as its files describe it, before any video is opened.

    Attributes:
        videos: Every video that the files name, or that lies in their folders.
        events: The annotated events.
        items: Questions on the videos that the data set brings along.
        scenarios: The simulation's truth, if any.
        issues: What could not be taken as it stands.
        rows: How many rows the annotation files have.
        rows_of_events: The row that each event came from, by event id.
        spellings: How often each spelling of a class was found, and what it was taken for.
        name: The data set's name, as the videos' ``source`` has it; empty for the name of its format.
        licence: What its owners allow, in a sentence; empty if the reader cannot know.
    """

    videos: list[Video] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    items: list[ImportedQuestion] = field(default_factory=list)
    scenarios: list[Scenario] = field(default_factory=list)
    issues: list[ImportIssue] = field(default_factory=list)
    rows: int = 0
    rows_of_events: dict[str, Row] = field(default_factory=dict)
    spellings: Counter[tuple[str, str]] = field(default_factory=Counter)
    name: str = ""
    licence: str = ""

    def add_event(self, event: Event, row: Row) -> None:
        """Add an event and remember where it stands."""
        self.events.append(event)
        self.rows_of_events[event.event_id] = row

    @property
    def rejected(self) -> int:
        """How many rows were left out."""
        return len({(issue.file, issue.line) for issue in self.issues if issue.rejected and issue.line is not None})


def read_truth(root: Path) -> dict[str, Scenario]:
    """The simulation's scenarios beside a data set, by video id; empty if it is no simulated one."""
    path = root / TRUTH_FILE
    return {s.video_id: s for s in read_jsonl(path, Scenario)} if path.is_file() else {}


def checked_times(
    row: Row, positive: bool | None, issues: list[ImportIssue]
) -> tuple[float | None, float | None] | None:
    """The event's time and its alert's time; None, with an issue written, if the row must be left out."""
    try:
        time_s = time_cell(row, EVENT_TIME)
    except CellError as error:
        issues.append(row.issue(EVENT_TIME, str(error), rejected=True))
        return None
    try:
        alert_s = time_cell(row, ALERT_TIME)
    except CellError as error:
        issues.append(row.issue(ALERT_TIME, f"{error}; the row is taken without it", rejected=False))
        alert_s = None
    if positive is False and (time_s is not None or alert_s is not None):
        column = EVENT_TIME if time_s is not None else ALERT_TIME
        message = "a time in a row without event; empty the cell or name the event's class"
        issues.append(row.issue(column, message, rejected=True))
        return None
    if positive and time_s is None:
        message = "no time of the event; no clip can be cut around it until there is one"
        issues.append(row.issue(EVENT_TIME, message, rejected=False))
    if alert_s is not None and time_s is not None and alert_s > time_s:
        issues.append(
            row.issue(ALERT_TIME, "the alert is after the event; the row is taken without it", rejected=False)
        )
        alert_s = None
    return time_s, alert_s


def inside(root: Path, name: str) -> Path | None:
    """The file that ``name`` means under ``root``, or None if it leads out of it."""
    path = Path(os.path.normpath(root / name))
    return path if path.is_relative_to(os.path.normpath(root)) else None
