"""What every format's reader delivers, and the checks on a row that all of them share."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlm_autodrive.datasets.table import CellError, Row, time_cell
from vlm_autodrive.records import DatasetQuestion, Event, ImportIssue, Scenario, Video, read_jsonl

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
        name: The data set's name; empty to take the ``source`` of its first video.
        licence: What its owners allow, in a sentence; empty if the reader cannot know.
    """

    videos: list[Video] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    items: list[DatasetQuestion] = field(default_factory=list)
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
    row: Row, positive: bool | None, issues: list[ImportIssue], *, needs_time: bool = True
) -> tuple[float | None, float | None] | None:
    """The event's time and its alert's time; None, with an issue written, if the row must be left out.

    Args:
        row: The row, with the times under their names here.
        positive: Whether it tells of an event; None if it does not say.
        issues: Gets what is wrong.
        needs_time: Whether an event without a time is wrong.
    """
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
    if positive and time_s is None and needs_time:
        message = "no time of the event; no clip can be cut around it until there is one"
        issues.append(row.issue(EVENT_TIME, message, rejected=False))
    if alert_s is not None and time_s is not None and alert_s > time_s:
        issues.append(
            row.issue(ALERT_TIME, "the alert is after the event; the row is taken without it", rejected=False)
        )
        alert_s = None
    return time_s, alert_s


def inside(root: Path, name: str) -> Path | None:
    """The file that ``name`` means under ``root``, or None if it leads out of it or can be no file's name."""
    below = path_below(os.path.normpath(root.absolute()), name)
    return Path(os.path.normpath(root / name.replace("\\", "/"))) if below is not None else None


def path_below(top: str, name: str) -> str | None:
    """As :func:`inside`, for a hundred thousand names: with texts, ``top`` being absolute and without dots."""
    if "\0" in name:
        return None
    name = name.replace("\\", "/")  # as Windows writes them
    path = os.path.normpath(name if name.startswith("/") else f"{top}/{name}")
    return path if path == top or path.startswith(top.rstrip("/") + "/") else None


def ids_of_files(paths: Sequence[str], root: Path) -> dict[str, str]:
    """A readable id for each file below ``root``: its name, or its path where several have the same name.

    Args:
        paths: Absolute paths, each once.
        root: The folder that they lie in.
    """
    top = os.path.normpath(root.absolute())
    stems = [Path(path).stem for path in paths]
    often = Counter(stems)
    below = [path.removeprefix(top).lstrip("/") for path in paths]
    ids = [stem if often[stem] == 1 else name.replace("/", "-") for stem, name in zip(stems, below, strict=True)]
    return dict(zip(paths, ids if len(set(ids)) == len(ids) else below, strict=True))


@dataclass
class CaseTwins:
    """Finds names that differ in nothing but capitals: on many machines they are one file."""

    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    def issue(self, row: Row, column: str, name: str) -> ImportIssue | None:
        """What to say of ``name``, if an earlier row has it in other capitals."""
        earlier, line = self._seen.setdefault(name.casefold(), (name, row.line))
        if earlier == name:
            return None
        message = f"line {line} has the same name in other capitals, {earlier}; both are taken, rename one of them"
        return row.issue(column, message, rejected=False)
