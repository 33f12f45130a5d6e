"""What an MP4 or MOV file holds beside pictures and sound, found by its boxes without reading the whole of it."""

import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av

from vlm_autodrive.addresses import open_file, state_of
from vlm_autodrive.datasets.telemetry.recorded import TelemetryError
from vlm_autodrive.video import OpenVideo, VideoError

_MOST_BYTES = 1 << 28  # a box of telemetry, or the index of a video, is nowhere near as large
_MOST_BOXES = 100_000
_TEXT_HANDLER = re.compile(rb"hdlr.{8}(?:text|sbtl|subt|meta)", re.DOTALL)


class Mp4Contents(NamedTuple):
    """What the boxes of a file say.

    Attributes:
        has_gpmf: Whether it has a track of GoPro's telemetry.
        has_text: Whether it has a track of subtitles or other text.
        free: The inner boxes of its free space, in which some cameras write, by their names.
    """

    has_gpmf: bool = False
    has_text: bool = False
    free: dict[bytes, bytes] = {}


class TimedSample(NamedTuple):
    """One sample of a track: when it begins and ends, in seconds after the video's first frame, and where it lies."""

    start_s: float
    end_s: float
    position: int
    size: int


def mp4_contents(path: Path) -> Mp4Contents:
    """What a file holds; nothing if it is no MP4 or MOV file, or cannot be opened."""
    try:
        with open_file(path) as stream:
            boxes = islice(_boxes(stream, 0, state_of(path).size), _MOST_BOXES)
            found = [(kind, _read(stream, start, size)) for kind, start, size in boxes if kind in (b"moov", b"free")]
    except OSError:
        return Mp4Contents()
    moov = b"".join(body for kind, body in found if kind == b"moov")
    return Mp4Contents(
        has_gpmf=b"gpmd" in moov,
        has_text=_TEXT_HANDLER.search(moov) is not None,
        free={
            inner: body[start : start + size]
            for kind, body in found
            if kind == b"free"
            for inner, start, size in _boxes(body, 0, len(body))
        },
    )


def data_samples(path: Path, stream: int | None, kinds: tuple[str, ...]) -> Iterator[list[TimedSample]]:
    """The samples of each track of some kinds, by the index of the file, so that nothing else of it is read.

    Args:
        path: The file.
        stream: The video stream that is used; its first frame is time 0.
        kinds: The kinds of tracks, as FFmpeg calls them: ``data``, ``subtitle``.

    Raises:
        TelemetryError: If the file cannot be opened.
    """
    try:
        with OpenVideo(path, stream=stream) as video:
            first_s = video.seconds(video.first.pts or 0)
        with open_file(path) as file, av.open(file) as container:
            for track in container.streams:
                if track.type in kinds and track.time_base is not None:
                    base = float(track.time_base)
                    entries = [
                        (entry.timestamp * base - first_s, entry.pos, entry.size) for entry in track.index_entries
                    ]
                    ends = [start_s for start_s, _, _ in entries[1:]]
                    ends.append(((track.start_time or 0) + (track.duration or 0)) * base - first_s)
                    yield [TimedSample(start, end, *at) for (start, *at), end in zip(entries, ends, strict=True)]
    except (VideoError, OSError, av.error.FFmpegError) as error:
        raise TelemetryError(f"its tracks cannot be read ({error})") from None


def _boxes(source: BinaryIO | bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of the body of each box between two places of a file or of bytes."""
    while start + 8 <= end:
        head = _read(source, start, 16)
        size, kind = struct.unpack(">I4s", head[:8])
        body = 8
        if size == 1 and len(head) == 16:
            size, body = struct.unpack(">Q", head[8:])[0], 16
        size = end - start if size == 0 else size
        if size < body:
            return
        yield kind, start + body, min(size, end - start) - body
        start += size


def _read(source: BinaryIO | bytes, start: int, size: int) -> bytes:
    if isinstance(source, bytes):
        return source[start : start + size]
    if size > _MOST_BYTES:
        return b""
    source.seek(start)
    return source.read(size)
