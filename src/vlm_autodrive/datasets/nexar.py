"""The Nexar collision prediction data set as it lies on the hub, and anything laid out like it.

``train|test-public|test-private / positive|negative / *.mp4`` with a ``metadata.csv`` each. The folder
tells whether an event is in a video, never of which kind: without an overlay (``id,class``) a positive
is an event of unknown kind. Simulated data sets come in this layout with ``truth.jsonl`` at the root.
"""

import difflib
from pathlib import Path

from vlm_autodrive.datasets.reading import ALERT_TIME, EVENT_TIME, Reading, checked_times, inside, read_truth
from vlm_autodrive.datasets.table import CellError, Row, class_named, read_table
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, EventClass, ImportIssue, Scenario, Taxonomy, Video

OVERLAY_FILE = "overlay.csv"
_SPLITS = ("train", "test-public", "test-private")
_ANNOTATIONS = ("file_name", EVENT_TIME, ALERT_TIME, "time_to_accident")
_LABELS = {"positive": True, "negative": False}
_COLUMNS = {"time_of_event": EVENT_TIME, "time_of_alert": ALERT_TIME}
_OVERLAY_COLUMNS = {
    "video": "id", "file_name": "id", "source_file_name": "id", "label": "class", "label_name": "class",
}  # fmt: skip


def read_nexar(root: Path, taxonomy: Taxonomy, overlay: Path | None = None) -> Reading:
    """Read the hub layout.

    Args:
        root: The folder that holds ``train`` and the others, or some of them.
        taxonomy: The classes that the overlay names.
        overlay: The overlay; by default ``overlay.csv`` in ``root``, if it is there.

    Raises:
        UserError: If nothing of the layout is there.
    """
    reading = Reading()
    folders = [root / split / label for split in _SPLITS for label in _LABELS if (root / split / label).is_dir()]
    if not folders:
        raise UserError(
            f"{root} has none of the folders {', '.join(_SPLITS)} with positive and negative in them; "
            "give the folder above them."
        )
    truth = read_truth(root)
    reading.scenarios = list(truth.values())
    rows: dict[str, Row] = {}
    for folder in folders:
        rows |= _read_folder(root, folder, reading)
    reading.videos = [_with_truth(video, truth) for video in reading.videos] if truth else reading.videos
    if overlay is None and (root / OVERLAY_FILE).is_file():
        overlay = root / OVERLAY_FILE
    classes = _read_overlay(overlay, reading, taxonomy) if overlay is not None else {}
    videos = [_checked_against(classes.get(v.video_id), v) for v in reading.videos]
    reading.videos = [
        _add_event(video, rows.get(video.video_id), classes, video.video_id in truth, reading) for video in videos
    ]
    return reading


def _add_event(
    video: Video, row: Row | None, classes: dict[str, EventClass], simulated: bool, reading: Reading
) -> Video:
    """Add the event that a video's row tells of; returns the video, with a problem if the row contradicts it."""
    times = checked_times(row, video.positive, reading.issues) if row is not None else None
    if row is not None and times is None and not video.positive:
        return video.model_copy(update={"problem": video.problem or "it lies in negative, but has an event's time"})
    if row is not None and times is not None and video.positive:
        named = classes.get(video.video_id)
        event = Event(
            event_id=f"{video.video_id}-e0",
            video_id=video.video_id,
            event_class=named.name if named is not None and named.is_event else None,
            time_s=times[0],
            alert_time_s=times[1],
            ego_involved=True if simulated else None,
        )
        reading.add_event(event, row)
    return video


def _read_folder(root: Path, folder: Path, reading: Reading) -> dict[str, Row]:
    """Add the videos of one folder; returns the rows that describe them, by video id."""
    split, label = folder.parent.name, folder.name
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix.casefold() == ".mp4"}
    rows = _rows_by_file(folder, reading)
    known = {video.video_id for video in reading.videos}
    ids: dict[str, Row] = {}
    for name in sorted(files.keys() | rows.keys()):
        stem = Path(name).stem
        video_id = stem if stem not in known else f"{split}-{label}-{name}"
        known.add(video_id)
        row = rows.get(name)
        if row is not None:
            ids[video_id] = row
        else:
            reading.issues.append(_no_row(folder, name))
        metadata = {c: row.text(c) for c in row.cells if c and row.text(c)} if row is not None else {}
        for column in _ANNOTATIONS:  # they tell the label, and metadata must not
            metadata.pop(column, None)
        reading.videos.append(
            Video(
                video_id=video_id,
                path=str((folder / name).absolute()),
                positive=_LABELS[label],
                group_id=video_id,
                split=split,
                metadata=metadata,
                source=f"Nexar layout, {root.name}",
            )
        )
    return ids


