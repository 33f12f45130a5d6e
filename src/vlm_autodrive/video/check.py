"""The check of a video by reading and decoding it: true duration, frame rate, damage, black and frozen frames."""

import math
from collections.abc import Callable, Iterator
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
from vlm_autodrive.video.damage import damaged_stretches, is_even_rate, packet_times
from vlm_autodrive.video.decoded_stretches import Stretch, stretches_to_decode
from vlm_autodrive.video.errors import StoreError, VideoError, library_errors
from vlm_autodrive.video.probe import measure_packets

_WIDTH, _HEIGHT = 160, 90  # of the small grey picture that is looked at
_DARK = 32  # grey levels below this are black
_DARK_SHARE = 0.99
_SAME = 0.1  # mean difference, in grey levels, of pictures that show the same: a still camera's noise is above it
_USUAL_GAP_S = 1 / 30
_TOLD_EVERY_S = 1.0  # seconds that are decoded


class VideoCheck(Record):
    """What reading and decoding a video showed. Times are seconds after its first frame.

    Attributes:
        codec: Name of the codec, such as ``h264``.
        pixel_format: How it stores pixels, such as ``yuv420p``.
        width: Pixels of the picture as it is shown: upright, with square pixels.
        height: Likewise.
        frames: How many frames decode and can be placed in time; of a video of which samples are decoded, how many its
            packets hold.
        header_frames: How many the header claims; 0 if it does not tell.
        misplaced_frames: Frames without a time, or with one that does not rise; no reader is given these.
        duration_s: Seconds from the first frame to the end of the last, by the frames' own times.
        header_duration_s: How long it is by its header; None if it does not tell.
        start_s: Presentation time of the first frame in the file's own clock.
        fps: Frames a second, by the median gap.
        shortest_gap_s: The shortest time between two frames; None if there is one frame only.
        longest_gap_s: The longest.
        variable_rate: Whether the gaps differ by more than rounding.
        decoded_s: Start and end of each stretch that was decoded.
        black_s: Seconds of these in which the picture is black.
        frozen_s: The longest time for which the picture does not change. Single repeated frames are no standstill: many
            recorders fill up their frame rate with them.
        frozen_fraction: The longest such time of each stretch that was decoded, together, as a fraction of them all.
        damage: What ended decoding early; empty if it came to the end.
        undecodable_frames: Frames within it that cannot be decoded.
        damaged_s: Where pictures are missing or smeared: from each fault to the next key frame.
        section_starts_s: Where, after a gap in the file's clock, a new continuous section begins.
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
    decoded_s: tuple[tuple[float, float], ...]
    black_s: float
    frozen_s: float
    frozen_fraction: float
    damage: str
    undecodable_frames: int = 0
    damaged_s: tuple[tuple[float, float], ...] = ()
    section_starts_s: tuple[float, ...] = ()
    notes: dict[str, str] = {}

    @property
    def seconds_decoded(self) -> float:
        """How much of it was decoded."""
        return sum(end_s - start_s for start_s, end_s in self.decoded_s)


def check_video(
    path: Path,
    tell: Callable[[float], None] = lambda _: None,
    *,
    stream: int | None = None,
    whole: bool = False,
) -> VideoCheck:
    """Read all packets of a video, decode it, and measure it.

    Args:
        path: The file.
        tell: Called now and then with the seconds of video that are done, as a sign of progress.
        stream: The place among its video streams of the one to read, from 0 on; None to choose.
        whole: Decode all of a long video, rather than samples; see :func:`stretches_to_decode`.

    Raises:
        VideoError: If it is no video, not even its first frame decodes, or its clock cannot be right.
    """
    with OpenVideo(path, stream=stream, ahead=True, tell=tell) as video:
        first = video.first
        header_duration_s = video.header_duration_s
        height, width = video.display_size
        notes, pixel_format = video.notes, first.format.name
        packets = video.packet_clock(tell)
        codec, header_frames = video.codec, packets.frames_of_header(video.stream.frames)
        start_s = video.seconds(first.pts or 0)
        packet_times_s = packet_times(video, packets)
        length_s = video.seconds(packets.lengths[-1]) if packets.lengths else 0.0
        packets_s, _ = measure_packets(video, packets)
        stretches = stretches_to_decode(packets_s, whole=whole)
        is_whole = len(stretches) == 1
        looks = [_Look(path) for _ in stretches]
        damage, told_s = "", 0.0
        for (from_s, until_s), look in zip(stretches, looks, strict=True):
            try:
                for time_s, frame in _frames(video, from_s, until_s):
                    look.at(time_s, frame)
                    if time_s is not None and time_s - told_s > _TOLD_EVERY_S:
                        told_s = time_s
                        tell(time_s)
            except StoreError:
                raise
            except VideoError as error:
                if is_whole:
                    damage = error.reason
                else:
                    notes = {**notes, "damaged": f"{error.reason} after {look.last_s(from_s):.1f} s"}
        # Of samples, the packets tell the times of all frames; of a whole video, the decoder does.
        times_s = looks[0].times_s if is_whole else packet_times_s
        length_s = looks[0].length_s if is_whole else length_s
        gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
        usual_s = median(gaps_s) if gaps_s else length_s or _USUAL_GAP_S
        is_even = is_even_rate(gaps_s, usual_s)
        smeared_s = [time_s for look in looks for time_s in look.smeared_s]
        damaged_s = damaged_stretches(video, packets, times_s, smeared_s, usual_s, is_even=is_even)
        undecodable_frames, sections = len(video.undecodable_s), video.sections
        last_shown_s = max(length_s, usual_s)
        frozen_s = [look.frozen_s() for look in looks]
        watched_s = sum(look.times_s[-1] - look.times_s[0] for look in looks if look.times_s)
    return VideoCheck(
        codec=codec,
        pixel_format=pixel_format,
        width=width,
        height=height,
        frames=len(times_s),
        header_frames=header_frames,
        misplaced_frames=sum(look.misplaced for look in looks),
        duration_s=round(times_s[-1] + last_shown_s, 6),
        header_duration_s=header_duration_s,
        start_s=round(start_s, 6),
        fps=round(1 / usual_s, 4),
        shortest_gap_s=round(min(gaps_s), 6) if gaps_s else None,
        longest_gap_s=round(max(gaps_s), 6) if gaps_s else None,
        variable_rate=not is_even,
        decoded_s=tuple(look.stretch(last_shown_s) for look in looks if look.times_s),
        black_s=round(sum(look.black_s(last_shown_s) for look in looks), 3),
        frozen_s=round(max(frozen_s), 3),
        frozen_fraction=round(sum(frozen_s) / watched_s, 4) if watched_s else 0.0,
        damage=damage,
        undecodable_frames=undecodable_frames,
        damaged_s=damaged_s,
        section_starts_s=tuple(round(section.start_s, 6) for section in sections[1:]),
        notes=notes,
    )


def _frames(video: OpenVideo, from_s: float, until_s: float) -> Iterator[tuple[float | None, av.VideoFrame]]:
    """The frames of a stretch with their times; of the whole video also those whose times do not rise."""
    if until_s == math.inf and from_s == 0:
        yield from video.decoded()
        return
    for time_s, frame in video.frames(from_s):
        if time_s >= until_s:
            return
        if time_s >= from_s:
            yield time_s, frame


def _longest_run_s(gaps_s: list[float], same: list[bool]) -> float:
    """The longest time over frames of which each shows what the one before it showed."""
    runs = groupby(zip(gaps_s, same, strict=True), key=lambda frame: frame[1])
    return max((sum(gap_s for gap_s, _ in run) for is_same, run in runs if is_same), default=0.0)


class _Look:
    """Looks at one small grey picture of each frame of a stretch: is it black, is it the same as the last?"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reformatter = VideoReformatter()
        self._previous: NDArray[np.int16] | None = None
        self._black: list[bool] = []
        self._same: list[bool] = []
        self.times_s: list[float] = []
        self.length_s = 0.0
        self.misplaced = 0
        self.smeared_s: list[float] = []

    def at(self, time_s: float | None, frame: av.VideoFrame) -> None:
        """Look at the next frame; one without a time, or with one that does not rise, is counted and no more."""
        if time_s is None or (self.times_s and time_s <= self.times_s[-1]):
            self.misplaced += 1
            return
        # Single pixels, not means of areas: these would hide the noise that tells a still camera from a frozen one.
        with library_errors(self._path):
            small = self._reformatter.reformat(
                frame, width=_WIDTH, height=_HEIGHT, format="gray", interpolation=Interpolation.POINT, threads=1
            )
            grey = cast(NDArray[np.uint8], small.to_ndarray()).astype(np.int16)
            self.length_s = float((frame.duration or 0) * (frame.time_base or 0))
        self._black.append(bool((grey < _DARK).mean() >= _DARK_SHARE))
        self._same.append(self._previous is not None and float(np.abs(grey - self._previous).mean()) < _SAME)
        self._previous = grey
        self.times_s.append(time_s)
        if frame.is_corrupt:
            self.smeared_s.append(time_s)

    def last_s(self, from_s: float) -> float:
        """Time of the last frame; ``from_s`` if there was none."""
        return self.times_s[-1] if self.times_s else from_s

    def stretch(self, last_shown_s: float) -> Stretch:
        """From the first frame to the end of the last."""
        return round(self.times_s[0], 3), round(self.times_s[-1] + last_shown_s, 3)

    def black_s(self, last_shown_s: float) -> float:
        """For how long the picture was black."""
        shown_s = [*(later - earlier for earlier, later in pairwise(self.times_s)), last_shown_s]
        return sum(s for s, is_black in zip(shown_s, self._black, strict=False) if is_black)

    def frozen_s(self) -> float:
        """The longest time for which the picture did not change."""
        return _longest_run_s([later - earlier for earlier, later in pairwise(self.times_s)], self._same[1:])
