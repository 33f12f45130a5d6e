"""The probe of a video: properties measured by reading the file, since headers can be wrong."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.damage import damage_words, packet_damage
from vlm_autodrive.video.errors import VideoError
from vlm_autodrive.video.sections import PacketClock

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
        created_at: When it was made, by its container, in ISO 8601; None if that does not tell. Cameras write the
            beginning or the end of the recording there, in UTC or in local time.
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
    created_at: str | None = None


def cut_off(duration_s: float, header_duration_s: float | None) -> str:
    """By how much a file is shorter than its header says, in plain words; empty if it is whole."""
    if header_duration_s is None or duration_s >= _COMPLETE * header_duration_s:
        return ""
    return f"ends after {duration_s:.1f} of {header_duration_s:.1f} s"


def measure_packets(video: OpenVideo, packets: PacketClock) -> tuple[float, int]:
    """Length in seconds and number of frames of an open video, by its packets.

    Raises:
        VideoError: If the frames lie more than a minute apart on average: a damaged frame rate or time base makes
            seconds of footage centuries long, and every window of them is empty.
    """
    placed = [(place, stamp) for place, stamp in enumerate(packets.stamps) if stamp is not None]
    if packets.corrupt[-1:] == (True,):  # the file ends within it
        placed = placed[:-1]
    if len(video.sections) > 1:
        duration_s = video.sections[-1].end_s
    else:
        times_s = ((video.packet_time(place, stamp), packets.lengths[place]) for place, stamp in placed)
        ends = sorted((time_s, length) for time_s, length in times_s if time_s is not None)
        last_s, length = ends[-1] if ends else (0.0, 0)
        gaps_s = [later - earlier for (earlier, _), (later, _) in pairwise(ends)]
        # Headers often make the last frame too short.
        length_s = max(video.seconds(length), median(gaps_s)) if gaps_s else video.seconds(length)
        duration_s = last_s + (length_s or _USUAL_GAP_S)
    apart_s = duration_s / max(1, len(placed))
    if apart_s > _LONGEST_FRAME_S:
        raise VideoError(video.path, f"its frames lie {apart_s:.0f} s apart by its clock, which cannot be right")
    return duration_s, len(placed)


def probe(path: Path, stream: int | None = None) -> VideoInfo:
    """Read all packets of a video and decode its first frame.

    A file can be used if this raises nothing: import, validation and detection all decide so. What is left of a file
    that is cut off is used, and its notes say so under ``cut off``; those of damage that shows without decoding name
    its places under ``damaged``.

    Args:
        path: The file.
        stream: The place among its video streams of the one to read, from 0 on; None to choose.

    Raises:
        VideoError: If it is no video, its first frame cannot be decoded, or its clock cannot be right.
    """
    with OpenVideo(path, stream=stream) as video:
        height, width = video.display_size
        start_s = video.seconds(video.first.pts or 0)
        header_duration_s = video.header_duration_s
        codec, notes, sections, created_at = video.codec, video.notes, video.sections, video.created_at
        packets = video.packet_clock()
        header_frames = packets.frames_of_header(video.stream.frames)
        duration_s, frames = measure_packets(video, packets)
        damaged_s = packet_damage(video, packets)
    if damaged_s:
        notes = {**notes, "damaged": damage_words(damaged_s)}
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
        created_at=created_at,
    )
