"""The check of a whole video by decoding: true duration, frame rate, damage, black and frozen frames."""

from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vlm_autodrive.records import Record
from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.errors import VideoError, library_errors

_WIDTH, _HEIGHT = 160, 90  # of the small grey picture that is looked at
_DARK = 32  # grey levels below this are black
_DARK_SHARE = 0.99
_SAME = 0.1  # mean difference, in grey levels, of pictures that show the same: a still camera's noise is above it
_USUAL_GAP_S = 1 / 30
_EVEN = 0.1  # a gap may differ from the median gap by this share,
_EVEN_S = 0.0015  # or by this, since Matroska and others count in milliseconds,
_UNEVEN_SHARE = 0.02  # and so may this share of the gaps by any length, before the rate is called variable
_TOLD_EVERY_S = 1.0


class VideoCheck(Record):
    """What decoding a whole video showed. Times are seconds after its first frame.

    Attributes:
        codec: Name of the codec, such as ``h264``.
        pixel_format: How it stores pixels, such as ``yuv420p``.
        width: Pixels of the picture as it is shown: upright, with square pixels.
        height: Likewise.
        frames: How many frames decode and can be placed in time.
        header_frames: How many the header claims; 0 if it does not tell.
        misplaced_frames: Frames without a time, or with one that does not rise; no reader is given these.
        duration_s: Seconds from the first frame to the end of the last, by the frames' own times.
        header_duration_s: How long it is by its header; None if it does not tell.
        start_s: Presentation time of the first frame in the file's own clock.
        fps: Frames a second, by the median gap.
        shortest_gap_s: The shortest time between two frames; None if there is one frame only.
        longest_gap_s: The longest.
        variable_rate: Whether the gaps differ by more than rounding.
        black_s: Seconds in which the picture is black.
        frozen_s: The longest time for which the picture does not change. Single repeated frames are no standstill: many
            recorders fill up their frame rate with them.
        damage: What ended decoding early; empty if it came to the end.
        notes: What the file says of itself that is unusual, by kind, in plain words.
    """

    codec: str
    pixel_format: str
    width: int
    height: int
    frames: int
    header_frames: int
    misplaced_frames: int
    duration_s: float
    header_duration_s: float | None
    start_s: float
    fps: float
    shortest_gap_s: float | None
    longest_gap_s: float | None
    variable_rate: bool
    black_s: float
    frozen_s: float
    damage: str
    notes: dict[str, str] = {}


def check_video(path: Path, tell: Callable[[float], None] = lambda _: None) -> VideoCheck:
    """Decode a whole video and measure it.

    Args:
        path: The file.
        tell: Called now and then with the seconds of video that are done, as a sign of life.

    Raises:
        VideoError: If it is no video, or not even its first frame decodes.
    """
    with OpenVideo(path) as video:
        stream, first = video.stream, video.first
        header_duration_s = video.seconds(stream.duration) if stream.duration else None
        height, width = video.display_size
        notes, pixel_format = video.notes, first.format.name
        codec, header_frames = video.codec, stream.frames
        start_s = video.seconds(first.pts or 0)
        times_s: list[float] = []
        black: list[bool] = []
        same: list[bool] = []
        misplaced, length_s, told_s, damage = 0, 0.0, 0.0, ""
        look = _Look(path)
        try:
            for frame in video.decoded():
                time_s = None if frame.pts is None else video.time_of(frame.pts)
                if time_s is None or (times_s and time_s <= times_s[-1]):
                    misplaced += 1
                    continue
                is_black, is_same = look.at(frame)
                times_s.append(time_s)
                black.append(is_black)
                same.append(is_same)
                length_s = video.seconds(frame.duration or 0)
                if time_s - told_s > _TOLD_EVERY_S:
                    told_s = time_s
                    tell(time_s)
        except VideoError as error:
            damage = error.reason
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
    usual_s = median(gaps_s) if gaps_s else length_s or _USUAL_GAP_S
    shown_s = [*gaps_s, max(length_s, usual_s)]
    uneven = sum(abs(gap_s - usual_s) > max(_EVEN * usual_s, _EVEN_S) for gap_s in gaps_s)
    return VideoCheck(
        codec=codec,
        pixel_format=pixel_format,
        width=width,
        height=height,
        frames=len(times_s),
        header_frames=header_frames,
        misplaced_frames=misplaced,
        duration_s=round(times_s[-1] + shown_s[-1], 6),
        header_duration_s=header_duration_s,
        start_s=round(start_s, 6),
        fps=round(1 / usual_s, 4),
        shortest_gap_s=round(min(gaps_s), 6) if gaps_s else None,
        longest_gap_s=round(max(gaps_s), 6) if gaps_s else None,
        variable_rate=uneven > _UNEVEN_SHARE * len(gaps_s),
        black_s=round(sum(s for s, is_black in zip(shown_s, black, strict=True) if is_black), 3),
        frozen_s=round(_longest_run_s(gaps_s, same[1:]), 3),
        damage=damage,
        notes=notes,
    )


def _longest_run_s(gaps_s: list[float], same: list[bool]) -> float:
    """The longest time over frames of which each shows what the one before it showed."""
    runs = groupby(zip(gaps_s, same, strict=True), key=lambda frame: frame[1])
    return max((sum(gap_s for gap_s, _ in run) for is_same, run in runs if is_same), default=0.0)


class _Look:
    """Looks at one small grey picture of each frame: is it black, is it the same as the last?"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reformatter = VideoReformatter()
        self._previous: NDArray[np.int16] | None = None

    def at(self, frame: av.VideoFrame) -> tuple[bool, bool]:
        # Single pixels, not means of areas: these would hide the noise that tells a still camera from a frozen one.
        with library_errors(self._path):
            small = self._reformatter.reformat(
                frame, width=_WIDTH, height=_HEIGHT, format="gray", interpolation=Interpolation.POINT, threads=1
            )
            grey = cast(NDArray[np.uint8], small.to_ndarray()).astype(np.int16)
        is_black = bool((grey < _DARK).mean() >= _DARK_SHARE)
        is_same = self._previous is not None and float(np.abs(grey - self._previous).mean()) < _SAME
        self._previous = grey
        return is_black, is_same
