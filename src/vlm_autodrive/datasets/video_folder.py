"""A plain folder of videos, without any annotation file.

A subfolder that bears the name of a class labels what lies in it; files elsewhere are not labelled. Files
of one subfolder, unless that is a class's, count as one drive, so that no split parts them. Of files whose names a
known camera gave, all channels of one moment and what follows within minutes are one drive, wherever they lie.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import VIDEO_SUFFIXES
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.camera_marks import drives, marks
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.telemetry.reading import Listings, telemetry_files
from vlm_autodrive.datasets.video_files import ids_of_files
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import EventClass, Taxonomy, Video, file_name_text
from vlm_autodrive.video import EVENT, CameraFile, camera_file

_KINDS = frozenset(("normal", EVENT, "parking"))


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
    cameras = {file: named for file in videos if (named := camera_file(file, settings.camera_pattern))}
    metadata, wrong = marks(list(cameras.values()))
    drive_of = drives({camera: _unlabelled(camera.folder, root, settings.taxonomy) for camera in cameras.values()})
    for told, message in wrong.items():
        builder.warn_of_file(told, message)
    own = _folders_of_kinds(cameras.values())
    if own:
        message = "folders that the camera names by the kinds of its files; they are no classes"
        builder.warn_of_file(root, message, value=", ".join(sorted({folder.name for folder in own})))
    for path, video_id in ids_of_files([str(file) for file in videos], root).items():
        file = Path(path)
        labels = [parent.name for parent in reversed(file.relative_to(root).parents[:-1]) if root / parent not in own]
        _take(file, labels, drive_of.get(file, ""), video_id, metadata.get(file, {}), settings.taxonomy, builder)
    builder.rows = len(videos)
    listings: Listings = {}
    telemetry = [file for video in videos for file in telemetry_files(video, listings).values()]
    others = Counter(
        file_name_text(file.suffix.casefold() or file.name) for file in set(files).difference(videos, telemetry)
    )
    if others:
        listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        message = f"no videos by their names, left out; videos end in {known}"
        builder.warn_of_file(root, message, value=listed)
    return builder


def _unlabelled(folder: Path, root: Path, taxonomy: Taxonomy) -> str:
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return "/".join(part for part in parts if taxonomy.find(part) is None)


def _folders_of_kinds(cameras: Iterable[CameraFile]) -> set[Path]:
    """Folders that bear the kind of the files in them, beside one of another kind: Normal and Event, say."""
    named = {folder for c in cameras for folder in c.path.parents if folder.name.casefold() == c.kind}
    return {folder for folder in named if _names_in(folder.parent) & _KINDS - {folder.name.casefold()}}


def _names_in(folder: Path) -> set[str]:
    return {path.name.casefold() for path in folder.iterdir() if path.is_dir()}


def _take(
    file: Path,
    folders: Sequence[str],
    drive: str,
    video_id: str,
    metadata: dict[str, str],
    taxonomy: Taxonomy,
    builder: DatasetBuilder,
) -> None:
    named = [(folder, found) for folder in folders if (found := taxonomy.find(folder)) is not None]
    event_class: EventClass | None = named[-1][1] if named else None
    drive = drive or "/".join(folder for folder in folders if taxonomy.find(folder) is None)
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
            group_id=file_name_text(drive) or video_id,
            metadata=metadata,
            source=builder.name,
        )
    )


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
