"""A plain folder of videos, without any annotation file.

A subfolder that bears the name of a class labels what lies in it; files elsewhere are not labelled. Files
of one subfolder, unless that is a class's, count as one drive, so that no split parts them.
"""

import os
from collections import Counter
from pathlib import Path

from vlm_autodrive.artifacts import VIDEO_SUFFIXES
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import ids_of_files
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import EventClass, Taxonomy, Video, file_name_text


def read_video_folder(root: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read a folder, and the folders below it.

    Args:
        root: The folder.
        settings: The classes that subfolders may be named after.

    Raises:
        UserError: If it is no folder.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder; for a table of videos use the format manifest.")
    builder = DatasetBuilder(name=f"folder {file_name_text(root.absolute().name)}")
    root = Path(os.path.normpath(root.absolute()))
    files = sorted(file for file in root.rglob("*") if file.is_file() and not _hidden(file, root))
    videos = [file for file in files if file.suffix.casefold() in VIDEO_SUFFIXES]
    for path, video_id in ids_of_files([str(file) for file in videos], root).items():
        _take(root, Path(path), video_id, settings.taxonomy, builder)
    builder.rows = len(videos)
    others = Counter(file_name_text(file.suffix.casefold() or file.name) for file in set(files).difference(videos))
    if others:
        listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        message = f"no videos by their names, left out; videos end in {known}"
        builder.warn_of_file(root, message, value=listed)
    return builder


def _take(root: Path, file: Path, video_id: str, taxonomy: Taxonomy, builder: DatasetBuilder) -> None:
    folders = file.relative_to(root).parts[:-1]
    named = [(folder, found) for folder in folders if (found := taxonomy.find(folder)) is not None]
    event_class: EventClass | None = named[-1][1] if named else None
    drive = tuple(folder for folder in folders if taxonomy.find(folder) is None)
    if event_class is not None:
        builder.count_spelling(f"folder {named[-1][0]}", event_class)
        if event_class.is_event:
            message = "no time of the event; give it in a manifest, no clip can be cut around it until then"
            builder.warn_of_file(file, message, value=video_id)
            builder.add_event(video_id, None, event_class, time_s=None)
    builder.add_video(
        Video(
            video_id=video_id,
            path=str(file),
            positive=None if event_class is None else event_class.is_event,
            group_id=file_name_text("/".join(drive)) or video_id,
            source=builder.name,
        )
    )


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
