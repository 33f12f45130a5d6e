"""Export of one window of a video as a file, for programs that read only whole files; and of stretches of several.

The file holds the window's frames and no others, each at its own time, upright, in a form that every
reader knows: H.264 in MP4, without frames that are shown in another order than they are stored in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from vlm_autodrive.video.container import OpenVideo, TimedFrame
from vlm_autodrive.video.errors import VideoError, library_errors
from vlm_autodrive.video.face_blur import Blur, blur_picture
from vlm_autodrive.video.frame_sampler import TOLERANCE_S
from vlm_autodrive.video.geometry import orientation
from vlm_autodrive.video.selective_decode import slack_s

_TICKS_PER_S = 90_000
_USUAL_RATE = 30
_OPTIONS = {"preset": "veryfast", "crf": "18", "bf": "0", "g": "30", "threads": "1"}
_PLAYED = {"preset": "veryfast", "crf": "20", "bf": "0", "g": "30"}  # by people, who need no exact bytes
_SHORTEST_S = 0.001
_RESIZED_CRF = "10"  # a model looks at every pixel of a small picture, and the file is small all the same


@dataclass(frozen=True)
class ClipFile:
    """What was written.

    Attributes:
        times_s: True time of each frame in seconds after the window's start; the file itself begins with the
            first frame at 0.
        frame_rate: Frames for each second of the file, as its header tells it.
    """

    times_s: tuple[float, ...]
    frame_rate: float

    @property
    def miscounted_s(self) -> float:
        """By how much a reader that takes a frame's number for its time mistakes a time in the window at most."""
        return max(abs(number / self.frame_rate - time_s) for number, time_s in enumerate(self.times_s))


@dataclass(frozen=True)
class ClipPiece:
    """A stretch of one file that a joined clip shows.

    Attributes:
        path: The file.
        start_s: Where it begins, in seconds after the file's first frame.
        end_s: Where it ends, likewise; a frame at this very time is outside.
        offset_s: Where its start lies in the clip, in seconds after the clip's start.
    """

    path: Path
    start_s: float
    end_s: float
    offset_s: float


def write_clip_file(
    path: Path,
    start_s: float,
    end_s: float,
    target: Path,
    size: tuple[int, int] | None = None,
    *,
    stream: int | None = None,
    blur: Blur = None,
) -> ClipFile:
    """Write the frames of one window to a file, which gets its name only when it is whole.

    Args:
        path: The video.
        start_s: Start of the window, in seconds after the video's first frame.
        end_s: Its end, likewise; a frame at this very time is outside.
        target: The file to write; an MP4.
        size: Height and width of its pictures, both even, resized as the frame sampler does; None for the video's own.
        stream: As for :func:`read_frames`.
        blur: What is blurred in its pictures.

    Raises:
        VideoError: If the window cannot be read, or not to its end, or not be blurred.
    """
    partial = target.with_name(f"{target.name}.partial")
    times_s: list[float] = []
    with OpenVideo(path, stream=stream) as video, av.open(f"file:{partial}", "w", format="mp4") as container:
        height, width = size or (max(2, side - side % 2) for side in video.display_size)
        options = _OPTIONS if size is None else {**_OPTIONS, "crf": _RESIZED_CRF}
        encoder = ClipEncoder(container, height, width, options, video.first)
        # One thread: with more, the bytes depend on their number.
        encoder.context.thread_count = 1
        for time_s, frame in _window(video, start_s, end_s):
            times_s.append(time_s)
            encoder.add(time_s - times_s[0], _blurred(path, upright_frame(path, frame, width, height), blur))
        if not times_s:
            raise VideoError(path, f"has no frame between {start_s:.2f} and {end_s:.2f} s")
        last_s = _usual_gap_s(times_s, end_s - start_s)
        encoder.finish(last_s)
    partial.replace(target)
    return ClipFile(
        times_s=tuple(max(0.0, round(time_s - start_s, 6)) for time_s in times_s),
        frame_rate=len(times_s) / (times_s[-1] - times_s[0] + last_s),
    )


