"""The Nexar collision prediction challenge as it comes from Kaggle.

``train.csv`` holds ``id,time_of_event,time_of_alert,target``, ``test.csv`` holds ``id`` alone; the videos are
``train/00822.mp4`` and ``test/00204.mp4``. Ids are text of five digits: read as numbers they lose their zeros.
"""

from pathlib import Path

from vlm_autodrive.datasets.nexar import COLUMNS, name_kinds, nexar_id
from vlm_autodrive.datasets.reading import Reading, checked_times
from vlm_autodrive.datasets.table import CellError, Row, flag_cell, read_table
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, ImportIssue, Taxonomy, Video

NAME = "Nexar, Kaggle layout"
LICENCE = "Competition data: the rules of the Nexar challenge on Kaggle hold."
_DIGITS = 5
_REQUIRED = {"train": ("id", "target"), "test": ("id",)}


def read_nexar_kaggle(root: Path, taxonomy: Taxonomy, overlay: Path | None = None) -> Reading:
    """Read the Kaggle layout.

    Args:
        root: The folder that holds ``train.csv`` or ``test.csv``, or both.
        taxonomy: The classes that the overlay names.
        overlay: The overlay; by default ``overlay.csv`` in ``root``, if it is there.

    Raises:
        UserError: If neither file is there.
    """
    splits = [split for split in _REQUIRED if (root / f"{split}.csv").is_file()]
    if not splits:
        raise UserError(f"{root} has neither train.csv nor test.csv; give the folder that holds them.")
    reading = Reading(name=NAME, licence=LICENCE)
    for split in splits:
        _read_split(root, split, reading)
    name_kinds(root, taxonomy, overlay, reading)
    return reading


def _read_split(root: Path, split: str, reading: Reading) -> None:
    path = root / f"{split}.csv"
    table = read_table(path, COLUMNS, _REQUIRED[split])
    reading.issues += table.issues
    reading.rows += table.total
    known = {video.video_id for video in reading.videos}
    taken: dict[str, tuple[Video, Row]] = {}
    for row in table.rows:
        video_id = _video_id(row, reading)
        if video_id is None:
            continue
        if video_id in known:
            message = "this id is in the training part already; settle where it belongs"
            reading.issues.append(row.issue("id", message, rejected=True))
        elif video_id in taken:
            taken[video_id] = (_twice(row, *taken[video_id], reading), taken[video_id][1])
        else:
            taken[video_id] = (_read_row(root, split, row, video_id, reading), row)
    reading.videos += [video for video, _ in taken.values()]
    for file in sorted((root / split).glob("*.mp4")):
        if file.stem not in taken:
            issue = ImportIssue(
                file=str(path), line=None, field="id", value=file.stem, rejected=False,
                message="a video without a row; add one, or take the file away",
            )  # fmt: skip
            reading.issues.append(issue)
            reading.videos.append(_video(root, split, file.stem, None, "no row of the table names it"))


def _video_id(row: Row, reading: Reading) -> str | None:
    """The id as text, with the zeros that a spreadsheet may have taken from it."""
    text = row.text("id").removesuffix(".mp4")
    if not text.isdecimal() or len(text) > _DIGITS:
        reading.issues.append(row.issue("id", "no id of five digits, such as 00822; put it right", rejected=True))
        return None
    if len(text) < _DIGITS:
        message = f"it has lost its zeros; {text.zfill(_DIGITS)} is taken, keep ids as text"
        reading.issues.append(row.issue("id", message, rejected=False))
    return text.zfill(_DIGITS)


def _target(row: Row, reading: Reading) -> bool | None:
    """Whether an event is in the video; None, with an issue written, if the table does not say."""
    try:
        target = flag_cell(row, "target")
    except CellError:
        target = None
    if target is None:
        message = "neither 1 for an event nor 0 for none; put it right, the video is not used until then"
        reading.issues.append(row.issue("target", message, rejected=True))
    return target


def _read_row(root: Path, split: str, row: Row, video_id: str, reading: Reading) -> Video:
    if split == "test":
        return _video(root, split, video_id, None)
    positive = _target(row, reading)
    if positive is None:
        return _video(root, split, video_id, None, "its target is not understood")
    times = checked_times(row, positive, reading.issues)
    if times is None:
        problem = "" if positive else "its target says that there is no event, but it has an event's time"
        return _video(root, split, video_id, positive, problem)
    if positive:
        event = Event(
            event_id=f"{video_id}-e0", video_id=video_id, event_class=None, time_s=times[0], alert_time_s=times[1]
        )
        reading.add_event(event, row)
    return _video(root, split, video_id, positive)


def _twice(row: Row, video: Video, first: Row, reading: Reading) -> Video:
    """The video of an earlier row, with a problem if this row on it says something else."""
    columns = ("target", "event_time_s", "alert_time_s")
    if all(row.text(column) == first.text(column) for column in columns):
        message = f"the same stands in line {first.line} already; remove one of them"
        reading.issues.append(row.issue("id", message, rejected=True))
        return video
    message = f"it contradicts line {first.line}; settle which is right, the video is not used until then"
    reading.issues.append(row.issue("id", message, rejected=True))
    return video.model_copy(update={"problem": "its rows contradict each other"})


def _video(root: Path, split: str, video_id: str, positive: bool | None, problem: str = "") -> Video:
    return Video(
        video_id=video_id,
        path=str((root / split / f"{video_id}.mp4").absolute()),
        positive=positive,
        group_id=video_id,
        split=split,
        problem=problem,
        source=NAME,
        source_id=nexar_id(video_id),
    )
