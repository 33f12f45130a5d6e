"""The probe of a video: properties measured by reading the file, since headers can be wrong."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.errors import VideoError

__all__ = ["VideoError", "VideoInfo", "probe"]

_COMPLETE = 0.95  # a file that holds less than this share of what its header promises is cut off
_USUAL_GAP_S = 1 / 30


@dataclass(frozen=True)
class VideoInfo:
    """What a video is.

    Attributes:
        duration_s: Seconds from the first frame to the end of the last, by the frames' own times.
        width: Pixels of the picture as it is shown: upright, with square pixels.
        height: Likewise.
        codec: Name of the codec, such as ``h264``.
        frames: How many frames the file holds.
        header_frames: How many its header claims; 0 if it does not tell.
        header_duration_s: How long it is by its header; None if it does not tell.
        start_s: Presentation time of the first frame in the file's own clock, which is our time 0.
        notes: What the file says of itself that is unusual, by kind, in plain words.
    """

    duration_s: float
    width: int
    height: int
    codec: str
    frames: int
    header_frames: int
    header_duration_s: float | None
    start_s: float
    notes: dict[str, str]


def cut_off(duration_s: float, header_duration_s: float | None) -> str:
    """By how much a file is shorter than its header says, in plain words; empty if it is whole."""
    if header_duration_s is None or duration_s >= _COMPLETE * header_duration_s:
        return ""
    return f"ends after {duration_s:.1f} of {header_duration_s:.1f} s"


def probe(path: Path) -> VideoInfo:
    """Read all packets of a video and decode its first frame.

    A file can be used if this raises nothing: import, validation and detection all decide so. What is left of a file
    that is cut off is used, and its notes say so under ``cut off``.

    Args:
        path: The file.

    Raises:
        VideoError: If it is no video, or its first frame cannot be decoded.
    """
    with OpenVideo(path) as video:
        stream = video.stream
        time_base = stream.time_base or Fraction(1, 1)
        height, width = video.display_size
        notes = video.notes
        start_s = float((video.first.pts or 0) * time_base)
        header_duration_s = float(stream.duration * time_base) if stream.duration else None
        codec, header_frames = stream.codec_context.name, stream.frames
        ends = [(0.0, 0.0)]
        frames = 0
        for packet in video.packets():
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is None or packet.is_discard or packet.is_corrupt:
                continue
            frames += 1
            ends.append((video.time_of(pts), float((packet.duration or 0) * time_base)))
    ends.sort()
    last_s, length_s = ends[-1]
    gaps_s = [later - earlier for (earlier, _), (later, _) in pairwise(ends[1:])]
    if gaps_s:
        length_s = max(length_s, median(gaps_s))  # headers often make the last frame too short
    duration_s = last_s + (length_s or _USUAL_GAP_S)
    cut = cut_off(duration_s, header_duration_s)
    if cut:
        notes = {**notes, "cut off": cut}
    return VideoInfo(
        duration_s=round(duration_s, 6),
        width=width,
        height=height,
        codec=codec,
        frames=frames,
        header_frames=header_frames,
        header_duration_s=header_duration_s,
        start_s=start_s,
        notes=notes,
    )
