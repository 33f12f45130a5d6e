"""Choice of the video stream to read, where a file holds several: covers, previews, a second camera."""

import re
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.stream import Disposition

_PICTURES = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_AS_LONG = 0.9  # a stream of at least this share of the longest is no shorter: cameras do not stop at the same frame
_BRIEF = 0.1  # one of at most this share is a cover or a preview, whatever the file says of it
_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # Matroska's tag of a track


@dataclass(frozen=True)
class ChosenStream:
    """The stream that is read.

    Attributes:
        stream: The stream.
        left_aside: What the other video streams are, and whether the one asked for is missing, in plain words; empty if
            it is the only one.
    """

    stream: av.VideoStream
    left_aside: str


def choose_stream(container: InputContainer, number: int | None = None) -> ChosenStream | None:
    """The driving video of a file; None if there is no video in it but pictures that belong to something else.

    Of the streams that are no single pictures and are not far shorter than the longest, the one that the file marks as
    its default is taken, then the longest, then the largest, then the first.

    Args:
        container: The open file.
        number: The place among the file's video streams of the one to read, from 0 on, where the file has so many;
            None to choose.
    """
    streams = list(container.streams.video)
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
    lacking = f"it has no video stream {number}; " if number is not None and number >= len(streams) else ""
    if not others and not lacking:
        return ChosenStream(chosen, "")
    listed = f"; left aside: {', '.join(others)}" if others else ""
    return ChosenStream(chosen, f"{lacking}video stream {streams.index(chosen)} is read{listed}")


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
