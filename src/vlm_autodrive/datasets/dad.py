"""The Dashcam Accident Dataset (DAD), whose labels are its folders.

``[videos/]training|testing / positive|negative / 000001.mp4``. Every video has 100 frames; by the convention of
its users, the accident begins at frame 90 of each positive.
"""

from pathlib import Path

from vlm_autodrive.datasets.accident_types import accident_class
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import sole_footage
from vlm_autodrive.datasets.video_files import info_of
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Video
from vlm_autodrive.tables import Row

_SPLITS = {"training": "train", "testing": "test"}
_LABELS = {"positive": True, "negative": False}
_FRAMES = 100
_ACCIDENT_FRAME = 90


def read_dad(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read the folders; every video counts as a row.

    Raises:
        UserError: If nothing of the layout is there.
    """
    root = Path(settings.videos) if settings.videos else path
    root = root / "videos" if (root / "videos").is_dir() else root
    folders = [root / split / label for split in _SPLITS for label in _LABELS if (root / split / label).is_dir()]
    if not folders:
        raise UserError(
            f"{root} has none of the folders training and testing with positive and negative in them; "
            "give the folder above them."
        )
    builder = DatasetBuilder(name="DAD", licence="None is stated.")
    event_class = accident_class("accident", settings.taxonomy)
    for folder in folders:
        split, label = folder.parent.name, folder.name
        for number, file in enumerate(sorted(folder.glob("*.mp4")), start=1):
            row = Row(folder, number, {"file": file.name})
            builder.rows += 1
            footage = sole_footage("dad", f"{split}/{label}/{file.stem}")
            video = Video(
                video_id=f"{split}-{label}-{file.stem}",
                path=str(file.absolute()),
                positive=_LABELS[label],
                group_id=footage.group_id,
                split=_SPLITS[split],
                source="DAD",
                source_id=footage.source_id,
            )
            builder.add_video(video)
            if _LABELS[label]:
                time_s = _accident_time_s(file, row, builder)
                builder.add_event(video.video_id, row, event_class, time_s=time_s, spelling=label)
    return builder


def _accident_time_s(file: Path, row: Row, builder: DatasetBuilder) -> float | None:
    """The time of frame 90, at whatever rate the file runs; None if it has not the 100 frames of the convention."""
    info = info_of(file)
    if info is None:
        return None  # the import says why of the video
    if info.frames != _FRAMES:
        message = f"{info.frames} frames rather than {_FRAMES}, so the accident's frame 90 is not known in it"
        builder.warn(row, "file", message)
        return None
    return round(info.duration_s * _ACCIDENT_FRAME / _FRAMES, 6)
