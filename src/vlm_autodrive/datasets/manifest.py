"""The project's own manifest: a CSV or JSONL file with a row for each event, or for each video without one.

:class:`~vlm_autodrive.datasets.manifest_row.ManifestRow` says which columns there are and what they mean.
"""

import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from vlm_autodrive.datasets.manifest_row import COLUMNS
from vlm_autodrive.datasets.reading import (
    ALERT_TIME,
    EVENT_TIME,
    CaseTwins,
    Reading,
    checked_times,
    ids_of_files,
    path_below,
    read_truth,
)
from vlm_autodrive.datasets.table import CellError, Row, Table, class_named, flag_cell, read_table
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, EventClass, ImportIssue, Scenario, Taxonomy, Video

_ALIASES = {"file": "video", "file_name": "video", "path": "video", "label": "class"}
_NAMES = ("manifest.csv", "manifest.jsonl")
_OF_EVENTS = ("video", "class", EVENT_TIME, ALERT_TIME, "ego_involved")  # what differs from row to row of a video
_SOURCE_ID = re.compile(r"[^:]+:.+")


@dataclass(slots=True)
class _Named:
    """What the rows of one video say: of its events one by one, of the video itself in ``details``."""

    path: str
    first_line: int
    positive: bool | None = None
    taken: list[tuple[str | None, float | None]] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def read_manifest(path: Path, taxonomy: Taxonomy) -> Reading:
    """Read a manifest.

    Args:
        path: The file, or a folder that holds it as ``manifest.csv`` or ``manifest.jsonl``.
        taxonomy: The classes that it names.

    Raises:
        UserError: If there is none, or it has no column ``video``.
    """
    if path.is_dir():
        found = [path / name for name in _NAMES if (path / name).is_file()]
        if len(found) != 1:
            raise UserError(
                f"{path} holds {'no' if not found else 'more than one'} {' or '.join(_NAMES)}; name the file."
            )
        path = found[0]
    table = read_table(path, _ALIASES, ["video"])
    reading = Reading(issues=[*table.issues, *_column_issues(path, table)], rows=table.total)
    reading.name = f"manifest {path.name}"
    truth = read_truth(path.parent)
    reading.scenarios = list(truth.values())
    videos: dict[str, _Named] = {}
    twins = CaseTwins()
    top = os.path.normpath(path.parent.absolute())
    rows = list(reversed(table.rows))
    del table
    while rows:  # each row goes when it is read: a large table takes as much room as what is made of it
        _read_row(rows.pop(), top, videos, twins, taxonomy, reading)
    ids = ids_of_files(list(videos), path.parent)
    _rename_events(reading, ids)
    reading.videos = [_video(videos.pop(file), video_id, truth, reading) for file, video_id in ids.items()]
    return reading


def _column_issues(path: Path, table: Table) -> list[ImportIssue]:
    """A column of ours that is missing while another has almost its name."""
    present = {column for row in table.rows for column in row.cells}
    near = {
        ours: difflib.get_close_matches(ours, sorted(present.difference(COLUMNS)), n=1, cutoff=0.75)
        for ours in COLUMNS
        if ours not in present
    }
    return [
        ImportIssue(
            file=str(path), line=None, field=found[0], value=found[0], rejected=False,
            message=f"taken as metadata; if you mean {ours}, give the column that name",
        )
        for ours, found in near.items()
        if found
    ]  # fmt: skip


