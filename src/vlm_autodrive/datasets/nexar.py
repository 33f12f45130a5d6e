"""The Nexar collision prediction data set in the layout of its hub repository, and others in that layout.

``train|test-public|test-private / positive|negative / *.mp4`` with a ``metadata.csv`` each. The folder
tells whether an event is in a video, never of which kind: without an overlay a positive is an event of
unknown kind. ``time_to_accident_test_map.csv`` at the root says which test clips were cut from one video.
Simulated data sets come in this layout with ``truth.jsonl`` at the root.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from vlm_autodrive.datasets.builder import (
    ALERT_TIME,
    EVENT_TIME,
    CaseTwins,
    DatasetBuilder,
    read_truth,
)
from vlm_autodrive.datasets.caviar import apply_caviar
from vlm_autodrive.datasets.changed_names import changed_ids
from vlm_autodrive.datasets.incident_cells import take_incident
from vlm_autodrive.datasets.overlays import apply_overlay, is_overlay
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import inside
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Scenario, Video, source_id_of
from vlm_autodrive.tables import Row, read_table

OVERLAY_FILE = "overlay.csv"
MAP_FILE = "time_to_accident_test_map.csv"
LICENCE = (
    "If this is Nexar's own data: the Nexar open data licence, with attribution, no sale without consent, and no "
    "identification of people."
)
_SPLITS = ("train", "test-public", "test-private")
_SOON = "time_to_accident"
_ANNOTATIONS = ("file_name", EVENT_TIME, ALERT_TIME, _SOON)
_TIMES_TO_ACCIDENT = ("0.5", "1.0", "1.5")
_REWRITTEN = {"0,5": "0.5", "1": "1.0", "1,0": "1.0", "1,5": "1.5"}  # as spreadsheets save these headings
_SURROUNDINGS = {"light_conditions": "light", "weather": "weather", "scene": "scene"}
_LABELS = {"positive": True, "negative": False}
COLUMNS = {"time_of_event": EVENT_TIME, "time_of_alert": ALERT_TIME}
_NUMBER = re.compile(r"\d{5}")  # Nexar's own ids; other data in this layout is not Nexar's footage


def read_nexar(root: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read the hub layout.

    Args:
        root: The folder that holds ``train`` and the others, or some of them.
        settings: Classes, and the overlay; by default that is ``overlay.csv`` in ``root``, if it is there.

    Raises:
        UserError: If nothing of the layout is there.
    """
    folders = [root / split / label for split in _SPLITS for label in _LABELS if (root / split / label).is_dir()]
    if not folders:
        raise UserError(
            f"{root} has none of the folders {', '.join(_SPLITS)} with positive and negative in them; "
            "give the folder above them."
        )
    truth = read_truth(root)
    builder = DatasetBuilder(name=f"Nexar layout, {root.name}", licence="" if truth else LICENCE)
    builder.scenarios = list(truth.values())
    rows: dict[str, Row] = {}
    for folder in folders:
        rows |= _read_folder(root, folder, builder)
    builder.videos = [_with_truth(video, truth) for video in builder.videos]
    builder.videos = [
        _add_event(video, rows.get(video.video_id), video.video_id in truth, builder) for video in builder.videos
    ]
    if (root / MAP_FILE).is_file() and any(video.split != "train" for video in builder.videos):
        _group_by_map(root / MAP_FILE, builder)
    name_kinds(root, settings, builder)
    return builder


def name_kinds(root: Path, settings: ImportSettings, builder: DatasetBuilder) -> None:
    """Apply the overlay that was given, or the one that lies beside the data set, if any."""
    overlay = Path(settings.overlay) if settings.overlay else root / OVERLAY_FILE
    if settings.overlay or overlay.is_file():
        apply = apply_caviar if overlay.suffix.casefold() == ".json" and not is_overlay(overlay) else apply_overlay
        apply(overlay, builder, settings.taxonomy)


def nexar_id(stem: str) -> str | None:
    """The ``source_id`` of a video by its name; None if that is not the name of a video of Nexar's."""
    return source_id_of("nexar", stem) if _NUMBER.fullmatch(stem) else None


def _add_event(video: Video, row: Row | None, simulated: bool, builder: DatasetBuilder) -> Video:
    """Add the event that a video's row tells of; returns the video, with a problem if the row contradicts it."""
    if row is None:
        return video
    # Test clips end before the event, which time_to_accident tells, so there is no time of it inside them.
    times = builder.event_times(row, video.positive, needs_time=not row.text(_SOON))
    if times is None and not video.positive:
        return video.model_copy(update={"problem": "it lies in negative, but has an event's time"})
    if times is not None and video.positive:
        ego = True if simulated else None
        builder.add_event(video.video_id, row, None, time_s=times[0], alert_time_s=times[1], ego_involved=ego)
    return video


