"""The project's own manifest: a CSV or JSONL file with a row for each event, or for each video without one.

Columns: ``video`` (a path below the manifest's folder), ``class``, ``event_time_s``, ``alert_time_s``,
``ego_involved``, ``drive`` (which videos belong together), ``split``; any other column is metadata.
A row with a time and no class is an event of unknown kind; one with neither says nothing of the video.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vlm_autodrive.datasets.reading import ALERT_TIME, EVENT_TIME, Reading, checked_times, inside, read_truth
from vlm_autodrive.datasets.table import CellError, Row, class_named, flag_cell, read_table
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, EventClass, Scenario, Taxonomy, Video

_COLUMNS = {"file": "video", "file_name": "video", "path": "video", "label": "class"}
_OWN = ("video", "class", EVENT_TIME, ALERT_TIME, "ego_involved", "drive", "split")
_NAMES = ("manifest.csv", "manifest.jsonl")


@dataclass
class _Named:
    """What the rows of one video say."""

    path: Path
    first: Row
    positive: bool | None = None
    taken: list[tuple[str | None, float | None]] = field(default_factory=list)
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
    table = read_table(path, _COLUMNS, ["video"])
    reading = Reading(issues=list(table.issues), rows=table.total)
    truth = read_truth(path.parent)
    reading.scenarios = list(truth.values())
    videos: dict[Path, _Named] = {}
    for row in table.rows:
        _read_row(row, path.parent, videos, taxonomy, reading)
    ids = _video_ids([named.path for named in videos.values()], path.parent)
    by_path = {str(file): video_id for file, video_id in ids.items()}
    reading.events = [e.model_copy(update={"video_id": by_path[e.video_id]}) for e in reading.events]
    reading.events = [_renamed(e, reading) for e in reading.events]
    reading.videos = [_video(named, ids[named.path], truth, path) for named in videos.values()]
    return reading


def _read_row(row: Row, root: Path, videos: dict[Path, _Named], taxonomy: Taxonomy, reading: Reading) -> None:
    name = row.text("video")
    path = inside(root, name) if name else None
    if path is None:
        message = "the path leads out of the manifest's folder" if name else "no video is named"
        reading.issues.append(row.issue("video", f"{message}; name a file below it", rejected=True))
        return
    named = videos.setdefault(path.absolute(), _Named(path.absolute(), row))
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
    message = f"this contradicts line {named.first.line} or a later one on the same video; settle which is right"
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
        video_id=str(named.path),
        event_class=event_class.name if event_class is not None else None,
        time_s=times[0],
        alert_time_s=times[1],
        ego_involved=ego,
    )
    reading.add_event(event, row)


def _renamed(event: Event, reading: Reading) -> Event:
    """The event under its lasting id, made of the video's id and the row's line."""
    row = reading.rows_of_events.pop(event.event_id)
    event = event.model_copy(update={"event_id": f"{event.video_id}-e{row.line}"})
    reading.rows_of_events[event.event_id] = row
    return event


def _video_ids(paths: list[Path], root: Path) -> dict[Path, str]:
    """A readable id for each video: its name, or its path where several have the same name."""
    names = Counter(path.stem for path in paths)
    ids = {p: p.stem if names[p.stem] == 1 else "-".join(p.relative_to(root.absolute()).parts) for p in paths}
    if len(set(ids.values())) < len(ids):
        ids = {p: p.relative_to(root.absolute()).as_posix() for p in paths}
    return ids


def _video(named: _Named, video_id: str, truth: dict[str, Scenario], manifest: Path) -> Video:
    scenario = truth.get(named.path.stem)
    triplet_id = scenario.triplet_id if scenario is not None else None
    row = named.first
    return Video(
        video_id=video_id,
        path=str(named.path),
        positive=named.positive,
        group_id=row.text("drive") or triplet_id or video_id,
        triplet_id=triplet_id,
        split=row.text("split") or None,
        metadata={
            column: row.text(column) for column in row.cells if column not in _OWN and column and row.text(column)
        },
        problem=named.problem,
        source="simulated" if scenario is not None else f"manifest {manifest.name}",
    )