def write_joined_clip(
    pieces: Sequence[ClipPiece],
    target: Path,
    *,
    stream: int | None = None,
    width: int | None = None,
    blur: Blur = None,
    paint: Callable[[float, NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> str:
    """Write stretches of several files, one after the other, to one file that browsers play.

    It takes what can be read. The pictures have the size of the first piece's. Sound is left out.

    Args:
        pieces: The stretches, in order of time.
        target: The file to write; an MP4, which gets its name only when it is whole.
        stream: As for :func:`read_frames`.
        width: The pictures are made no wider than this; None to leave them as they are.
        blur: What is blurred in its pictures, before they are painted on.
        paint: Given seconds after the clip's start and a picture, [height, width, 3]; returns the picture to write.

    Returns:
        What could not be read, in plain words; empty if nothing is missing.

    Raises:
        VideoError: If there is no frame at all.
    """
    partial = target.with_name(f"{target.name}.partial")
    encoder: ClipEncoder | None = None
    times_s: list[float] = []
    missing: list[str] = []
    with av.open(f"file:{partial}", "w", format="mp4", options={"movflags": "faststart"}) as container:
        for piece in pieces:
            try:
                with OpenVideo(piece.path, stream=stream, threads=None) as video:
                    if encoder is None:
                        scale = 1.0 if width is None else min(1.0, width / video.display_size[1])
                        rows, columns = (max(2, round(side * scale) // 2 * 2) for side in video.display_size)
                        encoder = ClipEncoder(container, rows, columns, _PLAYED, video.first)
                    for time_s, frame in _window(video, piece.start_s, piece.end_s):
                        at_s = piece.offset_s + time_s - piece.start_s
                        if times_s and at_s <= times_s[-1] + _SHORTEST_S:
                            continue  # files that overlap show a moment twice
                        upright = upright_frame(piece.path, frame, encoder.width, encoder.height)
                        upright = _blurred(piece.path, upright, blur)
                        if paint is not None:
                            pixels = paint(at_s, cast(NDArray[np.uint8], upright.to_ndarray(format="rgb24")))
                            upright = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
                        times_s.append(at_s)
                        encoder.add(at_s - times_s[0], upright)
            except VideoError as error:
                missing.append(f"{piece.path.name}: {error.reason}")
        if encoder is not None and times_s:
            encoder.finish(_usual_gap_s(times_s, 1 / _USUAL_RATE))
    if not times_s:
        partial.unlink(missing_ok=True)
        raise VideoError(pieces[0].path, "; ".join(missing) or "has no frame in this stretch")
    partial.replace(target)
    return "; ".join(missing)


class ClipEncoder:
    """Encodes upright frames at their times; holds the last packet back until its length is known."""

    def __init__(
        self,
        container: OutputContainer,
        height: int,
        width: int,
        options: dict[str, str],
        like: av.VideoFrame,
        ticks_per_s: int = _TICKS_PER_S,
    ) -> None:
        self.height, self.width = height, width
        self._container, self._ticks_per_s = container, ticks_per_s
        self._encoding = container.add_stream("libx264", rate=_USUAL_RATE, options=options)
        self._encoding.width, self._encoding.height, self._encoding.pix_fmt = width, height, "yuv420p"
        self.context = self._encoding.codec_context
        self.context.time_base = Fraction(1, ticks_per_s)
        self.context.colorspace, self.context.color_range = like.colorspace, like.color_range
        self._held: av.Packet[av.VideoStream] | None = None

    def add(self, time_s: float, frame: av.VideoFrame, *, is_key: bool = False) -> None:
        """Encode a frame; ``is_key`` makes it one that decoding can begin at."""
        frame.pts = round(time_s * self._ticks_per_s)
        frame.time_base = Fraction(1, self._ticks_per_s)
        # NONE: else the source's choice of key frames is taken over
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        self._encode(frame)

    def finish(self, last_s: float) -> None:
        """End the file; its last frame is shown for ``last_s``.

        The others last until the next begins; how long the last does decides the rate that a header tells.
        """
        self._encode(None)
        assert self._held is not None
        self._held.duration = round(last_s * self._ticks_per_s)
        self._container.mux(self._held)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._encoding.encode(frame):
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet


def _window(video: OpenVideo, start_s: float, end_s: float) -> Iterator[TimedFrame]:
    """The frames of a window; an error if the video ends before it."""
    stop_s = last_s = 0.0
    for time_s, frame in video.frames(start_s):
        if time_s >= end_s - TOLERANCE_S:
            return
        stop_s = time_s + max(time_s - last_s, video.seconds(frame.duration or 0))
        last_s = time_s
        if time_s >= start_s - TOLERANCE_S:
            yield time_s, frame
    if stop_s < end_s - slack_s(start_s, end_s):
        raise VideoError(video.path, f"ends after {stop_s:.1f} of {end_s:.1f} s")


def upright_frame(path: Path, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """A frame as it is shown, in this size and as H.264 takes it."""
    how = orientation(frame)
    with library_errors(path):
        if how.turns or how.mirrored:
            pixels = cast(NDArray[np.uint8], frame.to_ndarray(format="rgb24"))
            frame = av.VideoFrame.from_ndarray(how.upright(pixels), format="rgb24")
        return frame.reformat(width=width, height=height, format="yuv420p", interpolation=Interpolation.AREA)


def _blurred(path: Path, frame: av.VideoFrame, blur: Blur) -> av.VideoFrame:
    """A frame as ``blur`` has it: the very frame where nothing is to be blurred, which then loses nothing."""
    if blur is None:
        return frame
    with library_errors(path):
        pixels = cast(NDArray[np.uint8], frame.to_ndarray(format="rgb24"))
    hidden = blur_picture(path, pixels, blur)
    if np.array_equal(hidden, pixels):
        return frame
    with library_errors(path):
        return av.VideoFrame.from_ndarray(hidden, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=frame.colorspace, dst_color_range=frame.color_range
        )


def _usual_gap_s(times_s: list[float], window_s: float) -> float:
    return median(later - earlier for earlier, later in pairwise(times_s)) if len(times_s) > 1 else window_s
