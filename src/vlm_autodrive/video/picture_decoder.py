"""Decoding of a stream's packets, in which one that cannot be decoded costs its own picture and no other."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import av

from vlm_autodrive.video.demuxing import Packet
from vlm_autodrive.video.errors import VideoError, library_errors

HOLDS_BACK = frozenset(("hevc",))
"""Codecs of which FFmpeg's decoder gives no picture after a lost one until the next key frame, unless it is told to: up
to ten seconds of pictures of which only a part is smeared."""

_MOST_HELD = 64  # pictures that a decoder may hold back at the end

PlacedFrame = tuple[int, av.VideoFrame]
"""A frame with the run of the clock to which its time belongs."""


def decode_packets(
    path: Path,
    stream: av.VideoStream,
    packets: Iterator[tuple[int, Packet]],
    run_of: Callable[[int], int],
    lose: Callable[[int, int | None], None],
    *,
    has_runs: bool,
) -> Iterator[PlacedFrame]:
    """The frames of numbered packets, from the first sound one on.

    Args:
        path: The file, for messages.
        stream: The stream that they belong to, whose decoder is used.
        packets: The packets, each with its place in the stream.
        run_of: The run of the clock of the packet at a place.
        lose: Told the run and the presentation time of each packet that cannot be decoded.
        has_runs: Whether there are several runs, so that each frame must be told that of its own packet.

    Raises:
        VideoError: While iterating, where the file cannot be read on.
    """
    stream.codec_context.copy_opaque = has_runs
    is_sound = stream.codec_context.name not in HOLDS_BACK
    for number, packet in packets:
        run = run_of(number)
        if has_runs:
            packet.opaque = [run]  # PyAV loses an object that several packets share
        for frame in _pictures(path, stream, packet, run, lose):
            is_sound = is_sound or not frame.is_corrupt
            if is_sound:
                yield cast(list[int], frame.opaque)[0] if has_runs and frame.opaque else run, frame


def _pictures(
    path: Path, stream: av.VideoStream, packet: Packet, run: int, lose: Callable[[int, int | None], None]
) -> list[av.VideoFrame]:
    if not packet.size:
        # An empty packet with a time says that the picture before it is shown on; the last one has none.
        return _drained(path, stream) if packet.dts is None else []
    try:
        with library_errors(path), suppress(av.error.EOFError):
            return packet.decode()
    except VideoError as error:
        if isinstance(error.__cause__, MemoryError):
            raise
        lose(run, packet.pts)
    return []


def _drained(path: Path, stream: av.VideoStream) -> list[av.VideoFrame]:
    """The pictures that the decoder holds back to put them in order."""
    frames: list[av.VideoFrame] = []
    for _ in range(_MOST_HELD):
        try:
            with library_errors(path), suppress(av.error.EOFError):
                frames = stream.codec_context.decode(None)
            break
        except VideoError:
            continue
    return frames
