"""Camera motion features from the differences of small greyscale frames.

A collision jolts the camera. What a model reaches beyond a classifier on these numbers is what it
sees; what it does not, it may owe to the jolt alone.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.settings import BaselineSettings
from vlm_autodrive.records import Clip, Record
from vlm_autodrive.video import SamplingSettings, VideoError, read_frames

Floats = NDArray[np.float64]

_EVERY_FRAME_FPS = 120.0  # above the rate of any dashcam, so that the sampler takes every frame


class MotionRow(Record):
    """The camera-shake features of one clip.

    Attributes:
        clip_id: The clip.
        features: The numbers; empty if the clip cannot be read.
        reason: Why not.
    """

    clip_id: str
    features: tuple[float, ...]
    reason: str = ""


def measure(clip: Clip, settings: BaselineSettings) -> MotionRow:
    """The features of a clip, or why it has none."""
    if clip.problem:
        return MotionRow(clip_id=clip.clip_id, features=(), reason=clip.problem)
    try:
        return MotionRow(clip_id=clip.clip_id, features=tuple(clip_features(clip, settings).tolist()))
    except VideoError as error:
        return MotionRow(clip_id=clip.clip_id, features=(), reason=error.reason)


def clip_features(clip: Clip, settings: BaselineSettings) -> Floats:
    """Camera-shake features of a clip, from all frames of its window at the video's own rate.

    Raises:
        VideoError: If the window cannot be read.
    """
    most = 2 * int(np.ceil(clip.duration_s * _EVERY_FRAME_FPS / 2)) + 2
    sampling = SamplingSettings(fps=_EVERY_FRAME_FPS, max_frames=most, height=settings.height, width=settings.width)
    frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, sampling, stream=clip.video_stream)
    return motion_features(frames.pixels.mean(axis=-1), frames.times_s, settings.windows_s)


def motion_features(grey: Floats, times_s: Sequence[float], windows_s: Sequence[float]) -> Floats:
    """Summaries of frame-to-frame motion.

    Motion is the mean absolute difference at three scales, the shift of the whole picture by phase
    correlation, sideways and vertical, and the jump of mean brightness. Of each series the features
    are its mean, spread, maximum and 90th percentile, and the largest mean and spread within a
    window of each length.

    Args:
        grey: Grey frames, shape [frames, height, width].
        times_s: Their times.
        windows_s: Window lengths.
    """
    series = _motion_series(grey)
    rate = (len(times_s) - 1) / max(times_s[-1] - times_s[0], 1e-6) if len(times_s) > 1 else 1.0
    return np.concatenate([_summary(row, rate, windows_s) for row in series])


def _motion_series(grey: Floats) -> list[Floats]:
    if len(grey) < 2:
        return [np.zeros(1)] * 6
    differences = []
    for scale in (1, 2, 4):
        small = _shrink(grey, scale)
        differences.append(np.abs(np.diff(small, axis=0)).mean(axis=(1, 2)))
    shifts = np.array([phase_shift(first, second) for first, second in pairwise(grey)])
    brightness = np.abs(np.diff(grey.mean(axis=(1, 2))))
    return [*differences, np.abs(shifts[:, 0]), np.abs(shifts[:, 1]), brightness]


def _shrink(grey: Floats, scale: int) -> Floats:
    height, width = grey.shape[1] // scale * scale, grey.shape[2] // scale * scale
    blocks = grey[:, :height, :width].reshape(len(grey), height // scale, scale, width // scale, scale)
    return np.asarray(blocks.mean(axis=(2, 4)))


def phase_shift(first: Floats, second: Floats) -> tuple[float, float]:
    """By how many pixels the picture moved down and to the right, by phase correlation."""
    # The Hann window fades the borders, whose jump would look like motion. Dividing the cross-power spectrum by its
    # magnitude leaves phases alone, and the inverse transform of a phase ramp is a peak at the shift.
    window = np.outer(np.hanning(first.shape[0]), np.hanning(first.shape[1]))
    spectrum = np.conj(np.fft.rfft2((first - first.mean()) * window)) * np.fft.rfft2((second - second.mean()) * window)
    correlation = np.fft.irfft2(spectrum / (np.abs(spectrum) + 1e-6), s=first.shape)
    row, column = np.unravel_index(int(correlation.argmax()), correlation.shape)
    # The transform is periodic: a shift beyond half the picture is one to the other side.
    height, width = first.shape
    down = int(row) - height if row > height // 2 else int(row)
    right = int(column) - width if column > width // 2 else int(column)
    return float(down), float(right)


def _summary(row: Floats, rate: float, windows_s: Sequence[float]) -> Floats:
    parts = [row.mean(), row.std(), row.max(), np.percentile(row, 90)]
    for window_s in windows_s:
        length = min(len(row), max(1, round(window_s * rate)))
        pieces = np.lib.stride_tricks.sliding_window_view(row, length)
        parts += [pieces.mean(axis=1).max(), pieces.std(axis=1).max()]
    # Motion is heavy-tailed; the logarithm keeps one jolt from setting the scale of the regression.
    return np.asarray(np.log1p(np.array(parts)), dtype=np.float64)
