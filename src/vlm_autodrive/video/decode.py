"""Decoding of frames: one window, many windows of a long video in one pass, or single frames."""

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from weakref import ref

import av
import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.errors import VideoError
from vlm_autodrive.video.face_blur import Blur, blur_faces, blur_picture
from vlm_autodrive.video.frame_sampler import TOLERANCE_S, FrameSampler, nominal_interval_s
from vlm_autodrive.video.frames import Frames, SamplingSettings, Window
from vlm_autodrive.video.geometry import Resizer
from vlm_autodrive.video.joined_video import Footage, JoinedVideo, by_file
from vlm_autodrive.video.selective_decode import decode_selected, slack_s

__all__ = ["VideoError", "read_frames", "read_pictures", "read_windows"]

_SEEK_OVER_S = 10.0  # a stretch longer than this that no window needs is jumped over
_MOST_DECODED_BYTES = 1 << 26  # of pictures in their full size that wait for whether a window takes them


def read_frames(
    path: Path,
    start_s: float,
    end_s: float,
    sampling: SamplingSettings,
    *,
    stream: int | None = None,
    blur: Blur = None,
) -> Frames:
    """Read the frames of one window, decoding no more than is needed.

    Args:
        path: The video.
        start_s: Start of the window, in seconds after the video's first frame.
        end_s: Its end, likewise.
        sampling: Which frames, and how large.
        stream: The place among the file's video streams of the one to read, from 0 on; None to choose.
        blur: What is blurred in them.

    Returns:
        The frames with their times after ``start_s``.

    Raises:
        VideoError: If the window cannot be read, or not to its end, or not be blurred.
    """
    frames = _read_frames(path, start_s, end_s, sampling, stream)
    return frames if blur is None else replace(frames, pixels=blur_faces(path, frames.pixels))


def _read_frames(path: Path, start_s: float, end_s: float, sampling: SamplingSettings, stream: int | None) -> Frames:
    with OpenVideo(path, stream=stream, threads=None) as video:
        frames = decode_selected(video, start_s, end_s, sampling)
    if frames is not None:
        return frames
    ((_, result),) = _read(path, [(start_s, end_s)], sampling, stream=stream, threads=False)
    if isinstance(result, VideoError):
        raise result
    return result


def read_windows(
    footage: Footage,
    windows: Sequence[Window],
    sampling: SamplingSettings,
    *,
    stream: int | None = None,
    threads: bool = True,
) -> Generator[tuple[Window, Frames | VideoError], None, None]:
    """Read many windows of one video in a single pass, keeping only the frames that open windows need.

    Args:
        footage: The video, or the files of a trip: windows lie across their cuts, too.
        windows: Start and end of each, in seconds after the first frame of the video or the trip, in any order.
        sampling: Which frames, and how large.
        stream: As for :func:`read_frames`.
        threads: Decode in several threads; turn it off where many processes decode at once.

    Yields:
        Every window exactly once, as it ends, with its frames; or with the error, if the video cannot
        be read to the window's end. Of a trip, such an error concerns the windows in that file and no later ones.
    """
    return _read(footage, windows, sampling, stream=stream, threads=threads)


def read_pictures(
    footage: Footage, times_s: Sequence[float], max_width: int, *, stream: int | None = None, blur: Blur = None
) -> list[NDArray[np.uint8]]:
    """Read single pictures, such as those of a report's frame strip.

    Args:
        footage: The video, or the files of a trip.
        times_s: Seconds after the first frame, in any order; each gets the frame nearest in time.
        max_width: Wider pictures are made smaller, keeping their shape.
        stream: As for :func:`read_frames`.
        blur: What is blurred in them.

    Returns:
        RGB pictures, one for each time, in the order of ``times_s``.

    Raises:
        VideoError: If the video cannot be read as far as is needed, or a picture not be blurred.
    """
    pictures: dict[int, NDArray[np.uint8]] = {}
    for path, places, own_times_s in by_file(footage, times_s):
        read = _pictures(path, own_times_s, max_width, stream)
        pictures |= zip(places, (blur_picture(path, picture, blur) for picture in read), strict=True)
    return [pictures[place] for place in range(len(times_s))]


def _pictures(path: Path, times_s: Sequence[float], max_width: int, stream: int | None) -> list[NDArray[np.uint8]]:
    pictures: dict[int, NDArray[np.uint8]] = {}
    with OpenVideo(path, stream=stream) as video:
        height, width = video.display_size
        scale = min(1.0, max_width / width)
        resizer = Resizer(path, max(1, round(height * scale)), max(1, round(width * scale)))
        pending = sorted(range(len(times_s)), key=lambda index: times_s[index])
        while pending:
            until_s = times_s[pending[0]]
            near = [i for i in pending if times_s[i] <= until_s + _SEEK_OVER_S]
            pending = pending[len(near) :]
            previous: tuple[float, av.VideoFrame] | None = None
            for time_s, frame in video.frames(until_s):
                middle_s = -math.inf if previous is None else (previous[0] + time_s) / 2
                while near and previous is not None and times_s[near[0]] <= middle_s:
                    pictures[near.pop(0)] = resizer.picture(previous[1])
                if not near:
                    break
                previous = (time_s, frame)
            for index in near:
                pictures[index] = resizer.picture(previous[1] if previous else video.first)
    return [pictures[index] for index in range(len(times_s))]


class _Picture:
    """A decoded frame that is resized only if a window takes it, and once, however many take it."""

    def __init__(self, frame: av.VideoFrame, resizer: Resizer) -> None:
        self._frame: av.VideoFrame | None = frame
        self._resizer = resizer
        self._pixels: NDArray[np.uint8] | None = None

    def pixels(self) -> NDArray[np.uint8]:
        if self._frame is not None:
            self._pixels = self._resizer.picture(self._frame)
            self._frame = None
        assert self._pixels is not None
        return self._pixels


