"""Choice of the video stream to read, where a file holds several: covers, previews, a second camera."""

import os
import re
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.stream import Disposition

from vlm_autodrive.errors import UserError

STREAM_VARIABLE = "AUTODRIVE_VIDEO_STREAM"
"""The environment variable that says which video stream to read of files that have several, from 0 on."""

_PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_AS_LONG = 0.9  # a stream of at least this share of the longest is no shorter: cameras do not stop at the same frame
_BRIEF = 0.1  # one of at most this share is a cover or a preview, whatever the file says of it
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # Matroska's tag of a track


@dataclass(frozen=True)
class ChosenStream:
    """The stream that is read.

    Attributes:
        stream: The stream.
        left_aside: What the other video streams are, in plain words; empty if there is none.
    """

    stream: av.VideoStream
    left_aside: str


def wanted_stream() -> int | None:
    """The place among a file's video streams of the one that :data:`STREAM_VARIABLE` asks for; None to choose.

    Raises:
        UserError: If it is set to no such place.
    """
    text = os.environ.get(STREAM_VARIABLE, "")
    if text and not text.isdecimal():
        raise UserError(f"{STREAM_VARIABLE}={text} is no stream; give 0 for the first video stream of a file, or 1.")
    return int(text) if text else None


def stream_facts() -> dict[str, int]:
    """What :func:`wanted_stream` says, for the facts of a result that it changes; empty if it is not set."""
    number = wanted_stream()
    return {} if number is None else {STREAM_VARIABLE: number}


def choose_stream(container: InputContainer) -> ChosenStream | None:
    """The driving video of a file; None if there is no video in it but pictures that belong to something else.

    Of the streams that are no single pictures and are not far shorter than the longest, the one that the file marks as
    its default is taken, then the longest, then the largest, then the first. A file that has the stream which
    :func:`wanted_stream` names gives that.
    """
    streams = list(container.streams.video)
    number = wanted_stream()
    if number is not None and number < len(streams):
        chosen = streams[number]
    else:
        moving = [s for s in streams if not s.disposition & _PICTURES and s.codec_context is not None]
        if not moving:
            return None
        lengths_s = {s.index: _length_s(s) for s in moving}
        longest_s = max(lengths_s.values())
        long = [s for s in moving if lengths_s[s.index] > _BRIEF * longest_s or not longest_s]
        chosen = max(
            long,
            key=lambda s: (
                bool(s.disposition & Disposition.default),
                lengths_s[s.index] >= _AS_LONG * longest_s,
                s.width * s.height,
                -s.index,
            ),
        )
    others = [f"{place} ({_words(s)})" for place, s in enumerate(streams) if s is not chosen]
    if not others:
        return ChosenStream(chosen, "")
    return ChosenStream(chosen, f"video stream {streams.index(chosen)} is read; left aside: {', '.join(others)}")


def _length_s(stream: av.VideoStream) -> float:
    """Seconds by the header; 0 where it does not tell."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = _DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    return sum(float(part) * unit for part, unit in zip(tag.groups(), (3600, 60, 1), strict=True)) if tag else 0.0


def _words(stream: av.VideoStream) -> str:
    if stream.disposition & _PICTURES:
        return "a picture"
    codec = stream.codec_context.name if stream.codec_context is not None else "no decoder for it"
    length_s = _length_s(stream)
    return f"{codec}, {stream.width} x {stream.height}" + (f", {length_s:.1f} s" if length_s else "")
