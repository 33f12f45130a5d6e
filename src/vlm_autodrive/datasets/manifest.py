"""The project's own manifest: a CSV or JSONL file with a row for each event, or for each video without one.

:class:`~vlm_autodrive.datasets.manifest_row.ManifestRow` says which columns there are and what they mean.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vlm_autodrive.addresses import address_of, is_address, is_file, is_folder, place_of
from vlm_autodrive.datasets.builder import (
    ALERT_TIME,
    EVENT_TIME,
    CaseTwins,
    DatasetBuilder,
    read_truth,
)
from vlm_autodrive.datasets.changed_names import ChangedPaths
from vlm_autodrive.datasets.incident_cells import incident_of, read_incident
from vlm_autodrive.datasets.manifest_row import COLUMNS
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import ids_of_files, path_below
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    INCIDENT_NUMBERS,
    SURROUNDINGS,
    EventClass,
    IncidentMetadata,
    Scenario,
    Taxonomy,
    Video,
    file_name_of,
    file_name_text,
)
from vlm_autodrive.tables import CellError, Row, Table, class_named, decode_text, is_exponent, read_table

_ALIASES = {
    "file": "video", "file_name": "video", "filename": "video", "path": "video", "video_path": "video",
    "label": "class", "light_conditions": "light", "lighting": "light",
    "ego_maneuver": "ego_manoeuvre", "other_maneuver": "other_manoeuvre",
}  # fmt: skip
_T = TypeVar("_T")
_INCIDENT = tuple(IncidentMetadata.model_fields)
_NAMES = ("manifest.csv", "manifest.jsonl")
_OTHER_ENDINGS = (".xml", ".pkl", ".pickle", ".xlsx", ".xls")  # in which data sets come that nothing here reads
_OF_EVENTS = ("video", "class", EVENT_TIME, ALERT_TIME, "ego_involved")  # what differs from row to row of a video
_SOURCE_ID = re.compile(r"[^:]+:.+")


@dataclass(slots=True)
class _Named:
    """What the rows of one video say: of its events one by one, of the video in ``details`` and ``incident``."""

    path: str
    first_line: int
    positive: bool | None = None
    taken: list[tuple[str | None, float | None]] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    incident: dict[str, str | float] = field(default_factory=dict)
    problem: str = ""


def read_manifest(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read a manifest.

    Args:
        path: The file, or a folder that holds it as ``manifest.csv`` or ``manifest.jsonl``.
        settings: The classes that it names.

    Raises:
        UserError: If there is none, or it has no column ``video``.
    """
    if is_folder(path):
        found = [path / name for name in _NAMES if is_file(path / name)]
        for other in sorted(path.iterdir()) if not found and not is_address(path) else ():
            if other.suffix.casefold() in _OTHER_ENDINGS:
                decode_text(other)  # refuses it by what it is
        if len(found) != 1:
            count = "more than one" if found else "no"
            raise UserError(f"{address_of(path)} holds {count} {' or '.join(_NAMES)}; name the file.")
        path = found[0]
    table = read_table(path, _ALIASES, ["video"])
    builder = DatasetBuilder(name=f"manifest {file_name_text(path.name)}")
    builder.add_table(table)
    _check_columns(path, table, builder)
    truth = read_truth(path.parent)
    builder.scenarios = list(truth.values())
    videos: dict[str, _Named] = {}
    twins = CaseTwins(builder)
    top = place_of(path.parent)
    paths = ChangedPaths(top, builder)
    rows = list(reversed(table.rows))
    del table
    while rows:  # each row goes when it is read: a large table takes as much room as what is made of it
        _read_row(rows.pop(), paths, videos, twins, settings.taxonomy, builder)
    ids = ids_of_files(list(videos), path.parent)
    _rename_events(builder, ids)
    builder.videos = [_video(videos.pop(file), video_id, truth, builder) for file, video_id in ids.items()]
    return builder


def _check_columns(path: Path, table: Table, builder: DatasetBuilder) -> None:
    """Warn of a column of ours that is missing while another has almost its name."""
    present = {column for row in table.rows for column in row.cells}
    for ours in COLUMNS:
        others = sorted(present.difference(COLUMNS))
        near = difflib.get_close_matches(ours, others, n=1, cutoff=0.75) if ours not in present else []
        for found in near:
            unit = ", and its numbers that unit" if ours in INCIDENT_NUMBERS else ""
            message = f"taken as metadata; if you mean {ours}, give the column that name{unit}"
            builder.warn_of_file(path, message, column=found, value=found)


