"""The local mirror of a folder on a store, pulled before work begins and pushed while it goes on and when it ends.

An index beside the mirror tells which local file is which object. An object that has changed since is pulled; a local
file that has changed since is pushed. Where both have, the store's counts, since somebody else has gone on there; but a
result that no store has had yet is never removed for another one. The provenance of an artefact is pushed after all
else of it, so that one that has its provenance on the store is whole, and one that lacks it is not pulled. The records
of artefacts, and what unfinished ones have appended so far, are pushed as Parquet parts, and are JSONL files in the
mirror.
"""

import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from vlm_autodrive.addresses import (
    NoSuchAddressError,
    address_of,
    files_below,
    mirror_of,
    names_in,
    state_of,
    store_errors,
    store_of,
    stores_folder,
)
from vlm_autodrive.artifacts.folders import PROVENANCE, read_provenance, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record, parts

_OF_RECORDS = frozenset(("catalog", "clips", "supervision", "predictions", "judgements"))  # kinds of artefacts
_AT_ONCE = 8  # objects that are read or written side by side
_IN_THE_MAKING = (".partial", ".mode", ".lock")  # endings of files that get another name, or none, when they are whole


class _Synced(Record):
    """One local file as it was when it was pulled or pushed last.

    Attributes:
        size: Its bytes.
        changed_ns: The time of its change.
        inode: Its inode, by which a file that was appended to is told from one that was written anew.
        objects: Of each of its objects on the store, by their names, the ETag.
        lines: Of records in parts, how many lines are in them.
        covered: And how many bytes.
    """

    size: int
    changed_ns: int
    inode: int
    objects: dict[str, str]
    lines: int = 0
    covered: int = 0

    def is_of(self, found: os.stat_result) -> bool:
        """Whether a file is still the same."""
        return (self.size, self.changed_ns, self.inode) == (found.st_size, found.st_mtime_ns, found.st_ino)