def _read_folder(root: Path, folder: Path, builder: DatasetBuilder) -> dict[str, Row]:
    """Add the videos of one folder; returns the rows that describe them, by video id."""
    split, label = folder.parent.name, folder.name
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix.casefold() == ".mp4"}
    rows = _rows_by_file(folder, files, builder)
    known = {video.video_id for video in builder.videos}
    ids: dict[str, Row] = {}
    for name in sorted(files.keys() | rows.keys()):
        stem = Path(name).stem
        video_id = stem if stem not in known else f"{split}-{label}-{name}"
        known.add(video_id)
        row = rows.get(name)
        if row is not None:
            ids[video_id] = row
        else:
            message = "a video without a row; add one, with its event's time if it has an event"
            builder.warn_of_file(folder / "metadata.csv", message, column="file_name", value=name)
        metadata = {c: row.text(c) for c in row.cells if c and row.text(c)} if row is not None else {}
        for column in _ANNOTATIONS:  # they tell the label, and metadata must not
            metadata.pop(column, None)
        incident = take_incident(metadata, _SURROUNDINGS)
        builder.add_video(
            Video(
                video_id=video_id,
                path=str((folder / name).absolute()),
                positive=_LABELS[label],
                group_id=video_id,
                split=split,
                metadata=metadata,
                incident=incident,
                source=f"Nexar layout, {root.name}",
                source_id=nexar_id(stem),
            )
        )
    return ids


def _rows_by_file(folder: Path, files: Iterable[str], builder: DatasetBuilder) -> dict[str, Row]:
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    table = read_table(path, COLUMNS, ["file_name"])
    rows: dict[str, Row] = {}
    twins = CaseTwins(builder)
    ids = changed_ids((Path(file).stem for file in files), (row.text("file_name") for row in table.rows), builder)
    for row in builder.add_table(table):
        text = row.text("file_name")
        suffix = Path(text).suffix if Path(text).suffix.casefold() == ".mp4" else ".mp4"
        stem = ids.mended(row, "file_name", text.removesuffix(suffix)) if text else ""
        if stem is None:
            continue
        name = f"{stem}{suffix}" if stem else ""
        if not name:
            builder.reject(row, "file_name", "no file name; fill it in")
        elif inside(folder, name) != folder / name:
            builder.reject(row, "file_name", "not a file of this folder; name the file alone")
        elif name in rows:
            message = f"the file is already in line {rows[name].line}; only that line is taken"
            builder.reject(row, "file_name", message)
        else:
            rows[name] = row
            twins.check(row, "file_name", name)
    return rows


def _with_truth(video: Video, truth: dict[str, Scenario]) -> Video:
    scenario = truth.get(video.video_id)
    if scenario is None:
        return video
    group = scenario.triplet_id or video.video_id
    changes = {"group_id": group, "triplet_id": scenario.triplet_id, "source": "simulated", "source_id": None}
    return video.model_copy(update=changes)


def _group_by_map(path: Path, builder: DatasetBuilder) -> None:
    """Put test clips of one video into one group: a row holds the ids of its clips, one for each time to accident."""
    try:
        table = read_table(path, _REWRITTEN, list(_TIMES_TO_ACCIDENT))
    except UserError as error:
        builder.warn_of_file(path, f"{error} The test clips of one video are not grouped")
        return
    tests = {video.video_id for video in builder.videos if video.split != "train"}
    groups: dict[str, str] = {}
    for row in builder.add_table(table):
        ids = [row.text(column).removesuffix(".0").zfill(5) for column in row.cells if row.text(column)]
        here = [video_id for video_id in ids if video_id in tests]
        twice = [video_id for video_id in here if video_id in groups]
        if not here:
            builder.reject(row, "0.5", "none of its clips is in this data set")
        elif twice:
            message = f"clip {twice[0]} is in an earlier row already; settle which is right"
            builder.reject(row, "0.5", message)
        else:
            groups |= dict.fromkeys(here, f"test-source-{here[0]}")
    builder.videos = [
        video.model_copy(update={"group_id": groups[video.video_id]}) if video.video_id in groups else video
        for video in builder.videos
    ]
