"""A video on a store, read by ranges: what the demuxer asks for, and no more than a block around it."""

import itertools
import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.addresses import address_of, open_address, read_ranges
from vlm_autodrive.video.errors import StoreError, VideoError


class StoredFile:
    """A file object for PyAV; it has no ``close``, since nothing stays open between two reads.

    Attributes:
        name: The address, by whose ending FFmpeg tells some formats.
        size: Bytes in all.
        failure: Why it could not be read on. From then on it seems to end, so that whoever comes to its end must look.
    """

    def __init__(self, path: Path, *, ahead: bool = False) -> None:
        """Open ``path``.

        Args:
            path: Its address.
            ahead: Fetch the next block while one is worked on, for whoever reads on and on.

        Raises:
            VideoError: If it is not there, or its store refuses.
        """
        self.name = address_of(path)
        self.failure: StoreError | None = None
        self._path = path
        self._kept: list[tuple[int, bytes]] | None = None
        try:
            self._file = open_address(path, ahead=ahead)
            self.size = self._file.seek(0, os.SEEK_END)
            self._file.seek(0)
        except OSError as error:
            raise VideoError(path, _reason(error)) from error

    def read(self, count: int = -1) -> bytes:
        """Bytes from where it stands; fewer at its end alone.

        Raises:
            StoreError: The first time that it cannot be read.
        """
        if self.failure is not None:
            return b""
        try:
            return self._file.read(count) if self._kept is None else self._read_kept(self._kept, count)
        except Exception as error:  # of the connection, of the store's libraries, or of the caches between
            raise self._failed(error) from error

    def keep_only(self, ranges: Sequence[tuple[int, int]]) -> None:
        """From now on read nothing but these ranges, given by start and end, in order; all else is zeros.

        It stands for reading packets of whose pictures no more than the beginnings are looked at.

        Raises:
            StoreError: If they cannot be read.
        """
        ranges = [(start, min(end, self.size)) for start, end in ranges if start < self.size]  # it may be cut off
        try:
            contents = read_ranges(self._path, ranges) if ranges else []
        except OSError as error:
            raise self._failed(error) from error
        self._kept = [(start, content) for (start, _), content in zip(ranges, contents, strict=True)]

    def _read_kept(self, kept: Sequence[tuple[int, bytes]], count: int) -> bytes:
        here = self._file.tell()
        found = bytearray(max(0, min(here + count, self.size) - here))
        self._file.seek(here + len(found))
        first = max(0, bisect_right(kept, here, key=lambda each: each[0]) - 1)
        for start, content in itertools.islice(kept, first, None):
            if start >= here + len(found):
                break
            part = content[max(0, here - start) : here + len(found) - start]
            found[max(0, start - here) : max(0, start - here) + len(part)] = part
        return bytes(found)

    def _failed(self, error: Exception) -> StoreError:
        self.failure = StoreError(self._path, f"its store could not be read on ({_reason(error)})")
        return self.failure

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as for any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place where it stands."""
        return self._file.tell()

    def head(self, count: int) -> bytes:
        """Its first bytes; it then stands at its beginning."""
        self.seek(0)
        content = self.read(count)
        self.seek(0)
        return content


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    first = text.splitlines()[0]
    return first[:1].lower() + first[1:]
