"""The Nexar collision prediction challenge as it comes from Kaggle.

``train.csv`` holds ``id,time_of_event,time_of_alert,target``, ``test.csv`` holds ``id`` alone; the videos are
``train/00822.mp4`` and ``test/00204.mp4``. Ids are text of five digits: read as numbers they lose their zeros.
"""

from pathlib import Path

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.nexar import COLUMNS, name_kinds, nexar_id
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Video
from vlm_autodrive.tables import CellError, Row, flag_cell, is_exponent, read_table

NAME = "Nexar, Kaggle layout"
LICENCE = "Competition data: the rules of the Nexar challenge on Kaggle hold."
_DIGITS = 5
_REQUIRED = {"train": ("id", "target"), "test": ("id",)}


def read_nexar_kaggle(root: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read the Kaggle layout.

    Args:
        root: The folder that holds ``train.csv`` or ``test.csv``, or both.
        settings: Classes, and the overlay; by default that is ``overlay.csv`` in ``root``, if it is there.

    Raises:
        UserError: If neither file is there.
    """
    splits = [split for split in _REQUIRED if (root / f"{split}.csv").is_file()]
    if not splits:
        raise UserError(f"{root} has neither train.csv nor test.csv; give the folder that holds them.")
    builder = DatasetBuilder(name=NAME, licence=LICENCE)
    for split in splits:
        _read_split(root, split, builder)
    name_kinds(root, settings, builder)
    return builder


def _read_split(root: Path, split: str, builder: DatasetBuilder) -> None:
    path = root / f"{split}.csv"
    table = read_table(path, COLUMNS, _REQUIRED[split])
    known = {video.video_id for video in builder.videos}
    taken: dict[str, tuple[Video, Row]] = {}
    for row in builder.add_table(table):
        video_id = _video_id(row, builder)
        if video_id is None:
            continue
        if video_id in known:
            message = "this id is in the training part already; settle where it belongs"
            builder.reject(row, "id", message)
        elif video_id in taken:
            taken[video_id] = (_twice(row, *taken[video_id], builder), taken[video_id][1])
        else:
            taken[video_id] = (_read_row(root, split, row, video_id, builder), row)
    builder.videos += [video for video, _ in taken.values()]
    for file in sorted((root / split).glob("*.mp4")):
        if file.stem not in taken:
            message = "a video without a row; add one, or take the file away"
            builder.warn_of_file(path, message, column="id", value=file.stem)
            builder.add_video(_video(root, split, file.stem, None, "no row of the table names it"))


def _video_id(row: Row, builder: DatasetBuilder) -> str | None:
    """The id as text, with the zeros that a spreadsheet may have taken from it."""
    text = row.text("id").removesuffix(".mp4")
    digits = text.removesuffix(".0")
    if not digits.isdecimal() or len(digits) > _DIGITS:
        damage = "a spreadsheet changed this id to a power of ten; " if is_exponent(text) else ""
        builder.reject(row, "id", f"{damage}no id of five digits, such as 00822; put it right")
        return None
    video_id = digits.zfill(_DIGITS)
    if video_id != text:
        builder.warn(row, "id", f"a spreadsheet changed this id; {video_id} is taken, keep ids as text")
    return video_id


def _target(row: Row, builder: DatasetBuilder) -> bool | None:
    """Whether an event is in the video; None, with an issue written, if the table does not say."""
    try:
        target = flag_cell(row, "target")
    except CellError:
        target = None
    if target is None:
        message = "neither 1 for an event nor 0 for none; put it right, the video is not used until then"
        builder.reject(row, "target", message)
    return target


def _read_row(root: Path, split: str, row: Row, video_id: str, builder: DatasetBuilder) -> Video:
    if split == "test":
        return _video(root, split, video_id, None)
    positive = _target(row, builder)
    if positive is None:
        return _video(root, split, video_id, None, "its target is not understood")
    times = builder.event_times(row, positive)
    if times is None:
        problem = "" if positive else "its target says that there is no event, but it has an event's time"
        return _video(root, split, video_id, positive, problem)
    if positive:
        builder.add_event(video_id, row, None, time_s=times[0], alert_time_s=times[1])
    return _video(root, split, video_id, positive)


def _twice(row: Row, video: Video, first: Row, builder: DatasetBuilder) -> Video:
    """The video of an earlier row, with a problem if this row on it says something else."""
    columns = ("target", "event_time_s", "alert_time_s")
    if all(row.text(column) == first.text(column) for column in columns):
        message = f"the same row is already in line {first.line}; remove one of them"
        builder.reject(row, "id", message)
        return video
    message = f"it contradicts line {first.line}; settle which is right, the video is not used until then"
    builder.reject(row, "id", message)
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
