"""The video of each correction: that of the catalog, or a new one made from the file."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vlm_autodrive.datasets.camera_marks import drives
from vlm_autodrive.datasets.video_files import ids_of_files, look_at, probe_all
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import TRAIN_ONLY, Correction, Video
from vlm_autodrive.video import camera_file

SOURCE = "review"
"""The data set of videos that come into a catalog by a review."""

FileKey = tuple[str, int | None]
"""A file, by its real path, and which of its video streams."""


def file_key(path: str, stream: int | None) -> FileKey:
    """What tells one piece of footage from another."""
    return os.path.realpath(path), stream


class CorrectedVideos:
    """The videos that corrections are of: those of a catalog by id, all others by their file.

    Attributes:
        catalog: The catalog's videos by id.
        new: Videos that the catalog does not have, by their file; not all of them can be read.
    """

    def __init__(self, catalog: Sequence[Video], corrections: Iterable[Correction]) -> None:
        """Find the files that no video of the catalog has, and open them."""
        self.catalog = {video.video_id: video for video in catalog}
        self._by_file: dict[FileKey, str] = {}
        for video in catalog:
            if not video.problem:
                self._by_file.setdefault(file_key(video.path, video.video_stream), video.video_id)
        self.new = self._opened([c for c in corrections if c.video_id is None])

    def of(self, correction: Correction) -> Video | str:
        """The video of a correction, or why there is none."""
        if correction.video_id is None:
            key = file_key(correction.video, correction.video_stream)
            video = self.catalog[self._by_file[key]] if key in self._by_file else self.new[key]
            return f"its file cannot be used: {video.problem}" if video.problem else video
        found = self.catalog.get(correction.video_id)
        if found is None:
            return f"the catalog has no video {correction.video_id}; give the catalog that its clip was cut from"
        names = Path(found.path).name, Path(correction.video).name
        if names[0] != names[1]:
            return f"the catalog's video {found.video_id} is the file {names[0]}, and not {names[1]}"
        return found

    def _opened(self, corrections: Sequence[Correction]) -> dict[FileKey, Video]:
        missing: dict[FileKey, str] = {}
        for correction in corrections:
            key = file_key(correction.video, correction.video_stream)
            if key not in self._by_file:
                missing.setdefault(key, correction.video)
        if not missing:
            return {}
        paths = list(dict.fromkeys(missing.values()))
        names = ids_of_files(paths, Path(os.path.commonpath([Path(path).parent for path in paths])))
        drive_of, groups = self._drives(paths)
        found: dict[FileKey, Video] = {}
        for (real, stream), path in missing.items():
            name = names[path] if stream is None else f"{names[path]}-stream{stream}"
            taken = self.catalog.keys() | {video.video_id for video in found.values()}
            numbers = ("", *(f"-{number}" for number in range(2, len(taken) + 3)))
            video_id = next(name + number for number in numbers if name + number not in taken)
            drive = drive_of.get(Path(path), "")
            # What a model has found is no random draw, so it is not tested on, unless it goes with its drive.
            split = TRAIN_ONLY if self.catalog and drive not in groups else None
            video = Video(
                video_id=video_id,
                path=path,
                positive=None,
                group_id=groups.get(drive, drive) or video_id,
                split=split,
                partly_annotated=True,
                source=SOURCE,
            )
            one = [video]
            probe_all(one, look_at(one).missing, stream, SILENT)
            found[real, stream] = one[0]
        return found

    def _drives(self, paths: Sequence[str]) -> tuple[Mapping[Path, str], Mapping[str, str]]:
        """The drive of each new file that a known camera named, and the group of the catalog's videos of a drive."""
        old = {video.path: video.group_id for video in self.catalog.values()}
        cameras = {c: str(c.folder) for path in (*old, *paths) if (c := camera_file(Path(path))) is not None}
        drive_of = drives(cameras)
        return drive_of, {drive_of[Path(path)]: group for path, group in old.items() if Path(path) in drive_of}
