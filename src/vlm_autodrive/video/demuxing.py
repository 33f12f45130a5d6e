"""Demuxing: a file's container is opened, and its packets are read without decoding them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, cast

import av
from av.container import InputContainer

from vlm_autodrive.addresses import FileState, is_address, state_of
from vlm_autodrive.video.errors import StoreError, VideoError, library_errors
from vlm_autodrive.video.h264 import FieldPairs, H264Syntax
from vlm_autodrive.video.non_videos import problem_after_opening
from vlm_autodrive.video.sections import PacketClock
from vlm_autodrive.video.stored_file import StoredFile
from vlm_autodrive.video.streams import choose_stream

Packet: TypeAlias = "av.Packet[av.VideoStream]"
_FILES_REMEMBERED = 8
_TOLD_EVERY = 1000  # packets
_INDEX_TELLS = frozenset(("h264", "hevc"))  # of other codecs FFmpeg looks into the pictures for key frames
_KEY_HEAD = 4096  # bytes of a key frame; what cameras write before the picture itself is shorter
_remembered: dict[tuple[Path, FileState, int | None], PacketClock] = {}


def open_source(path: Path, *, ahead: bool = False) -> StoredFile | None:
    """What a file at an address is read by; None for a local one, which FFmpeg reads itself.

    Args:
        path: The file.
        ahead: As for :class:`StoredFile`.

    Raises:
        VideoError: If there is none, or its store refuses.
    """
    return StoredFile(path, ahead=ahead) if is_address(path) else None


def open_container(path: Path, source: StoredFile | None = None) -> InputContainer:
    """Open a file.

    Args:
        path: The file.
        source: What it is read by, as :func:`open_source` gives it; it can be given again.

    Raises:
        VideoError: If it cannot be opened.
    """
    source = source or open_source(path)
    try:
        with library_errors(path, "cannot be opened"):
            if source is not None:
                _refuse_failed(source)
                source.seek(0)
                return cast(InputContainer, av.open(source, metadata_errors="replace"))
            # The protocol is named, since a colon in a file's name would else end the name of one. Titles are of
            # any encoding, and nothing reads them.
            return av.open(f"file:{path}", metadata_errors="replace")
    except VideoError as error:
        _refuse_failed(source)
        if isinstance(error.__cause__, av.error.InvalidDataError):
            raise VideoError(path, problem_after_opening(path)) from None
        raise


def _refuse_failed(source: StoredFile | None) -> None:
    if source is not None and source.failure is not None:
        raise source.failure


def demux(path: Path, container: InputContainer, stream: av.VideoStream, source: StoredFile | None) -> Iterator[Packet]:
    """The packets of a stream from where the container stands.

    Raises:
        VideoError: While iterating, where the file cannot be read on.
    """
    with library_errors(path):
        # At the end PyAV gives one more packet for each stream, and does not know a stream that appeared on the way.
        # Ours, which was there before, has had its own by then.
        with suppress(IndexError):
            yield from container.demux(stream)
        _refuse_failed(source)  # FFmpeg takes what cannot be read for the end


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
    key = (path, _state(path), stream)
    packets = _remembered.get(key)
    if packets is None:
        packets = _remembered[key] = _read_packet_clock(path, tell, stream)
        for earlier in list(_remembered)[:-_FILES_REMEMBERED]:
            _remembered.pop(earlier, None)
    return packets


def _state(path: Path) -> FileState:
    try:
        return state_of(path)
    except OSError as error:
        raise VideoError(path, f"cannot be read ({error.strerror})") from None


def _leave_out_pictures(
    source: StoredFile, container: InputContainer, stream: av.VideoStream, syntax: H264Syntax | None
) -> None:
    """Have the packets of an MP4 file on a store read without its pictures: all that counts is in its index.

    Of key frames in H.264 the first bytes are read, which tell whether pictures are whole from there on. A file whose
    index is not complete, as with fragments, and one that is coded in fields is read as a whole.
    """
    entries = list(stream.index_entries)
    is_indexed = "mp4" in container.format.name and len(entries) == stream.frames > 0
    if not is_indexed or stream.codec_context.name not in _INDEX_TELLS or (syntax is not None and syntax.has_fields):
        return
    keys = sorted((e.pos, e.pos + min(e.size, _KEY_HEAD)) for e in entries if e.is_keyframe) if syntax else []
    source.keep_only(keys)


def _read_packet_clock(path: Path, tell: Callable[[float], None], stream: int | None) -> PacketClock:
    clock: list[int | None] = []
    stamps: list[int | None] = []
    keys: list[bool] = []
    corrupt: list[bool] = []
    lengths: list[int] = []
    source = open_source(path)
    with open_container(path, source) as container:
        chosen = choose_stream(container, stream)
        if chosen is None:
            raise VideoError(path, "no video stream in it")
        syntax = syntax_of(chosen.stream)
        fields = FieldPairs(syntax)
        if source is not None:
            _leave_out_pictures(source, container, chosen.stream, syntax)
        has_no_clock, latest = "matroska" in container.format.name, -(1 << 63)
        try:
            for packet in demux(path, container, chosen.stream, source):
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
        except StoreError:
            raise
        except VideoError:  # what is left of a file that is cut off counts
            pass
    return PacketClock(tuple(clock), tuple(stamps), tuple(keys), tuple(corrupt), tuple(lengths))
