"""An open video: its first frame, and its frames from any time on, with presentation times.

Headers are not trusted: time 0 is the presentation time of the first frame that decodes (an edit list or a
stream that begins late moves it away from the header's), a frame's time is its own presentation time and not
its number divided by a frame rate, and a seek that lands too late, or where pictures are not whole, is repeated from
further back. Where the clock of the file jumps, footage time goes on: see :mod:`vlm_autodrive.video.sections`.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.codec.context import Flags

from vlm_autodrive.video.demuxing import Packet, demux, open_container, open_source, packet_clock, syntax_of
from vlm_autodrive.video.errors import StoreError, VideoError, library_errors
from vlm_autodrive.video.geometry import display_size, geometry_notes
from vlm_autodrive.video.h264 import FieldPairs
from vlm_autodrive.video.non_videos import problem_before_opening
from vlm_autodrive.video.picture_decoder import HOLDS_BACK, PlacedFrame, decode_packets
from vlm_autodrive.video.sections import PacketClock, Section, Timeline, find_timeline, gap_words, is_continuous
from vlm_autodrive.video.streams import choose_stream

MAX_PIXELS = 1 << 26
"""No picture may have more pixels than this (8192 × 8192): a small file can hold gigantic pictures."""

_LARGE_PIXELS = 640 * 480  # threads pay from this size of picture on
_NEAR_S = 2.0  # nearer to the beginning than this, decoding from the beginning is cheaper than a seek
_BACK_S = (0.0, 2.0, 10.0)  # how much further back a seek is tried, if it landed behind its target
_TOLERANCE_S = 1e-6

_NO_YEAR = 1970  # in which the clocks of containers begin, and 1904

_WITHOUT_LENGTH = frozenset(("mpegts", "mpeg"))  # containers

TimedFrame = tuple[float, av.VideoFrame]


class OpenVideo:
    """A video file opened for decoding; use it as a context manager.

    Attributes:
        path: The file.
        stream: The video stream that is read, as PyAV has it; see :func:`choose_stream`.
        codec: Name of the codec, such as ``h264``.
        first: Its first frame that decodes.
        undecodable_s: Times of packets that could not be decoded so far.
    """

    def __init__(
        self,
        path: Path,
        *,
        stream: int | None = None,
        threads: bool | None = False,
        ahead: bool = False,
        tell: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Open ``path`` and decode its first frame.

        Args:
            path: The file.
            stream: The place among its video streams of the one to read, as for :func:`choose_stream`.
            threads: Decode in several threads: quicker for large pictures and long stretches, slower for
                short ones. None decides by the size of the pictures.
            ahead: Where it lies on a store, fetch what comes next while pictures are decoded.
            tell: Called now and then with the seconds that are read, where all packets must be read to know its clock.

        Raises:
            VideoError: If there is no video to be had from it.
        """
        self.path = path
        self._stream_number = stream
        self._threads = threads
        self._source = open_source(path, ahead=ahead)
        try:
            problem = problem_before_opening(path, self._source)
        except OSError as error:
            raise VideoError(path, f"cannot be opened ({error.strerror})") from None
        if problem:
            raise VideoError(path, problem)
        self._timeline = Timeline()
        self._is_damaged = False
        self._origin = 0
        self.undecodable_s: set[float] = set()
        self._decoding: Iterator[PlacedFrame] = iter(())
        self._open()
        try:
            _, first = next(self._decoding, (0, None))
            if first is None or first.pts is None:
                raise VideoError(path, "its frames carry no times" if first else "no frame of it can be decoded")
            self.first: av.VideoFrame = first
            self._origin = first.pts
            self.undecodable_s.clear()
            self._timeline = self._find_timeline(tell)
        except VideoError:
            self.close()
            raise
        self._untouched = len(self.sections) <= 1

    def _open(self) -> None:
        self._container = open_container(self.path, self._source)
        try:
            with library_errors(self.path, "cannot be opened"):
                problem = self._set_up()
            if problem:
                raise VideoError(self.path, problem)
        except VideoError:
            self._container.close()
            raise

    def _set_up(self) -> str:
        """Choose the stream and prepare its decoder; why that cannot be, or nothing."""
        kind = self._container.format.name
        if kind == "image2" or kind.endswith("_pipe"):  # FFmpeg's names of its readers of single pictures
            return f"a picture ({kind.removesuffix('_pipe')}), not a video; leave it out"
        chosen = choose_stream(self._container, self._stream_number)
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
        if self.codec in HOLDS_BACK:
            self.stream.codec_context.flags |= Flags.output_corrupt
        self._syntax = syntax_of(self.stream)
        self._decoding = self._decode(enumerate(self._demux()))
        return ""

    def _find_timeline(self, tell: Callable[[float], None]) -> Timeline:
        entries = [entry.timestamp for entry in self.stream.index_entries]
        if entries and len(entries) == self.stream.frames and is_continuous(entries, self.seconds(1)):
            return Timeline()
        packets = self.packet_clock(tell)
        self._is_damaged = any(packets.corrupt)
        return find_timeline(packets, self.seconds(1), self._origin)

    def packet_clock(self, tell: Callable[[float], None] = lambda _: None) -> PacketClock:
        """The clock of all packets of the stream that is read; see :func:`~.demuxing.packet_clock`."""
        return packet_clock(self.path, tell, stream=self._stream_number)

    def _demux(self) -> Iterator[Packet]:
        return demux(self.path, self._container, self.stream, self._source)

    def _decode(self, packets: Iterator[tuple[int, Packet]]) -> Iterator[PlacedFrame]:
        """The frames of numbered packets. One that cannot be decoded is passed over: it is one picture of many."""
        has_runs = bool(self._timeline.runs)
        return decode_packets(self.path, self.stream, packets, self._run_of, self._lose, has_runs=has_runs)

    def _run_of(self, number: int) -> int:
        return self._timeline.run_of(number)

    def _lose(self, run: int, stamp: int | None) -> None:
        time_s = self._place(run, stamp)
        if time_s is not None:
            self.undecodable_s.add(time_s)

    def _place(self, run: int, stamp: int | None) -> float | None:
        """Footage time of a presentation time; None if there is none, or one that must be wrong."""
        if stamp is None:
            return None
        if not self.sections:
            return self.time_of(stamp)
        return self._timeline.footage_time(run, stamp, self.seconds(1))

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
    def header_duration_s(self) -> float | None:
        """Its length by its header; None if there is none: FFmpeg then guesses by the last times in the file."""
        if self._container.format.name in _WITHOUT_LENGTH or not self.stream.duration:
            return None
        return self.seconds(self.stream.duration)

    @property
    def created_at(self) -> str | None:
        """When it was made, by its container, in ISO 8601; None if that does not tell, or cannot be right."""
        try:
            told = datetime.fromisoformat(self._container.metadata["creation_time"])
        except (KeyError, ValueError):
            return None
        return told.isoformat() if told.year > _NO_YEAR else None

    @property
    def sections(self) -> tuple[Section, ...]:
        """Its continuous sections; none if its index tells at once that there is but one."""
        return self._timeline.sections

    def packet_time(self, number: int, stamp: int) -> float | None:
        """Footage time of the frame that begins with a packet, by its place in the stream; None if it is wrong."""
        return self._place(self._run_of(number), stamp)

    @property
    def notes(self) -> dict[str, str]:
        """What is unusual in it, by kind: how its pictures are turned and stretched, and which streams are not read."""
        aside = {"other streams": self._left_aside} if self._left_aside else {}
        gaps = {"gaps": gap_words(self.sections)} if len(self.sections) > 1 else {}
        return aside | gaps | geometry_notes(self.stream, self.first)

    def time_of(self, pts: int) -> float:
        """Seconds from the first frame to the presentation time ``pts``."""
        return self.seconds(pts - self._origin)

    def seconds(self, ticks: int) -> float:
        """Ticks of the stream's clock in seconds."""
        return ticks * self._time_base.numerator / self._time_base.denominator

    def packets_from(self, start_s: float) -> Iterator[Packet]:
        """The stream's undecoded packets from a key frame on, at or before ``start_s`` if the file is sound.

        Raises:
            VideoError: If the file cannot be read there, or not exactly.
        """
        if len(self.sections) > 1:
            raise VideoError(self.path, "its clock jumps, so that packets cannot be found by their times")
        if self._is_damaged:  # what a damaged picture looks like depends on all that was decoded before it
            raise VideoError(self.path, "some of its packets are damaged")
        yield from self._packets_from(start_s)

    def _packets_from(self, start_s: float) -> Iterator[Packet]:
        self._untouched = False
        offset = self._origin + math.floor(start_s / float(self._time_base))
        packets = self._packets_after_seek(offset)
        head = list(itertools.islice(packets, 2))
        if len(head) == 2 and head[0].pts is not None and self._is_second_field(*head):
            packets = self._packets_after_seek(head[0].pts - 1)
            head = list(itertools.islice(packets, 2))
        syntax = self._syntax
        if head and syntax is not None and head[0].is_keyframe and not syntax.is_whole_from(bytes(head[0])):
            raise VideoError(self.path, "has no key frame there, and pictures become whole only after some time")
        yield from itertools.chain(head, packets)

    def _packets_after_seek(self, offset: int) -> Iterator[Packet]:
        with library_errors(self.path):
            self._container.seek(offset, stream=self.stream)
        return self._demux()

    def _is_second_field(self, packet: Packet, following: Packet) -> bool:
        """Whether the frame that a packet belongs to began before it: it is a field, and the next completes it not."""
        if self._syntax is None:
            return False
        first, second = self._syntax.field(bytes(packet)), self._syntax.field(bytes(following))
        return first is not None and (second is None or not second.completes(first))

    def field_pairs(self) -> FieldPairs:
        """Tells of packets in the order of the file which of them begin no frame."""
        return FieldPairs(self._syntax)

    def decoded(self) -> Iterator[tuple[float | None, av.VideoFrame]]:
        """All frames from the first on as the decoder gives them, with their times; None for one that is wrong.

        Raises:
            VideoError: While iterating, where the file cannot be read on.
        """
        for run, frame in self._from(0.0):
            yield self._place(run, frame.pts), frame

    def frames(self, start_s: float) -> Iterator[TimedFrame]:
        """Frames with rising times, from some frame at or before ``start_s`` on.

        Frames that carry no time, or one that does not rise, are left out: they cannot be placed. So are those that
        cannot be decoded.

        Raises:
            VideoError: While iterating, where the file cannot be read on.
        """
        last_s = -math.inf
        for run, frame in self._from(start_s):
            time_s = self._place(run, frame.pts)
            if time_s is not None and time_s > last_s:
                yield time_s, frame
                last_s = time_s

    def _from(self, start_s: float) -> Iterator[PlacedFrame]:
        # A seek goes to the key frame at or before its target by the file's index. An index can be wrong or be kept
        # in decoding times, and the first frames after an open GOP's key frame cannot be decoded: then the first
        # sound frame lies behind the target, and the seek is tried from further back.
        for back_s in _BACK_S:
            target_s = start_s - back_s
            if target_s < _NEAR_S:
                break
            found = self._seek(target_s)
            time_s = self._place(found[0], found[1].pts) if found is not None else None
            if found is not None and time_s is not None and time_s <= start_s + _TOLERANCE_S:
                return itertools.chain([found], self._decoding)
        if not self._untouched:
            self._reopen()
            return self._decoding
        self._untouched = False
        return itertools.chain([(0, self.first)], self._decoding)

    def _seek(self, time_s: float) -> PlacedFrame | None:
        """The first sound frame after a seek to the key frame before ``time_s``; None if that fails."""
        try:
            if len(self.sections) > 1:
                self._reopen()
                first = self._key_packet(time_s)
                self._decoding = self._decode((n, packet) for n, packet in enumerate(self._demux()) if n >= first)
            else:
                self._decoding = self._decode(enumerate(self._packets_from(time_s)))
            return next((f for f in self._decoding if f[1].pts is not None and not f[1].is_corrupt), None)
        except StoreError:
            raise
        except VideoError:
            return None

    def _key_packet(self, time_s: float) -> int:
        """The place in the stream of the last key packet at or before a footage time."""
        packets = self.packet_clock()
        for number in reversed(range(len(packets.keys))):
            if packets.keys[number]:
                found_s = self._place(self._run_of(number), packets.stamps[number])
                if found_s is not None and found_s <= time_s:
                    return number
        return 0

    def _reopen(self) -> None:
        self._untouched = False
        self._container.close()
        self._open()
