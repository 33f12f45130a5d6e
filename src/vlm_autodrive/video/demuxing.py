"""Demuxing: a file's container is opened, and its packets are read without decoding them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer

from vlm_autodrive.video.errors import VideoError, library_errors
from vlm_autodrive.video.h264 import FieldPairs, H264Syntax
from vlm_autodrive.video.non_videos import problem_after_opening
from vlm_autodrive.video.sections import PacketClock
from vlm_autodrive.video.streams import choose_stream

Packet: TypeAlias = "av.Packet[av.VideoStream]"
_FILES_REMEMBERED = 8
_TOLD_EVERY = 1000  # packets
_remembered: dict[tuple[Path, int, int, int | None], PacketClock] = {}


def open_container(path: Path) -> InputContainer:
    """Open a file.

    Raises:
        VideoError: If it cannot be opened.
    """
    try:
        with library_errors(path, "cannot be opened"):
            # The protocol is named, since a colon in a file's name would else end the name of one. Titles are of
            # any encoding, and nothing reads them.
            return av.open(f"file:{path}", metadata_errors="replace")
    except VideoError as error:
        if isinstance(error.__cause__, av.error.InvalidDataError):
            raise VideoError(path, problem_after_opening(path)) from None
        raise


def demux(path: Path, container: InputContainer, stream: av.VideoStream) -> Iterator[Packet]:
    """The packets of a stream from where the container stands.

    Raises:
        VideoError: While iterating, where the file cannot be read on.
    """
    with library_errors(path):
        try:
            yield from container.demux(stream)
        except IndexError:
            # At the end PyAV gives one more packet for each stream, and does not know a stream that appeared on
            # the way. Ours, which was there before, has had its own by then.
            return


def syntax_of(stream: av.VideoStream) -> H264Syntax | None:
    """What reads the packets of a stream; None if it is not H.264."""
    context = stream.codec_context
    return H264Syntax(context.extradata or b"") if context.name == "h264" else None


def packet_clock(
    path: Path, tell: Callable[[float], None] = lambda _: None, *, stream: int | None = None
) -> PacketClock:
    """The clock of all packets of the stream that is read, as far as the file can be read; remembered for a few files.

    Args:
        path: The file.
        tell: Called now and then with the seconds that are read.
        stream: As for :func:`choose_stream`.

    Raises:
        VideoError: If it is no video.
    """
    found = path.stat()
    key = (path, found.st_size, found.st_mtime_ns, stream)
    packets = _remembered.get(key)
    if packets is None:
        packets = _remembered[key] = _read_packet_clock(path, tell, stream)
        for earlier in list(_remembered)[:-_FILES_REMEMBERED]:
            _remembered.pop(earlier, None)
    return packets


def _read_packet_clock(path: Path, tell: Callable[[float], None], stream: int | None) -> PacketClock:
    clock: list[int | None] = []
    stamps: list[int | None] = []
    keys: list[bool] = []
    corrupt: list[bool] = []
    lengths: list[int] = []
    with open_container(path) as container:
        chosen = choose_stream(container, stream)
        if chosen is None:
            raise VideoError(path, "no video stream in it")
        syntax = syntax_of(chosen.stream)
        fields = FieldPairs(syntax)
        has_no_clock, latest = "matroska" in container.format.name, -(1 << 63)
        with suppress(VideoError):
            for packet in demux(path, container, chosen.stream):
                if not packet.size and packet.dts is None:  # the end
                    break
                stamp = packet.pts if packet.pts is not None else packet.dts
                is_shown = bool(packet.size) and not packet.is_discard and not fields.complete_frame(packet)
                decoded_at = packet.dts if packet.dts is not None else packet.pts
                if has_no_clock and decoded_at is not None:  # FFmpeg guesses decoding times, which go back at first
                    decoded_at = latest = max(latest, stamp if stamp is not None else latest)
                clock.append(decoded_at)
                stamps.append(stamp if is_shown else None)
                keys.append(packet.is_keyframe and (syntax is None or syntax.is_whole_from(bytes(packet))))
                corrupt.append(packet.is_corrupt)
                lengths.append(packet.duration or 0)
                if len(lengths) % _TOLD_EVERY == 0:
                    tell(float((stamp or 0) * packet.time_base))
    return PacketClock(tuple(clock), tuple(stamps), tuple(keys), tuple(corrupt), tuple(lengths))
