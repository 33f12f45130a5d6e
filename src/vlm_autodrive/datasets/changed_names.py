"""Names in tables that a program changed on the way, and the files or ids that they mean.

What a change has left unmistakable is taken, and told. Of a manifest's paths, that is another Unicode form alone: an id
that a spreadsheet changed is rejected there with the file that it fits, since whoever wrote the path can write it anew.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vlm_autodrive.addresses import is_address
from vlm_autodrive.artifacts import VIDEO_SUFFIXES
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.tables import KnownNames, NameMatch, Row

_NUMERIC = re.compile(r"[\d.,eE+]+")


@dataclass
class ChangedIds:
    """Ids in the cells of a table, matched with those that there are.

    Attributes:
        known: The ids that there are.
        repeated: Cells that several rows have; if a spreadsheet has rounded them, they may have been several ids.
        builder: Gets an issue for each id that was changed.
    """

    known: KnownNames
    repeated: frozenset[str]
    builder: DatasetBuilder

    def mended(self, row: Row, column: str, name: str) -> str | None:
        """The known id that ``name`` means; ``name`` itself if it is unknown; None if the row had to be rejected."""
        match = self.known.find(name)
        if not match.damage:
            return name
        if match.one is None or (match.lossy and row.text(column) in self.repeated):
            several = "several rows have it" if match.one is not None else _fits(match, "videos")
            self.builder.reject(row, column, f"{match.damage}; {several}, keep ids as text")
            return None
        self.builder.warn(row, column, f"{match.damage}; taken for {match.one}, the only video that it fits")
        return match.one


def changed_ids(known: Iterable[str], cells: Iterable[str], builder: DatasetBuilder) -> ChangedIds:
    """The ids that there are, and those of a table's cells that several rows have."""
    repeated = frozenset(cell for cell, count in Counter(cells).items() if count > 1)
    return ChangedIds(KnownNames(known), repeated, builder)


@dataclass
class ChangedPaths:
    """Paths in a manifest, matched with the files below its folder.

    Attributes:
        top: The manifest's folder, an absolute path without dots.
        builder: Gets an issue for each path that was changed.
    """

    top: str
    builder: DatasetBuilder
    _names: dict[str, KnownNames] = field(default_factory=dict)
    _videos: dict[str, tuple[KnownNames, dict[str, str]]] = field(default_factory=dict)

    def mended(self, row: Row, column: str, path: str) -> str | None:
        """The file that a path below ``top`` means; the path itself if that is missing; None if the row is rejected."""
        if is_address(path):  # keys on a store are bytes, which no file system has changed
            return path
        below = path[len(self.top) :].strip("/")
        folder, _, name = path.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        stem = stem if f"{dot}{ending.casefold()}" in VIDEO_SUFFIXES else name
        if (below.isascii() and not _NUMERIC.fullmatch(stem)) or os.path.lexists(path):
            return path
        found = path if below.isascii() else self._in_its_form(below)
        if found != path and os.path.lexists(found):
            message = "written in another Unicode form than the file's name; the file is taken, as no other fits"
            self.builder.warn(row, column, message)
            return found
        stems, files = self._videos_of(folder)
        match = stems.find(stem) if stem.isascii() else NameMatch()
        if not match.damage:
            return path
        fits = f"write {files[match.one]}, the only file that it fits" if match.one else _fits(match, "files")
        self.builder.reject(row, column, f"{match.damage}; {fits}, and keep ids as text")
        return None

    def _in_its_form(self, below: str) -> str:
        """A path below ``top`` as the names of the folders and the file on it are written."""
        found = self.top.rstrip("/")
        for part in below.split("/"):
            if not part.isascii() and found not in self._names:
                self._names[found] = KnownNames(_listed(found))
            found += f"/{part if part.isascii() else self._names[found].find(part).one or part}"
        return found

    def _videos_of(self, folder: str) -> tuple[KnownNames, dict[str, str]]:
        """The names of a folder's video files without their endings, and the file of each."""
        if folder not in self._videos:
            videos = (Path(name) for name in _listed(folder) if Path(name).suffix.casefold() in VIDEO_SUFFIXES)
            files = {video.stem: video.name for video in videos}
            self._videos[folder] = (KnownNames(files), files)
        return self._videos[folder]


def _listed(folder: str) -> list[str]:
    return sorted(file.name for file in Path(folder).iterdir()) if Path(folder).is_dir() else []


def _fits(match: NameMatch, what: str) -> str:
    if not match.names:
        return f"none of the {what} fits it"
    return f"{len(match.names)} {what} fit it, such as {match.names[0]} and {match.names[1]}"
