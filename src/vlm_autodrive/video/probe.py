"""The probe of a video: properties measured by reading the file, since headers can be wrong."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.demuxing import packet_clock
from vlm_autodrive.video.errors import VideoError

__all__ = ["VideoError", "VideoInfo", "probe"]

_COMPLETE = 0.95  # a file that holds less than this share of what its header promises is cut off
_USUAL_GAP_S = 1 / 30
_LONGEST_FRAME_S = 60.0


@dataclass(frozen=True)
class VideoInfo:
    """What a video is.

    Attributes:
        duration_s: Seconds of footage, by the frames' own times.
        width: Pixels of the picture as it is shown: upright, with square pixels.
        height: Likewise.
        codec: Name of the codec, such as ``h264``.
        frames: How many frames the file holds.
        header_frames: How many its header claims; 0 if it does not tell.
        header_duration_s: How long it is by its header; None if it does not tell.
        start_s: Presentation time of the first frame in the file's own clock, which is our time 0.
        section_starts_s: Where, after a gap in the file's clock, a new continuous section begins.
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
    section_starts_s: tuple[float, ...]
    notes: dict[str, str]


def cut_off(duration_s: float, header_duration_s: float | None) -> str:
    """By how much a file is shorter than its header says, in plain words; empty if it is whole."""
    if header_duration_s is None or duration_s >= _COMPLETE * header_duration_s:
        return ""
    return f"ends after {duration_s:.1f} of {header_duration_s:.1f} s"


def refuse_wrong_clock(path: Path, duration_s: float, frames: int) -> None:
    """Refuse a file whose frames lie so far apart that its clock cannot be right.

    A damaged frame rate or time base makes seconds of footage centuries long, and every window of them is empty.

    Raises:
        VideoError: If they lie more than a minute apart on average.
    """
    if duration_s > _LONGEST_FRAME_S * max(1, frames):
        apart_s = duration_s / max(1, frames)
        raise VideoError(path, f"its frames lie {apart_s:.0f} s apart by its clock, which cannot be right")


def probe(path: Path) -> VideoInfo:
    """Read all packets of a video and decode its first frame.

    A file can be used if this raises nothing: import, validation and detection all decide so. What is left of a file
    that is cut off is used, and its notes say so under ``cut off``.

    Args:
        path: The file.

    Raises:
        VideoError: If it is no video, its first frame cannot be decoded, or its clock cannot be right.
    """
    with OpenVideo(path) as video:
        stream = video.stream
        height, width = video.display_size
        start_s = video.seconds(video.first.pts or 0)
        header_duration_s = video.seconds(stream.duration) if stream.duration else None
        codec, notes, sections = video.codec, video.notes, video.sections
        packets = packet_clock(path)
        header_frames = packets.frames_of_header(stream.frames)
        shown = [place for place, stamp in enumerate(packets.stamps) if stamp is not None]
        if packets.corrupt[-1:] == (True,):  # the file ends within it
            shown = shown[:-1]
        frames = len(shown)
        if len(sections) > 1:
            duration_s = sections[-1].end_s
        else:
            ends = sorted((video.time_of(packets.stamps[place] or 0), packets.lengths[place]) for place in shown)
            last_s, length = ends[-1] if ends else (0.0, 0)
            gaps_s = [later - earlier for (earlier, _), (later, _) in pairwise(ends)]
            # Headers often make the last frame too short.
            length_s = max(video.seconds(length), median(gaps_s)) if gaps_s else video.seconds(length)
            duration_s = last_s + (length_s or _USUAL_GAP_S)
    refuse_wrong_clock(path, duration_s, frames)
    cut = cut_off(duration_s, None if len(sections) > 1 else header_duration_s)  # a header counts the gaps, too
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
        section_starts_s=tuple(round(section.start_s, 6) for section in sections[1:]),
        notes=notes,
    )