class _OpenWindow:
    """The frames of one window, while they pass by."""

    def __init__(self, window: Window, sampling: SamplingSettings) -> None:
        self.window = window
        self._sampler = FrameSampler(*window, sampling)
        self._sampling = sampling
        self._all: list[tuple[float, _Picture]] = []  # while the window may hold no more frames than are wanted
        self._sampled: list[tuple[float, _Picture]] = []
        self._previous: tuple[float, _Picture] | None = None

    def offer(self, time_s: float, picture: _Picture) -> None:
        if not self._sampler.holds(time_s):
            return
        if self._sampler.push(time_s):
            assert self._previous is not None
            self._previous[1].pixels()
            self._sampled.append(self._previous)
        self._previous = (time_s, picture)
        if self._sampler.must_buffer:
            self._all.append(self._previous)
        else:
            self._all.clear()

    def is_past(self, time_s: float) -> bool:
        return self._sampler.is_past(time_s)

    def frames(self) -> Frames | None:
        if self._previous is None:
            return None
        count = len(self._sampler.finish())
        # Behind those sampled so far, the last frame of all may have been sampled at the end.
        chosen = self._all if self._sampler.must_buffer else [*self._sampled, self._previous][:count]
        times_s = tuple(max(0.0, round(time_s - self.window[0], 6)) for time_s, _ in chosen)
        return Frames(
            np.stack([picture.pixels() for _, picture in chosen]),
            times_s,
            self._sampling.draw_timestamps,
            nominal_interval_s(self.window[1] - self.window[0], self._sampling),
        )


def _read(
    footage: Footage, windows: Sequence[Window], sampling: SamplingSettings, *, stream: int | None, threads: bool
) -> Generator[tuple[Window, Frames | VideoError], None, None]:
    waiting = sorted(windows)
    with JoinedVideo(footage, stream=stream, threads=threads) as video:
        resizer = Resizer(video.path, sampling.height, sampling.width, sampling.band_height)
        while waiting:
            group = _next_group(waiting)
            waiting = waiting[len(group) :]
            failure = yield from _read_group(video, group, sampling, resizer)
            if failure is not None:
                yield from ((window, failure) for window in waiting if not video.begins_later(window))
                waiting = [window for window in (*group, *waiting) if video.begins_later(window)]


def _next_group(waiting: Sequence[Window]) -> list[Window]:
    """The first windows, up to the first long stretch that no window needs."""
    group = [waiting[0]]
    end_s = waiting[0][1]
    for window in waiting[1:]:
        if window[0] > end_s + _SEEK_OVER_S:
            break
        group.append(window)
        end_s = max(end_s, window[1])
    return group


def _read_group(
    video: JoinedVideo, windows: Sequence[Window], sampling: SamplingSettings, resizer: Resizer
) -> Generator[tuple[Window, Frames | VideoError], None, VideoError | None]:
    """Read windows that lie close together; returns the damage that the reading ran into, if any.

    Windows that begin after the damaged file are then yet to be read.
    """
    waiting = deque(windows)
    open_windows: list[_OpenWindow] = []
    last_s = stop_s = 0.0
    undecided: deque[ref[_Picture]] = deque()
    failure: VideoError | None = None
    try:
        for time_s, frame in video.frames(windows[0][0]):
            picture = _Picture(frame, resizer)
            undecided.append(ref(picture))
            if len(undecided) > _MOST_DECODED_BYTES // (frame.width * frame.height * 2):
                held = undecided.popleft()()
                if held is not None:  # a window may yet take it
                    held.pixels()
            while waiting and waiting[0][0] <= time_s + TOLERANCE_S:
                open_windows.append(_OpenWindow(waiting.popleft(), sampling))
            still_open = []
            for window in open_windows:
                if window.is_past(time_s):
                    yield window.window, _finished(video.path, window)
                else:
                    window.offer(time_s, picture)
                    still_open.append(window)
            open_windows = still_open
            if not open_windows and not waiting:
                return None
            stop_s = time_s + max(time_s - last_s, float((frame.duration or 0) * (frame.time_base or 0)))
            last_s = time_s
    except VideoError as error:
        failure = error
    for window in (*open_windows, *(_OpenWindow(w, sampling) for w in waiting)):
        start_s, end_s = window.window
        if failure is not None and video.begins_later(window.window):
            continue
        if failure is not None and not stop_s:
            yield window.window, failure  # nothing could be read
        elif stop_s >= end_s - slack_s(start_s, end_s):
            yield window.window, _finished(video.path, window)
        else:
            yield window.window, VideoError(video.path, _why_not(video, failure, stop_s, end_s))
    return failure


def _why_not(video: JoinedVideo, failure: VideoError | None, stop_s: float, end_s: float) -> str:
    if failure is None and any(time_s >= stop_s - TOLERANCE_S for time_s in video.undecodable_s):
        return f"damaged: no picture can be decoded from {stop_s:.1f} to {end_s:.1f} s"
    cause = f"{failure.reason}; it " if failure is not None else ""
    return f"{cause}ends after {stop_s:.1f} of {end_s:.1f} s"


def _finished(path: Path, window: _OpenWindow) -> Frames | VideoError:
    start_s, end_s = window.window
    try:
        return window.frames() or VideoError(path, f"has no frame between {start_s:.2f} and {end_s:.2f} s")
    except VideoError as error:  # one of its frames cannot be turned into a picture
        return error
