"""Detection of Traffic Anomaly (DoTA): ``metadata_train.json`` and ``metadata_val.json``.

``{id: {video_start, video_end, anomaly_start, anomaly_end, anomaly_class, num_frames, subset}}``; frames are
counted from the clip's first one, 0, at 10 a second. ``anomaly_class`` says first who is involved: ``ego: turning``
is an accident of the recording vehicle, ``other: turning`` one that it saw. ``anomaly_start`` is when the accident
could not be averted any more, which is before contact. The data set comes as folders of frames.
"""

from pathlib import Path

from vlm_autodrive.datasets.footage import (
    accident_class,
    add_video,
    dota_footage,
    locate,
    video_root,
    whole_number,
)  # fmt: skip
from vlm_autodrive.datasets.json_table import entry_row, read_entries
from vlm_autodrive.datasets.overlays import apply_overlay
from vlm_autodrive.datasets.reading import Reading
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.table import CellError, Row
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, Taxonomy, Video

_RATE = 10.0
_WHO = {"ego": True, "other": False}
# What the paper defines as collisions; leaving the road is loss of control, with or without contact.
_COLLISIONS = (
    "turning", "lateral", "moving_ahead_or_waiting", "oncoming", "start_stop_or_stationary", "pedestrian", "obstacle",
)  # fmt: skip
_OTHERS = ("leave_to_right", "leave_to_left", "unknown")
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def read_dota(path: Path, settings: ImportSettings) -> Reading:
    """Read one of the metadata files, or both in a folder.

    Args:
        path: The file or folder.
        settings: Classes, where the videos are, and an overlay ``id,class`` for kinds that DoTA leaves open.

    Raises:
        UserError: If there is none.
    """
    folder = path / "dataset" if (path / "dataset").is_dir() else path
    files = sorted(folder.glob("metadata_*.json")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no metadata_train.json or metadata_val.json; give DoTA's folder dataset.")
    reading = Reading(name="DoTA", licence="Annotations: MIT. The videos are from YouTube, of their owners.")
    taken: dict[str, Row] = {}
    for file in files:
        entries = read_entries(file)
        reading.rows += len(entries)
        for number, (name, value) in enumerate(entries, start=1):
            row = entry_row(file, number, name, value)
            _read_row(row, video_root(path, settings), settings.taxonomy, reading, taken)
    if settings.overlay:
        apply_overlay(Path(settings.overlay), reading, settings.taxonomy)
    return reading


def _read_row(row: Row, root: Path, taxonomy: Taxonomy, reading: Reading, taken: dict[str, Row]) -> None:
    name = row.text("name")
    if not name or Path(name).name != name:
        reading.issues.append(row.issue("name", "not a clip's name such as 0RJPQ_97dcs_000387", rejected=True))
        return
    try:
        start, frames = whole_number(row, "anomaly_start"), whole_number(row, "num_frames")
    except CellError as error:
        reading.issues.append(row.issue("anomaly_start", str(error), rejected=True))
        return
    if not 0 <= start < frames:
        message = f"behind the last of {frames} frames, or before the first; repair the entry"
        reading.issues.append(row.issue("anomaly_start", message, rejected=True))
        return
    if (end := row.text("anomaly_end")).isdecimal() and int(end) > frames:
        message = f"behind the last of {frames} frames; the start is taken, the end is not needed"
        reading.issues.append(row.issue("anomaly_end", message, rejected=False))
    footage = dota_footage(name)
    path, problem = locate(root, [f"frames/{name}.mp4", f"{name}.mp4", f"videos/{name}.mp4"], _RATE)
    video = Video(
        video_id=name,
        path=str(path),
        positive=True,
        group_id=footage.group_id,
        split=_SPLITS.get(row.text("subset")),
        problem=problem,
        source="DoTA",
        source_id=footage.source_id,
    )
    if not add_video(reading, video, row, taken):
        return
    ego, category = _who_and_what(row, reading)
    event_class = accident_class(category, taxonomy) if category in _COLLISIONS else None
    event = Event(
        event_id=f"{name}-e0",
        video_id=name,
        event_class=event_class.name if event_class else None,
        time_s=start / _RATE,
        ego_involved=ego,
    )
    reading.add_event(event, row)
    reading.spellings[category, event_class.label if event_class else "unknown kind"] += 1


def _who_and_what(row: Row, reading: Reading) -> tuple[bool | None, str]:
    """Whether the recording vehicle is involved, and the kind of anomaly."""
    who, colon, category = (part.strip() for part in row.text("anomaly_class").partition(":"))
    if not colon or who not in _WHO or category not in (*_COLLISIONS, *_OTHERS):
        message = "not 'ego: ' or 'other: ' and a kind of DoTA's list; taken as an event of unknown kind"
        reading.issues.append(row.issue("anomaly_class", message, rejected=False))
        return _WHO.get(who), "unknown"
    return _WHO[who], category
