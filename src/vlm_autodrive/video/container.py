"""An open video: its first frame, and its frames from any time on, with presentation times.

Headers are not trusted: time 0 is the presentation time of the first frame that decodes (an edit list or a
stream that begins late moves it away from the header's), a frame's time is its own presentation time and not
its number divided by a frame rate, and a seek that lands too late is repeated from further back.
"""

import itertools
import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from vlm_autodrive.video.errors import VideoError, library_errors
from vlm_autodrive.video.geometry import display_size, geometry_notes
from vlm_autodrive.video.non_videos import problem_after_opening, problem_before_opening
from vlm_autodrive.video.streams import choose_stream

MAX_PIXELS = 1 << 26
"""No picture may have more pixels than this (8192 × 8192): a small file can hold gigantic pictures."""

_LARGE_PIXELS = 640 * 480  # threads pay from this size of picture on
_NEAR_S = 2.0  # nearer to the beginning than this, decoding from the beginning is cheaper than a seek
_BACK_S = (0.0, 2.0, 10.0)  # how much further back a seek is tried, if it landed behind its target
_TOLERANCE_S = 1e-6

TimedFrame = tuple[float, av.VideoFrame]


class OpenVideo:
    """A video file opened for decoding; use it as a context manager.

    Attributes:
        path: The file.
        stream: The video stream that is read, as PyAV has it; see :func:`choose_stream`.
        codec: Name of the codec, such as ``h264``.
        first: Its first frame that decodes.
    """

    def __init__(self, path: Path, *, threads: bool | None = False) -> None:
        """Open ``path`` and decode its first frame.

        Args:
            path: The file.
            threads: Decode in several threads: quicker for large pictures and long stretches, slower for
                short ones. None decides by the size of the pictures.

        Raises:
            VideoError: If there is no video to be had from it.
        """
        self.path = path
        self._threads = threads
        try:
            problem = problem_before_opening(path)
        except OSError as error:
            raise VideoError(path, f"cannot be opened ({error.strerror})") from None
        if problem:
            raise VideoError(path, problem)
        self._open()
        try:
            first = next(self._decoding, None)
        except VideoError:
            self.close()
            raise
        if first is None or first.pts is None:
            self.close()
            raise VideoError(path, "no frame of it can be decoded" if first is None else "its frames carry no times")
        self.first: av.VideoFrame = first
        self._origin: int = first.pts
        self._untouched = True

    def _open(self) -> None:
        path = self.path
        try:
            with library_errors(path, "cannot be opened"):
                # The protocol is named, since a colon in a file's name would else end the name of one. Titles are of
                # any encoding, and nothing reads them.
                self._container = av.open(f"file:{path}", metadata_errors="replace")
        except VideoError as error:
            if isinstance(error.__cause__, av.error.InvalidDataError):
                raise VideoError(path, problem_after_opening(path)) from None
            raise
        try:
            with library_errors(path, "cannot be opened"):
                problem = self._set_up()
            if problem:
                raise VideoError(path, problem)
        except VideoError:
            self._container.close()
            raise

    def _set_up(self) -> str:
        """Choose the stream and prepare its decoder; why that cannot be, or nothing."""
        kind = self._container.format.name
        if kind == "image2" or kind.endswith("_pipe"):  # FFmpeg's names of its readers of single pictures
            return f"a picture ({kind.removesuffix('_pipe')}), not a video; leave it out"
        chosen = choose_stream(self._container)
        if chosen is None:
            return "no video stream in it"
        self.stream, self._left_aside = chosen.stream, chosen.left_aside
        if self.stream.codec_context is None:
            return "no decoder for its kind of video"
        if self.stream.width * self.stream.height > MAX_PIXELS:
            return f"its pictures are too large ({self.stream.width} x {self.stream.height} pixels)"
        self._time_base = self.stream.time_base or Fraction(1, 1)
        self.codec = self.stream.codec_context.name
        large = self.stream.width * self.stream.height >= _LARGE_PIXELS
        self.stream.thread_type = "AUTO" if (large if self._threads is None else self._threads) else "NONE"
        self._decoding = self._decode()
        return ""

    def _demux(self) -> Iterator["av.Packet[av.VideoStream]"]:
        with library_errors(self.path):
            try:
                yield from self._container.demux(self.stream)
            except IndexError:
                # At the end PyAV gives one more packet for each stream, and does not know a stream that appeared on
                # the way. Ours, which was there before, has had its own by then.
                return

    def _decode(self) -> Iterator[av.VideoFrame]:
        with library_errors(self.path), suppress(av.error.EOFError):
            for packet in self._demux():
                yield from packet.decode()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> "OpenVideo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def display_size(self) -> tuple[int, int]:
        """Height and width of the pictures as players show them: upright, with square pixels."""
        return display_size(self.stream, self.first)

    @property
    def notes(self) -> dict[str, str]:
        """What is unusual in it, by kind: how its pictures are turned and stretched, and which streams are not read."""
        aside = {"other streams": self._left_aside} if self._left_aside else {}
        return aside | geometry_notes(self.stream, self.first)

    def time_of(self, pts: int) -> float:
        """Seconds from the first frame to the presentation time ``pts``."""
        return self.seconds(pts - self._origin)

    def seconds(self, ticks: int) -> float:
        """Ticks of the stream's clock in seconds."""
        return ticks * self._time_base.numerator / self._time_base.denominator

    def packets(self) -> Iterator["av.Packet[av.VideoStream]"]:
        """The stream's undecoded packets, from the beginning, as far as the file can be read."""
        self._reopen()
        with suppress(VideoError):
            yield from self._demux()

    def packets_from(self, start_s: float) -> Iterator["av.Packet[av.VideoStream]"]:
        """The stream's undecoded packets from a key frame on, at or before ``start_s`` if the file is sound.

        Raises:
            VideoError: If the file cannot be read there.
        """
        self._untouched = False
        with library_errors(self.path):
            self._container.seek(self._origin + math.floor(start_s / float(self._time_base)), stream=self.stream)
        yield from self._demux()

    def decode_from(self, start_s: float, stamps: set[int], *, skip_unreferred: bool) -> Iterator[av.VideoFrame]:
        """Frames from the key frame at or before ``start_s`` on, at least those of ``stamps`` and no further.

        Args:
            start_s: Seconds after the first frame.
            stamps: Presentation times, in ticks, of the frames that are needed.
            skip_unreferred: Do not decode other frames if no frame refers to them.

        Raises:
            VideoError: While iterating, where the file is damaged.
        """
        context = self.stream.codec_context
        left = len(stamps)
        try:
            with library_errors(self.path), suppress(av.error.EOFError):
                for packet in self.packets_from(start_s):
                    needed = packet.pts in stamps
                    # Set for each packet: the decoder drops it only if no other picture is predicted from it.
                    if skip_unreferred:
                        context.skip_frame = "DEFAULT" if needed else "NONREF"
                    yield from packet.decode()
                    left -= needed
                    if not left:
                        break
                yield from context.decode(None)  # the decoder holds back pictures to reorder them; take the last ones
        finally:
            context.skip_frame = "DEFAULT"

    def decoded(self) -> Iterator[av.VideoFrame]:
        """All frames from the first on as the decoder gives them, whatever their times.

        Raises:
            VideoError: While iterating, where the file is damaged.
        """
        yield from self._from(0.0)

    def frames(self, start_s: float) -> Iterator[TimedFrame]:
        """Frames with rising times, from some frame at or before ``start_s`` on, and without a gap.

        Frames that carry no time, or one that does not rise, are left out: they cannot be placed.

        Raises:
            VideoError: While iterating, where the file is damaged.
        """
        last_s = -math.inf
        for frame in self._from(start_s):
            if frame.pts is None:
                continue
            time_s = self.time_of(frame.pts)
            if time_s > last_s:
                yield time_s, frame
                last_s = time_s

    def _from(self, start_s: float) -> Iterator[av.VideoFrame]:
        # A seek goes to the key frame at or before its target by the file's index. An index can be wrong or be kept
        # in decoding times, and the first frames after an open GOP's key frame cannot be decoded: then the first
        # sound frame lies behind the target, and the seek is tried from further back.
        for back_s in _BACK_S:
            target_s = start_s - back_s
            if target_s < _NEAR_S:
                break
            found = self._seek(target_s)
            if found is not None and self.time_of(found.pts or 0) <= start_s + _TOLERANCE_S:
                return itertools.chain([found], self._decoding)
        if not self._untouched:
            self._reopen()
            return self._decoding
        self._untouched = False
        return itertools.chain([self.first], self._decoding)

    def _seek(self, time_s: float) -> av.VideoFrame | None:
        """The first sound frame after a seek to the key frame before ``time_s``; None if that fails."""
        self._untouched = False
        offset = self._origin + math.floor(time_s / float(self._time_base))
        try:
            with library_errors(self.path):
                self._container.seek(offset, stream=self.stream)
            self._decoding = self._decode()
            return next((f for f in self._decoding if f.pts is not None and not f.is_corrupt), None)
        except VideoError:
            return None

    def _reopen(self) -> None:
        self._untouched = False
        self._container.close()
        self._open()
