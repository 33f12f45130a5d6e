"""Near-duplicate frames: a difference hash of each frame, and the pairs of clips with equal hashes.

The hash is the sign of the brightness step from each pixel to its right neighbour in a picture of
17 x 16 pixels: 256 bits, which another encoding, size or brightness of the same picture hardly changes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.records import Record
from vlm_autodrive.video import SamplingSettings, VideoError, Window, read_windows

MAX_BITS = 16
"""Two frames that differ in no more of the 256 bits than this look the same."""

_SAMPLING = SamplingSettings(fps=8.0, max_frames=256, height=16, width=17)
_SPARSE = 8  # of one side every eighth frame is enough, since the other side has one within 1/16 s of it
_FLAT = 3.0  # standard deviation of brightness below which a frame shows nothing to know it by
_BLOCK = 8192
_SMALL_BLOCK = 1024

Hashes = NDArray[np.bool_]


class LookAlike(Record):
    """Two clips or videos, of different splits or drives, with frames that look the same.

    Attributes:
        first: Id of the one.
        second: Id of the other.
        first_split: Where the one belongs; empty where no split is known.
        second_split: Likewise.
        frames: How many frames of the one, of about one a second, look like some frame of the other.
        bits: The fewest bits in which two of their frames differ, of 256.
    """

    first: str
    second: str
    first_split: str
    second_split: str
    frames: int
    bits: int


def window_hashes(
    path: Path, windows: Sequence[Window], stream: int | None = None
) -> Iterator[tuple[Window, Hashes | VideoError]]:
    """The hashes of the frames of windows, eight a second and at most 256 of each.

    Frames without contrast, such as black ones, are left out: they look like each other and mean nothing.

    Args:
        path: The video.
        windows: Start and end of each, in seconds after the first frame.
        stream: As for the video package's readers.

    Yields:
        Each window with its hashes, shape [frames, 256], or with the reason why it cannot be read.
    """
    for window, frames in read_windows(path, windows, _SAMPLING, stream=stream, threads=False):
        yield window, frames if isinstance(frames, VideoError) else hash_frames(frames.pixels)


def hash_frames(pixels: NDArray[np.uint8]) -> Hashes:
    """The hashes of small pictures, shape [frames, 16, 17, 3]; of those with contrast."""
    brightness = pixels.astype(np.float32).mean(axis=3)
    brightness = brightness[brightness.std(axis=(1, 2)) >= _FLAT]
    rising: Hashes = brightness[:, :, 1:] > brightness[:, :, :-1]
    return rising.reshape(len(brightness), -1)


def look_alikes(hashes: Mapping[str, Hashes], parts: Mapping[str, str], splits: Mapping[str, str]) -> list[LookAlike]:
    """The pairs of clips, of different parts, that share frames.

    Args:
        hashes: The hashes of each clip.
        parts: What each clip belongs to; clips of one part are not compared.
        splits: The split of each, for the record.

    Returns:
        The pairs, those that share the most frames first.
    """
    rows = _Rows(hashes, parts)
    found: dict[tuple[str, str], dict[int, int]] = {}
    for row, other, bits in rows.near():
        nearest = found.setdefault((rows.names[row], rows.names[other]), {})
        nearest[row] = min(bits, nearest.get(row, bits))
    pairs: dict[tuple[str, str], LookAlike] = {}
    for names, nearest in found.items():
        first, second = sorted(names)
        pair = LookAlike(
            first=first,
            second=second,
            first_split=splits[first],
            second_split=splits[second],
            frames=len(nearest),
            bits=min(nearest.values()),
        )
        known = pairs.get((first, second))  # two small parts are looked through from both sides
        if known is None or known.frames < pair.frames:
            pairs[first, second] = pair
    return sorted(pairs.values(), key=lambda pair: (-pair.frames, pair.bits, pair.first, pair.second))


class _Rows:
    """The hashes of all clips below each other, and whose each is."""

    def __init__(self, hashes: Mapping[str, Hashes], parts: Mapping[str, str]) -> None:
        self.names = [name for name, bits in hashes.items() for _ in range(len(bits))]
        self._bits = np.concatenate([np.zeros((0, 256), dtype=bool), *hashes.values()])
        numbers = {part: number for number, part in enumerate(dict.fromkeys(parts.values()))}
        self._parts = np.array([numbers[parts[name]] for name in self.names], dtype=np.intp)
        every_eighth = [np.arange(len(bits)) % _SPARSE == 0 for bits in hashes.values()]
        self._sparse = np.concatenate([np.zeros(0, dtype=bool), *every_eighth])

    def near(self) -> Iterator[tuple[int, int, int]]:
        """The pairs of rows, of different parts, that look the same, with the bits in which they differ."""
        if not len(self._parts):
            return
        largest = np.bincount(self._parts).argmax()  # whatever looks like it is found from the other side
        looked_for = np.flatnonzero(self._sparse & (self._parts != largest))
        # With bits as +1 and -1 an inner product is 256 minus twice the number of bits that differ, so one matrix
        # product compares thousands of pairs.
        least = 256 - 2 * MAX_BITS
        for begin in range(0, len(self.names), _BLOCK):
            among = _signs(self._bits[begin : begin + _BLOCK])
            for small in np.array_split(looked_for, math.ceil(len(looked_for) / _SMALL_BLOCK) or 1):
                agreement = _signs(self._bits[small]) @ among.T
                agreement[self._parts[small][:, None] == self._parts[None, begin : begin + _BLOCK]] = 0
                for row, column in zip(*np.nonzero(agreement >= least), strict=True):
                    yield int(small[row]), begin + int(column), round((256 - float(agreement[row, column])) / 2)


def _signs(bits: Hashes) -> NDArray[np.float32]:
    """Bits as plus and minus one, so that a product of two hashes tells in how many they agree."""
    return np.where(bits, np.float32(1), np.float32(-1))