def _rows_by_file(folder: Path, reading: Reading) -> dict[str, Row]:
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    table = read_table(path, _COLUMNS, ["file_name"])
    reading.issues += table.issues
    reading.rows += table.total
    rows: dict[str, Row] = {}
    for row in table.rows:
        name = row.text("file_name")
        if name and not Path(name).suffix:
            name += ".mp4"
        if not name:
            reading.issues.append(row.issue("file_name", "no file name; fill it in", rejected=True))
        elif inside(folder, name) != folder / name:
            reading.issues.append(
                row.issue("file_name", "not a file of this folder; name the file alone", rejected=True)
            )
        elif name in rows:
            message = f"the file stands already in line {rows[name].line}; only that line is taken"
            reading.issues.append(row.issue("file_name", message, rejected=True))
        else:
            rows[name] = row
    return rows


def _no_row(folder: Path, name: str) -> ImportIssue:
    return ImportIssue(
        file=str(folder / "metadata.csv"), line=None, field="file_name", value=name, rejected=False,
        message="a video without a row; add one, with its event's time if it has an event",
    )  # fmt: skip


def _with_truth(video: Video, truth: dict[str, Scenario]) -> Video:
    scenario = truth.get(video.video_id)
    if scenario is None:
        return video
    group = scenario.triplet_id or video.video_id
    return video.model_copy(update={"group_id": group, "triplet_id": scenario.triplet_id, "source": "simulated"})


def _read_overlay(path: Path, reading: Reading, taxonomy: Taxonomy) -> dict[str, EventClass]:
    """The classes that an overlay names, by video id; rows that contradict each other count for nothing."""
    table = read_table(path, _OVERLAY_COLUMNS, ["id", "class"])
    reading.issues += table.issues
    reading.rows += table.total
    known = {video.video_id for video in reading.videos}
    found: dict[str, tuple[EventClass, Row]] = {}
    contradicted: set[str] = set()
    for row in table.rows:
        video_id = Path(row.text("id")).stem.removeprefix("nexar_") if row.text("id") else ""
        if video_id not in known:
            reading.issues.append(row.issue("id", _no_such_video(video_id, known), rejected=True))
            continue
        try:
            named = class_named(row.text("class"), taxonomy)
        except CellError as error:
            reading.issues.append(row.issue("class", str(error), rejected=True))
            continue
        earlier = found.get(video_id)
        if earlier is not None and earlier[0] != named:
            message = f"line {earlier[1].line} says {earlier[0].name}; neither is taken, settle which is right"
            reading.issues.append(row.issue("class", message, rejected=True))
            if video_id not in contradicted:
                reading.issues.append(earlier[1].issue("class", f"line {row.line} contradicts it", rejected=True))
            contradicted.add(video_id)
            continue
        found.setdefault(video_id, (named, row))
        reading.spellings[row.text("class"), named.label] += 1
    return {video_id: named for video_id, (named, _) in found.items() if video_id not in contradicted}


def _no_such_video(video_id: str, known: set[str]) -> str:
    if video_id.isdigit():
        padded = [k for k in known if k.isdigit() and int(k) == int(video_id)]
        if padded:
            return f"no such video; {padded[0]} has lost its zeros here, keep ids as text"
    nearest = difflib.get_close_matches(video_id, known, n=1)
    return f"no such video; did you mean {nearest[0]}?" if nearest else "no such video in this data set"


def _checked_against(named: EventClass | None, video: Video) -> Video:
    if named is None or named.is_event == video.positive:
        return video
    folder = "positive" if video.positive else "negative"
    return video.model_copy(update={"problem": f"it lies in {folder}, but the overlay says {named.label}"})
