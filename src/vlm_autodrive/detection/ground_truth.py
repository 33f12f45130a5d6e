"""The ground truth of long videos: their events, read from a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from vlm_autodrive.addresses import address_of, is_address, is_file
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, Taxonomy, VideoDetections
from vlm_autodrive.tables import CellError, Row, flag_cell, read_whole_table, time_cell

_NEEDED = ("video", "class", "event_time_s")
_Place = tuple[str, float]  # the name that the detections bear, and where in the trip a file begins
_ALIASES = {"file": "video", "file_name": "video", "path": "video", "label": "class"}


def read_ground_truth(path: Path, taxonomy: Taxonomy = DEFAULT_TAXONOMY) -> dict[str, tuple[Event, ...]]:
    """Read the ground truth of long videos from a table, CSV or JSONL.

    It needs the columns ``video``, ``class`` and ``event_time_s``, may have ``ego_involved``, and may have others,
    which are not read. A video has one row for each event, or one row of the class without event.

    Args:
        path: The file.
        taxonomy: The classes.

    Returns:
        The events of each video, in order of time, by the video's path, which a relative ``video`` is taken to be
        below the file's own folder.

    Raises:
        UserError: If anything in it is invalid; the message names line and column.
    """
    if not is_file(path):
        raise UserError(f"{path} does not exist; give a CSV file with the columns {', '.join(_NEEDED)}.")
    events: dict[str, list[Event]] = {}
    quiet: set[str] = set()
    for row in read_whole_table(path, _ALIASES, _NEEDED):
        where = f"{path}, line {row.line}"
        name = row.text("video")
        if not name:
            raise UserError(f"{where}, column video: empty; name the video file.")
        video = address_of(name if is_address(name) else path.parent / name)
        event = _event(row, where, video, len(events.get(video, [])), taxonomy)
        if event is None:
            quiet.add(video)
        events.setdefault(video, []).extend([event] if event else [])
        if video in quiet and events[video]:
            raise UserError(f"{where}, column class: {name} is said to hold events and to hold none; keep one of them.")
    if not events:
        raise UserError(f"{path} holds no videos; give one row for each event, and one for each video without any.")
    return {video: tuple(sorted(found, key=lambda event: event.time_s or 0.0)) for video, found in events.items()}


def match_ground_truth(
    detections: Sequence[VideoDetections], truth: Mapping[str, Sequence[Event]]
) -> dict[str, tuple[Event, ...]]:
    """The ground truth of each video or trip that was scanned, by the name that its detections bear, in trip time.

    A file is recognised by its path, or else by its name in whichever Unicode form, if only one scanned file has that
    name.

    Args:
        detections: What was found; videos that the ground truth does not name are left out.
        truth: Ground truth by path.

    Raises:
        UserError: If a video of the ground truth was not scanned, or its name fits several that were.
    """
    by_path: dict[str, _Place] = {}
    by_name: dict[str, list[tuple[str, _Place]]] = {}
    for each in detections:
        for file, start_s in [(file.path, file.start_s) for file in each.files] or [(each.video, 0.0)]:
            by_path[_resolved(file)] = each.video, start_s
            by_name.setdefault(normalize("NFC", Path(file).name), []).append((file, (each.video, start_s)))
    matched: dict[str, list[Event]] = {}
    for path, events in truth.items():
        named = by_name.get(normalize("NFC", Path(path).name), [])
        place = by_path.get(_resolved(path)) or (named[0][1] if len(named) == 1 else None)
        if place is None:
            files = ", ".join(file for file, _ in named)
            problem = f"fits several of the scanned videos ({files})" if named else "was not scanned"
            raise UserError(f"{path} {problem}; the true events and the detections must be of the same videos.")
        video, start_s = place
        in_trip = [event.model_copy(update={"time_s": (event.time_s or 0.0) + start_s}) for event in events]
        matched[video] = sorted([*matched.get(video, []), *in_trip], key=lambda event: event.time_s or 0.0)
    return {video: tuple(events) for video, events in matched.items()}


def _resolved(path: str) -> str:
    return address_of(path) if is_address(path) else str(Path(path).resolve())


def _event(row: Row, where: str, video: str, number: int, taxonomy: Taxonomy) -> Event | None:
    spelling = row.cells["class"].strip()  # Row.text takes none for an empty cell, which here may be a class
    event_class = taxonomy.find(spelling)
    if event_class is None:
        known = ", ".join(c.name for c in taxonomy.classes)
        raise UserError(f"{where}, column class: {spelling!r} is no class; the classes are {known}.")
    given = row.text("event_time_s")
    if not event_class.is_event:
        if given:
            raise UserError(f"{where}, column event_time_s: {given!r}, but the class is without event; leave it empty.")
        return None
    column = "event_time_s"
    try:
        time_s = time_cell(row, column)
        if time_s is None:
            raise CellError("an event without a time; give seconds after the first frame")
        column = "ego_involved"
        ego = flag_cell(row, column)
    except CellError as error:
        raise UserError(f"{where}, column {column}: {row.cells.get(column, '')!r} is {error}.") from None
    return Event(
        event_id=f"{Path(video).name}#{number}",
        video_id=video,
        event_class=event_class.name,
        time_s=time_s,
        ego_involved=ego,
    )
