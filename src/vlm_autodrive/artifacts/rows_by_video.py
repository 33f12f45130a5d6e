"""The records of a file by their videos, read when they are asked for, since all of them may be too many to hold."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import numpy as np
from pydantic import ConfigDict

from vlm_autodrive.records import (
    Event,
    Record,
    Scenario,
    TelemetrySeries,
    open_jsonl,
    parse_jsonl_line,
)

R = TypeVar("R", Event, Scenario, TelemetrySeries)


class _Owner(Record):
    """What the index needs of a row: whose it is."""

    model_config = ConfigDict(extra="ignore")
    video_id: str


class RowsByVideo(Generic[R]):
    """The records of a file, in any order, by video id; the index takes 24 bytes a row.

    Asking in the order of the file reads it from one end to the other.
    """

    def __init__(self, path: Path, model: type[R], stream: BinaryIO) -> None:
        """Index a file that stays open as long as it is asked."""
        self._path, self._stream = path, stream
        self._model: type[R] = model
        self._offsets = array("q")
        hashes = array("q")
        offset = 0
        for number, line in enumerate(stream, start=1):
            hashes.append(hash(parse_jsonl_line(line, _Owner, path, number).video_id))
            self._offsets.append(offset)
            offset += len(line)
        order = np.argsort(hashes, kind="stable")
        self._order = array("q", order.astype(np.int64).tobytes())
        self._hashes = array("q", np.asarray(hashes)[order].tobytes())

    def __len__(self) -> int:
        return len(self._offsets)

    def of(self, video_id: str) -> list[R]:
        """The records of a video in the order of the file.

        Raises:
            UserError: If one of them is no valid record.
        """
        found = []
        wanted = hash(video_id)
        place = bisect_left(self._hashes, wanted)
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row = self._order[place]
            self._stream.seek(self._offsets[row])
            record = parse_jsonl_line(self._stream.readline(), self._model, self._path, row + 1)
            if record.video_id == video_id:  # and not of another one with the same hash
                found.append(record)
            place += 1
        return found


@contextmanager
def reading_rows_by_video(path: Path, model: type[R]) -> Iterator[RowsByVideo[R]]:
    """Open a file of records, to ask for those of one video after another.

    Raises:
        UserError: If the file is missing, or a line of it is no record.
    """
    with open_jsonl(path) as stream:
        yield RowsByVideo(path, model, stream)
