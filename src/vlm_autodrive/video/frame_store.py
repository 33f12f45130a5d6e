"""Frame files in one folder: memory-mapped, written atomically, with a limit on their total size.

Any number of processes may read, write and tidy up at once. A file is written under another name and
gets its own when it is whole and on the disk; a writer holds a lock on its unfinished file, so that
what a killed writer left is known by its lock being free, and is removed. Whoever reads a file touches
it, and the file longest untouched is the first to go.
"""

import fcntl
import hashlib
import os
import time
from pathlib import Path
from uuid import uuid4

import numpy as np

from vlm_autodrive.addresses import address_of, is_address, state_of
from vlm_autodrive.video.frames import Frames

SUFFIX = ".frames"
PARTIAL_SUFFIX = ".partial"
_CONTENTS = "contents"
_PIECES = 64  # a process tidies up after having written this part of the limit
_PAGE = 4096
_YOUNG_S = 60.0  # an unfinished file as young as this may belong to a writer that has not locked it yet


class FrameStore:
    """A folder of frame files."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Keep files in ``folder``, which is made if it does not exist, and at most ``limit_bytes`` of them."""
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._stored: dict[Path, str] = {}
        self._untidied = limit_bytes  # so that the first write tidies up
        (folder / _CONTENTS).mkdir(parents=True, exist_ok=True)

    def has(self, key: str) -> bool:
        """Whether there are frames for a key."""
        return self._file(key).is_file()

    def load(self, key: str) -> Frames | None:
        """The frames of a key, their pixels mapped from the file; None if there are none, or none that are whole."""
        file = self._file(key)
        try:
            with file.open("rb") as stream:
                times_s = np.load(stream, allow_pickle=False)
                shape = np.load(stream, allow_pickle=False)
            # A private map: nothing that a user does to the pixels reaches the file.
            pixels = np.memmap(file, np.uint8, "c", offset=_PAGE * int(shape[4]), shape=tuple(shape[:4].tolist()))
            os.utime(file)
        except (FileNotFoundError, ValueError, EOFError, IndexError):
            return None
        return Frames(pixels, tuple(times_s.tolist()))

    def save(self, key: str, frames: Frames) -> None:
        """Keep frames, and remove the files longest unused if there is no room."""
        times_s = np.asarray(frames.times_s, np.float64)
        head_bytes = 2 * 128 + times_s.nbytes + 5 * 8
        pages = -(-head_bytes // _PAGE)
        with (self.folder / f"{key}.{uuid4().hex}{PARTIAL_SUFFIX}").open("xb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            try:
                np.save(stream, times_s, allow_pickle=False)
                np.save(stream, np.array([*frames.pixels.shape, pages], np.int64), allow_pickle=False)
                stream.seek(pages * _PAGE)
                stream.write(np.ascontiguousarray(frames.pixels).data)
                stream.flush()
                os.fsync(stream.fileno())
                Path(stream.name).replace(self._file(key))
            except BaseException:
                Path(stream.name).unlink(missing_ok=True)
                raise
        self._untidied += frames.pixels.nbytes
        if self._untidied >= self.limit_bytes // _PIECES:
            self.tidy()

    def tidy(self) -> None:
        """Remove what killed writers left, and the files longest unused until the rest is within the limit."""
        self._untidied = 0
        with (self.folder / ".tidying").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process is at it
            kept: list[tuple[int, int, Path]] = []
            for file in [*self.folder.iterdir(), *(self.folder / _CONTENTS).iterdir()]:
                try:
                    if file.suffix == PARTIAL_SUFFIX:
                        _remove_if_abandoned(file)
                    elif file.suffix == SUFFIX:
                        stat = file.stat()
                        kept.append((stat.st_mtime_ns, stat.st_size, file))
                except FileNotFoundError:
                    continue
            total = sum(size for _, size, _ in kept)
            for _, size, file in sorted(kept):
                if total <= self.limit_bytes:
                    break
                file.unlink(missing_ok=True)
                total -= size

    def room(self) -> int:
        """Bytes by which the folder may still grow."""
        return max(0, self.limit_bytes - sum(file.stat().st_size for file in self.folder.glob(f"*{SUFFIX}")))

    def content_hash(self, path: Path) -> str:
        """The hash of a file's whole content, read once and then known by name, size and time of change.

        Of a file on a store, which is not read as a whole, name, size and ETag stand for the content.

        Raises:
            OSError: If the file cannot be read.
        """
        if is_address(path):
            if path not in self._stored:  # asked once: a training would ask in every epoch
                state = state_of(path)
                identity = f"{address_of(path)}|{state.size}|{state.stamp}"
                self._stored[path] = hashlib.sha256(identity.encode()).hexdigest()
            return self._stored[path]
        stat = path.stat()
        identity = f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
        known = self.folder / _CONTENTS / hashlib.sha256(os.fsencode(identity)).hexdigest()[:32]
        try:
            digest = known.read_text(encoding="ascii")
        except FileNotFoundError:
            digest = ""
        if len(digest) != hashlib.sha256().digest_size * 2:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            written = known.with_suffix(f".{uuid4().hex}{PARTIAL_SUFFIX}")
            written.write_text(digest, encoding="ascii")
            written.replace(known)
        return digest

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"


def _remove_if_abandoned(file: Path) -> None:
    if time.time() - file.stat().st_mtime < _YOUNG_S:
        return
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its writer lives
        file.unlink(missing_ok=True)
