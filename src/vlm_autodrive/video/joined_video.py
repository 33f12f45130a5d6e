"""The files of a trip read as one video: frames with trip times, across the cuts."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from vlm_autodrive.records import TripFile
from vlm_autodrive.video.container import OpenVideo, TimedFrame
from vlm_autodrive.video.errors import VideoError
from vlm_autodrive.video.frame_sampler import TOLERANCE_S
from vlm_autodrive.video.frames import Window

Footage = Path | Sequence[TripFile]
"""What is read: one video file, or the files of a trip in order of time. Times are then trip times."""

_SHORT_S = 0.25  # a file that ends earlier than the next one begins has lost frames; last frames have rough lengths


class JoinedVideo:
    """One file, or several that follow each other; use it as a context manager. One file is open at a time.

    Attributes:
        path: The file that is being read, or was read last.
    """

    def __init__(self, footage: Footage, *, stream: int | None, threads: bool) -> None:
        """Read ``footage``; nothing is opened yet. See :class:`OpenVideo` for ``stream`` and ``threads``."""
        self._files: list[tuple[Path, float]]
        if isinstance(footage, Path):
            self._files = [(footage, 0.0)]
        else:
            self._files = [(Path(file.path), file.start_s) for file in footage]
        self._stream, self._threads = stream, threads
        self._video: OpenVideo | None = None
        self._place = -1
        self.path, self._end_s = self._files[0][0], math.inf

    def __enter__(self) -> "JoinedVideo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._video is not None:
            self._video.close()
        self._video = None

    @property
    def undecodable_s(self) -> set[float]:
        """Trip times of packets of the present file that could not be decoded so far."""
        start_s = self._files[self._place][1]
        return {start_s + time_s for time_s in self._video.undecodable_s} if self._video is not None else set()

    def begins_later(self, window: Window) -> bool:
        """Whether a window begins in a file after the one that is being read."""
        return window[0] >= self._end_s - TOLERANCE_S

    def frames(self, start_s: float) -> Iterator[TimedFrame]:
        """Frames with rising times, from some frame at or before ``start_s`` on, to the end of the last file.

        Raises:
            VideoError: While iterating, where the present file cannot be read on, or not to its end.
        """
        place = max((n for n, (_, begin_s) in enumerate(self._files) if begin_s <= start_s), default=0)
        last_s = -math.inf
        for number in range(place, len(self._files)):
            begin_s = self._files[number][1]
            apart_s = 0.0
            for time_s, frame in self._opened(number).frames(max(0.0, start_s - begin_s)):
                if begin_s + time_s > last_s:
                    apart_s = begin_s + time_s - last_s
                    last_s = begin_s + time_s
                    yield last_s, frame
            end_s = last_s + (apart_s if math.isfinite(apart_s) else 0.0)
            if end_s < self._end_s - _SHORT_S < math.inf:
                raise VideoError(self.path, "its last pictures cannot be decoded")

    def _opened(self, number: int) -> OpenVideo:
        if self._video is None or number != self._place:
            self._close()
            self._place, self.path = number, self._files[number][0]
            self._end_s = self._files[number + 1][1] if number + 1 < len(self._files) else math.inf
            self._video = OpenVideo(self.path, stream=self._stream, threads=self._threads, ahead=True)
        return self._video


def by_file(footage: Footage, times_s: Sequence[float]) -> list[tuple[Path, list[int], list[float]]]:
    """Of each file, the places in ``times_s`` of the moments that it shows, and those moments in its own time."""
    if isinstance(footage, Path):
        return [(footage, list(range(len(times_s))), list(times_s))]
    found: dict[int, list[int]] = {}
    for place, time_s in enumerate(times_s):
        found.setdefault(max((n for n, f in enumerate(footage) if f.start_s <= time_s), default=0), []).append(place)
    return [
        (Path(footage[number].path), places, [times_s[place] - footage[number].start_s for place in places])
        for number, places in sorted(found.items())
    ]