def _read_row(
    row: Row,
    paths: ChangedPaths,
    videos: dict[str, _Named],
    twins: CaseTwins,
    taxonomy: Taxonomy,
    builder: DatasetBuilder,
) -> None:
    name = row.text("video")
    path = path_below(paths.top, name) if name else None
    if path is None:
        message = "the path leads out of the manifest's folder" if name else "no video is named"
        builder.reject(row, "video", f"{message}; name a file below it")
        return
    path = paths.mended(row, "video", path)
    if path is None:
        return
    named = videos.get(path)
    if named is None:
        named = videos[path] = _Named(path, row.line)
        twins.check(row, "video", path)
    incident = read_incident(row, _INCIDENT, builder)
    _note_details(row, named, incident, builder)
    if row.cells.get("class", "").strip() and not row.text("class"):
        message = "read as an empty cell; if nothing happens in the video, write the class for that"
        builder.warn(row, "class", message)
    try:
        event_class = class_named(row.text("class"), taxonomy) if row.text("class") else None
    except CellError as error:
        builder.reject(row, "class", str(error))
        named.problem = named.problem or "its class is not understood"
        return
    positive = event_class.is_event if event_class is not None else (True if row.text(EVENT_TIME) else None)
    times = builder.event_times(row, positive)
    if times is None:
        if positive is False:
            named.problem = named.problem or "its row names no event, but a time"
        named.positive = named.positive or positive
        return
    if _contradicts(row, named, event_class, positive, times[0], builder):
        return
    if event_class is not None:
        builder.count_spelling(row.text("class"), event_class)
    named.positive = positive if named.positive is None else named.positive
    named.taken.append((event_class.name if event_class else None, times[0]))
    of_event = {name: value for name, value in incident.items() if name not in SURROUNDINGS}
    if not positive:
        named.incident |= of_event
    else:
        # The video's id is known only when all rows are read, so its path stands for it until _rename_events.
        ego = builder.flag(row, "ego_involved")
        builder.add_event(
            file_name_text(path), row, event_class, time_s=times[0], alert_time_s=times[1], ego_involved=ego,
            number=row.line, incident=incident_of(of_event),
        )  # fmt: skip


def _note_details(row: Row, named: _Named, incident: Mapping[str, str | float], builder: DatasetBuilder) -> None:
    """Keep what a row says of the video itself; where rows differ in it, the first that says something counts."""
    for column in row.cells:
        if column in incident:
            if column in SURROUNDINGS:
                _note(row, column, incident[column], named.incident, builder)
            continue
        text = row.text(column) if column and column not in _OF_EVENTS else ""
        if not text:
            continue
        if column == "source_id" and not _SOURCE_ID.fullmatch(text):
            message = "not of the form dataset:id, such as nexar:00776; the row is taken without it"
            builder.warn(row, column, message)
        else:
            if column == "drive" and is_exponent(text):
                message = "a spreadsheet changed this id to a power of ten, so that several drives may count as one"
                builder.warn(row, column, message)
            _note(row, column, text, named.details, builder)


def _note(row: Row, column: str, value: _T, kept: dict[str, _T], builder: DatasetBuilder) -> None:
    earlier = kept.setdefault(column, value)
    if earlier != value:
        message = f"an earlier row says {earlier!r} of this video, which is taken; settle which is right"
        builder.warn(row, column, message)


def _contradicts(
    row: Row,
    named: _Named,
    event_class: EventClass | None,
    positive: bool | None,
    time_s: float | None,
    builder: DatasetBuilder,
) -> bool:
    """Whether a row repeats or contradicts an earlier one of its video; it is then left out."""
    if (event_class.name if event_class else None, time_s) in named.taken:
        builder.reject(row, "video", "the same row appears above already; remove one")
        return True
    one_is_normal = named.taken and (named.positive is not positive)
    same_time = time_s is not None and any(time_s == taken for _, taken in named.taken)
    if not one_is_normal and not same_time:
        return False
    message = f"this contradicts line {named.first_line} or a later one on the same video; settle which is right"
    builder.reject(row, "class", message)
    named.problem = "its rows contradict each other"
    return True


def _rename_events(builder: DatasetBuilder, ids: dict[str, str]) -> None:
    """Give the events their lasting ids, made of the video's id and the row's line."""
    rows, builder.rows_of_events = builder.rows_of_events, {}
    for place, event in enumerate(builder.events):
        row, video_id = rows.pop(event.event_id), ids[file_name_of(event.video_id)]
        event = event.model_copy(update={"event_id": f"{video_id}-e{row.line}", "video_id": video_id})
        builder.events[place] = event
        builder.rows_of_events[event.event_id] = row


def _video(named: _Named, video_id: str, truth: dict[str, Scenario], builder: DatasetBuilder) -> Video:
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
        incident=incident_of(named.incident),
        problem=named.problem,
        source="simulated" if scenario is not None else builder.name,
        source_id=source_id,
    )