class Mirror:
    """The mirror of one folder, or file, on a store, and of the unfinished artefacts beside it.

    Attributes:
        address: The folder's address.
        folder: Its local place.
        bytes_pulled: How much was pulled so far.
        bytes_pushed: How much was pushed so far.
    """

    def __init__(self, address: Path | str) -> None:
        """Know the index; nothing is pulled yet.

        Raises:
            UserError: If ``address`` names a whole bucket.
        """
        self.address = address_of(address).rstrip("/")
        self._root, _, self._name = self.address.rpartition("/")
        if self._root.endswith("/") or not self._name:
            raise UserError(f"{self.address} is a whole bucket; name a folder in it.")
        self.folder = mirror_of(self.address)
        self.bytes_pulled = self.bytes_pushed = 0
        self._lock = threading.Lock()
        self._index = _index_of(self.folder)
        self._synced = _read_index(self._index)

    def pull(self, *, unfinished: bool = True) -> bool:
        """Bring the mirror up to date; whether anything lies at the address.

        Args:
            unfinished: Pull what unfinished artefacts hold so far as well.

        Raises:
            AddressError: If the store cannot be read.
            UserError: If a result here that was never stored is in the way of another one.
        """
        with self._lock:
            stored = self._stored(unfinished)
            try:
                for name in filter(_is_provenance, stored):
                    self._compare_artifact(name, stored)
                not_whole = self._not_whole(stored)
                wanted = []
                for name, objects in stored.items():
                    if name.startswith(not_whole) and not self._is_pulled(name, objects):
                        self._synced[name] = _cut(objects)
                    elif not self._is_pulled(name, objects):
                        wanted.append(name)
                for some in _provenance_last(wanted):
                    self._side_by_side(lambda name: self._pull(name, stored[name]), some)
                for name in [n for n, each in self._synced.items() if each.objects and n not in stored]:
                    if unfinished or not _is_unfinished(name):
                        here, known = self._local(name), self._synced.pop(name)
                        with suppress(FileNotFoundError):
                            if known.is_of(here.stat()) and not name.startswith(not_whole):
                                here.unlink()
            finally:
                self._write_index()
        return any(name == self._name or name.startswith(f"{self._name}/") for name in stored)

    def push(self, check: Callable[[], None] = lambda: None) -> None:
        """Bring the store up to date with the mirror.

        Args:
            check: Called before each write; it raises an error if nothing is to be written any more.

        Raises:
            AddressError: If the store cannot be written.
        """

        def push_one(name: str) -> _Synced | None:
            check()
            return self._push(name, files[name])

        with self._lock:
            files = self._files()
            try:
                changed = [n for n, found in files.items() if not self._is_synced(n, found)]
                gone = [name for name in self._synced if name not in files]
                check()
                # An artefact that is replaced is no whole one until its new provenance is there.
                self._remove([name for name in (*changed, *gone) if _is_provenance(name)])
                for some in _provenance_last(changed):
                    self._side_by_side(push_one, some)
                check()
                self._remove(gone)
            finally:
                self._write_index()

    def _local(self, name: str) -> Path:
        return self.folder.parent / name

    def _object(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _stored(self, unfinished: bool) -> dict[str, dict[str, str]]:
        """The objects on the store and their ETags, by the name of the local file that they make."""
        root = Path(self._root)
        found = files_below(Path(self.address))
        with suppress(NoSuchAddressError):
            for name in names_in(root) if unfinished else ():
                if name.startswith(f".{self._name}.partial-"):
                    found |= files_below(root / name)
        names: dict[str, dict[str, str]] = {}
        for path, state in found.items():
            name = path.relative_to(root).as_posix()
            folder = PurePosixPath(name).parent
            whole = (
                folder.with_suffix(".jsonl").as_posix() if folder.suffix == parts.parts_folder(path).suffix else name
            )
            names.setdefault(whole, {})[name] = state.stamp
        return names

    def _files(self) -> dict[str, os.stat_result]:
        """The local files that belong on the store."""
        parent = self.folder.parent
        found = {}
        for top in (self.folder, *parent.glob(f".{self._name}.partial-*")):
            for path in [top] if top.is_file() else _files_in(top):
                with suppress(FileNotFoundError):
                    found[path.relative_to(parent).as_posix()] = path.stat()
        return found

    def _is_pulled(self, name: str, objects: dict[str, str]) -> bool:
        known = self._synced.get(name)
        return known is not None and known.objects == objects and self._local(name).is_file()

    def _not_whole(self, stored: dict[str, dict[str, str]]) -> tuple[str, ...]:
        """The artefacts whose upload was cut: records in parts, or a new result here, and no provenance there."""
        in_parts = {name for name, objects in stored.items() if name not in objects and not _is_unfinished(name)}
        made = {n for n, found in self._files().items() if _is_provenance(n) and not self._is_synced(n, found)}
        folders = {f"{name.rpartition('/')[0]}/" for name in in_parts | made}
        return tuple(folder for folder in folders if folder + PROVENANCE not in stored)

    def _is_synced(self, name: str, found: os.stat_result) -> bool:
        return name in self._synced and self._synced[name].is_of(found)

    def _compare_artifact(self, name: str, stored: dict[str, dict[str, str]]) -> None:
        """Take an artefact as it is here if the store has the very same; else remove it: the two are never mixed."""
        here = self._local(name)
        if self._is_pulled(name, stored[name]) or not here.is_file():
            return
        with store_errors(self._object(name)):
            content = store_of(self._root).cat_file(self._object(name))
        if content != here.read_bytes():
            if not _was_stored(here) and read_provenance(here.parent).key != json.loads(content)["key"]:
                raise UserError(
                    f"{here.parent} holds a result that was never stored, and {self._object(name)} is of another one; "
                    "wait for the command that writes there, run it again, or remove one of the two."
                )
            shutil.rmtree(here.parent)
            return
        for other, objects in stored.items():
            if other.startswith(name.removesuffix(PROVENANCE)) and self._local(other).is_file():
                self._synced[other] = _synced(self._local(other).stat(), objects)

    def _pull(self, name: str, objects: dict[str, str]) -> _Synced:
        target = self._local(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        lines = 0
        if name in objects:
            with store_errors(self._object(name)):
                store_of(self._root).get_file(self._object(name), str(partial))
        else:
            lines = self._pull_parts(name, sorted(objects), partial)
        partial.replace(target)
        found = target.stat()
        self.bytes_pulled += found.st_size
        return _synced(found, objects, lines, found.st_size)

    def _pull_parts(self, name: str, keys: Sequence[str], target: Path) -> int:
        def packed() -> Iterator[BinaryIO]:
            for key in keys:
                with store_errors(self._object(key)):
                    content = store_of(self._root).cat_file(self._object(key))
                yield io.BytesIO(content)

        with target.open("wb") as stream:
            count, is_all = parts.write_lines(packed(), stream)
        if not is_all and not _is_unfinished(name):
            raise UserError(f"{self._object(name)} lacks parts behind line {count}; make the artefact anew.")
        return count

    def _push(self, name: str, found: os.stat_result) -> _Synced | None:
        here = self._local(name)
        if here.suffix == ".jsonl" and (_is_unfinished(name) or _holds_records(here.parent)):
            return self._push_parts(name, found)
        try:
            with store_errors(self._object(name)):
                store_of(self._root).put_file(str(here), self._object(name))
        except NoSuchAddressError:
            if here.exists():
                raise
            return None  # it had another name a moment ago, or is gone
        self.bytes_pushed += found.st_size
        return _synced(found, {name: state_of(self._object(name)).stamp})

    def _push_parts(self, name: str, found: os.stat_result) -> _Synced | None:
        """Push records as parts; where lines were appended since the last time, those alone."""
        before = self._synced.get(name) or _synced(found, {})
        is_longer = before.inode == found.st_ino and found.st_size >= before.covered and _is_unfinished(name)
        known = before if is_longer else _synced(found, {})
        objects, lines, covered = dict(known.objects), known.lines, known.covered
        try:
            stream = self._local(name).open("rb")
        except FileNotFoundError:
            return None
        with stream:
            stream.seek(covered)
            whole = _whole_lines(stream, found.st_size - covered) if _is_unfinished(name) else stream
            for packed, count, size in parts.packed_parts(whole, lines, is_all=not _is_unfinished(name)):
                key = (parts.parts_folder(PurePosixPath(name)) / parts.part_name(len(objects))).as_posix()
                with store_errors(self._object(key)):
                    store_of(self._root).pipe_file(self._object(key), packed)
                objects[key] = state_of(self._object(key)).stamp
                lines, covered = lines + count, covered + size
                self.bytes_pushed += len(packed)
        self._delete(before.objects.keys() - objects.keys())
        return _synced(found, objects, lines, covered)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            known = self._synced.pop(name, None)
            self._delete(known.objects if known is not None else ())

    def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with suppress(NoSuchAddressError), store_errors(self._object(key)):
                store_of(self._root).rm_file(self._object(key))

    def _side_by_side(self, work: Callable[[str], _Synced | None], names: Sequence[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for name, synced in zip(names, pool.map(work, names), strict=True):
                if synced is not None:
                    self._synced[name] = synced

    def _write_index(self) -> None:
        self._index.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._index, json.dumps({name: each.model_dump() for name, each in self._synced.items()}))


def _index_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.store.json")


def _read_index(index: Path) -> dict[str, _Synced]:
    with suppress(FileNotFoundError, ValueError):
        told = json.loads(index.read_text(encoding="utf-8"))
        return {name: _Synced.model_validate(each) for name, each in told.items()}
    return {}


def _was_stored(here: Path) -> bool:
    """Whether a file is on a store, or was, as it is here: by any mirror that it is in, since they may be nested."""
    for folder in takewhile(lambda folder: folder != stores_folder(), here.parents):
        known = _read_index(_index_of(folder)).get(here.relative_to(folder.parent).as_posix())
        if known is not None and known.is_of(here.stat()):
            return True
    return False


def _synced(found: os.stat_result, objects: dict[str, str], lines: int = 0, covered: int = 0) -> _Synced:
    return _Synced(
        size=found.st_size,
        changed_ns=found.st_mtime_ns,
        inode=found.st_ino,
        objects=objects,
        lines=lines,
        covered=covered,
    )


def _cut(objects: Iterable[str]) -> _Synced:
    """What the next push is to replace or remove: like no file that is here, nor like what is on the store."""
    return _Synced(size=0, changed_ns=0, inode=0, objects=dict.fromkeys(objects, ""))


def _is_provenance(name: str) -> bool:
    return PurePosixPath(name).name == PROVENANCE


def _is_unfinished(name: str) -> bool:
    return any(part.startswith(".") and ".partial-" in part for part in PurePosixPath(name).parts)


def _provenance_last(names: Sequence[str]) -> tuple[list[str], list[str]]:
    return [name for name in names if not _is_provenance(name)], [name for name in names if _is_provenance(name)]


def _holds_records(folder: Path) -> bool:
    return (folder / PROVENANCE).is_file() and read_provenance(folder).kind in _OF_RECORDS


def _files_in(top: Path) -> Iterable[Path]:
    """The files below a folder, without what is hidden, except unfinished artefacts, or has not got its name yet."""
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".") or _is_unfinished(name)]
        for name in names:
            if not name.startswith(".") and not name.endswith(_IN_THE_MAKING):
                yield Path(folder, name)


def _whole_lines(stream: BinaryIO, size: int) -> list[bytes]:
    """The lines of the next ``size`` bytes, without one that is still being written."""
    content = stream.read(size)
    return list(io.BytesIO(content[: content.rfind(b"\n") + 1]))