def _read_row(
    row: Row, top: str, videos: dict[str, _Named], twins: CaseTwins, taxonomy: Taxonomy, reading: Reading
) -> None:
    name = row.text("video")
    path = path_below(top, name) if name else None
    if path is None:
        message = "the path leads out of the manifest's folder" if name else "no video is named"
        reading.issues.append(row.issue("video", f"{message}; name a file below it", rejected=True))
        return
    named = videos.get(path)
    if named is None:
        named = videos[path] = _Named(path, row.line)
        twin = twins.issue(row, "video", path)
        reading.issues += [twin] if twin is not None else []
    _note_details(row, named, reading)
    if row.cells.get("class", "").strip() and not row.text("class"):
        message = "read as an empty cell; if nothing happens in the video, write the class for that"
        reading.issues.append(row.issue("class", message, rejected=False))
    try:
        event_class = class_named(row.text("class"), taxonomy) if row.text("class") else None
    except CellError as error:
        reading.issues.append(row.issue("class", str(error), rejected=True))
        named.problem = named.problem or "its class is not understood"
        return
    positive = event_class.is_event if event_class is not None else (True if row.text(EVENT_TIME) else None)
    times = checked_times(row, positive, reading.issues)
    if times is None:
        if positive is False:
            named.problem = named.problem or "its row names no event, but a time"
        named.positive = named.positive or positive
        return
    if _contradicts(row, named, event_class, positive, times[0], reading):
        return
    if event_class is not None:
        reading.spellings[row.text("class"), event_class.label] += 1
    named.positive = positive if named.positive is None else named.positive
    named.taken.append((event_class.name if event_class else None, times[0]))
    if positive:
        _add_event(row, named, event_class, times, reading)


def _note_details(row: Row, named: _Named, reading: Reading) -> None:
    """Keep what a row says of the video itself; where rows differ in it, the first that says something counts."""
    for column in row.cells:
        text = row.text(column) if column and column not in _OF_EVENTS else ""
        if not text:
            continue
        if column == "source_id" and not _SOURCE_ID.fullmatch(text):
            message = "not of the form dataset:id, such as nexar:00776; the row is taken without it"
            reading.issues.append(row.issue(column, message, rejected=False))
            continue
        earlier = named.details.setdefault(column, text)
        if earlier != text:
            message = f"an earlier row says {earlier!r} of this video, which is taken; settle which is right"
            reading.issues.append(row.issue(column, message, rejected=False))


def _contradicts(
    row: Row, named: _Named, event_class: EventClass | None, positive: bool | None, time_s: float | None, r: Reading
) -> bool:
    """Whether a row repeats or contradicts an earlier one of its video; it is then left out."""
    if (event_class.name if event_class else None, time_s) in named.taken:
        r.issues.append(row.issue("video", "the same row stands above already; remove one", rejected=True))
        return True
    one_is_normal = named.taken and (named.positive is not positive)
    same_time = time_s is not None and any(time_s == taken for _, taken in named.taken)
    if not one_is_normal and not same_time:
        return False
    message = f"this contradicts line {named.first_line} or a later one on the same video; settle which is right"
    r.issues.append(row.issue("class", message, rejected=True))
    named.problem = "its rows contradict each other"
    return True


def _add_event(
    row: Row, named: _Named, event_class: EventClass | None, times: tuple[float | None, float | None], reading: Reading
) -> None:
    try:
        ego = flag_cell(row, "ego_involved")
    except CellError as error:
        reading.issues.append(row.issue("ego_involved", f"{error}; taken as unknown", rejected=False))
        ego = None
    event = Event(
        event_id=f"{named.path}#{row.line}",
        video_id=named.path,
        event_class=event_class.name if event_class is not None else None,
        time_s=times[0],
        alert_time_s=times[1],
        ego_involved=ego,
    )
    reading.add_event(event, row)


def _rename_events(reading: Reading, ids: dict[str, str]) -> None:
    """Give the events their lasting ids, made of the video's id and the row's line."""
    rows, reading.rows_of_events = reading.rows_of_events, {}
    for place, event in enumerate(reading.events):
        row, video_id = rows.pop(event.event_id), ids[event.video_id]
        event = event.model_copy(update={"event_id": f"{video_id}-e{row.line}", "video_id": video_id})
        reading.events[place] = event
        reading.rows_of_events[event.event_id] = row


def _video(named: _Named, video_id: str, truth: dict[str, Scenario], reading: Reading) -> Video:
    scenario = truth.get(Path(named.path).stem) if truth else None
    triplet_id = scenario.triplet_id if scenario is not None else None
    drive = named.details.pop("drive", None)
    split = named.details.pop("split", None)
    source_id = named.details.pop("source_id", None)
    return Video(
        video_id=video_id,
        path=named.path,
        positive=named.positive,
        group_id=drive or triplet_id or video_id,
        triplet_id=triplet_id,
        split=split,
        metadata=named.details,
        problem=named.problem,
        source="simulated" if scenario is not None else reading.name,
        source_id=source_id,
    )
