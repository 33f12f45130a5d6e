"""Detection of Traffic Anomaly (DoTA): ``metadata_train.json`` and ``metadata_val.json``.

``{id: {video_start, video_end, anomaly_start, anomaly_end, anomaly_class, num_frames, subset}}``; frames are
counted from the clip's first one, 0, at 10 a second. ``anomaly_class`` says first who is involved: ``ego: turning``
is an accident of the recording vehicle, ``other: turning`` one that it saw. ``anomaly_start`` is when the accident
could not be averted any more, which is before contact. The data set comes as folders of frames.
"""

from pathlib import Path

from vlm_autodrive.datasets.accident_types import accident_class
from vlm_autodrive.datasets.builder import NOTHING_RECORDED, DatasetBuilder
from vlm_autodrive.datasets.overlays import apply_overlay
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import dota_footage
from vlm_autodrive.datasets.video_files import locate, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata, Taxonomy, Video
from vlm_autodrive.tables import CellError, Row, entry_row, read_entries, whole_number_cell

_RATE = 10.0
_WHO = {"ego": True, "other": False}
# What the paper defines as collisions; leaving the road is loss of control, with or without contact.
_COLLISIONS = (
    "turning", "lateral", "moving_ahead_or_waiting", "oncoming", "start_stop_or_stationary", "pedestrian", "obstacle",
)  # fmt: skip
_OTHERS = ("leave_to_right", "leave_to_left", "unknown")
# What a category says of the other party, by its definition in the paper. A vehicle that moves laterally may be ahead
# or beside, one that turns or crosses may come from anywhere, and one that starts may have stood anywhere.
_OTHER_PARTY = {
    "moving_ahead_or_waiting": IncidentMetadata(other_role="ahead"),
    "oncoming": IncidentMetadata(other_role="oncoming"),
    "pedestrian": IncidentMetadata(other_type="pedestrian", pedestrians="present"),
    "obstacle": IncidentMetadata(other_type="object"),
}
_SEEN = {"pedestrian": IncidentMetadata(pedestrians="present")}  # of an accident of others
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def read_dota(path: Path, settings: ImportSettings) -> DatasetBuilder:
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
    builder = DatasetBuilder(name="DoTA", licence="Annotations: MIT. The videos are from YouTube, of their owners.")
    for file in files:
        entries = read_entries(file)
        builder.rows += len(entries)
        for number, (name, value) in enumerate(entries, start=1):
            row = entry_row(file, number, name, value)
            _read_row(row, video_root(path, settings), settings.taxonomy, builder)
    if settings.overlay:
        apply_overlay(Path(settings.overlay), builder, settings.taxonomy)
    return builder


def _read_row(row: Row, root: Path, taxonomy: Taxonomy, builder: DatasetBuilder) -> None:
    name = row.text("name")
    if not name or Path(name).name != name:
        builder.reject(row, "name", "not a clip's name such as 0RJPQ_97dcs_000387")
        return
    try:
        start, frames = whole_number_cell(row, "anomaly_start"), whole_number_cell(row, "num_frames")
    except CellError as error:
        builder.reject(row, "anomaly_start", str(error))
        return
    if not 0 <= start < frames:
        message = f"behind the last of {frames} frames, or before the first; repair the entry"
        builder.reject(row, "anomaly_start", message)
        return
    if (end := row.text("anomaly_end")).isdecimal() and int(end) > frames:
        message = f"behind the last of {frames} frames; the start is taken, the end is not needed"
        builder.warn(row, "anomaly_end", message)
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
    if not builder.add_video(video, row):
        return
    ego, category = _who_and_what(row, builder)
    event_class = accident_class(category, taxonomy) if category in _COLLISIONS else None
    builder.add_event(
        name, row, event_class, time_s=start / _RATE, ego_involved=ego, spelling=category,
        incident=(_OTHER_PARTY if ego else _SEEN).get(category, NOTHING_RECORDED),
    )  # fmt: skip


def _who_and_what(row: Row, builder: DatasetBuilder) -> tuple[bool | None, str]:
    """Whether the recording vehicle is involved, and the kind of anomaly."""
    who, colon, category = (part.strip() for part in row.text("anomaly_class").partition(":"))
    if not colon or who not in _WHO or category not in (*_COLLISIONS, *_OTHERS):
        message = "not 'ego: ' or 'other: ' and a kind of DoTA's list; taken as an event of unknown kind"
        builder.warn(row, "anomaly_class", message)
        return _WHO.get(who), "unknown"
    return _WHO[who], category
