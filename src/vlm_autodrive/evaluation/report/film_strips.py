"""Film strips: a few frames of a clip around its event, with what marks them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_autodrive.evaluation.settings import ReportSettings
from vlm_autodrive.records import Clip
from vlm_autodrive.video import read_pictures

_JPEG_QUALITY = 72


@dataclass(frozen=True)
class StripFrame:
    """One frame of a film strip: its picture as a data address, its clip time, and what marks it."""

    picture: str
    time_s: float
    is_event: bool
    is_cited: bool


def film_strip(clip: Clip, cited_s: Sequence[float], settings: ReportSettings) -> tuple[StripFrame, ...]:
    """The frames of a clip, evenly spaced around its event.

    Args:
        clip: The clip.
        cited_s: Moments that a trace cites, in clip time.
        settings: How many frames, how large and how far apart.

    Raises:
        VideoError: If the video cannot be read.
    """
    times_s = strip_times(clip, settings)
    pictures = read_pictures(Path(clip.path), [clip.start_s + t for t in times_s], settings.frame_width)
    reach = (times_s[1] - times_s[0]) / 2 + 1e-6

    def nearest(moment_s: float) -> int | None:
        index = min(range(len(times_s)), key=lambda i: abs(times_s[i] - moment_s))
        return index if abs(times_s[index] - moment_s) <= reach else None

    event = None if clip.event_time_s is None else nearest(clip.event_time_s)
    named = {nearest(moment) for moment in cited_s}
    return tuple(
        StripFrame(data_address(picture), time_s, is_event=index == event, is_cited=index in named)
        for index, (picture, time_s) in enumerate(zip(pictures, times_s, strict=True))
    )


def strip_times(clip: Clip, settings: ReportSettings) -> list[float]:
    """Evenly spaced clip times around the event, or over the middle of a clip without one."""
    length = min(2 * settings.seconds_around, clip.duration_s)
    middle = clip.event_time_s if clip.event_time_s is not None else clip.duration_s / 2
    begin = min(max(0.0, middle - length / 2), clip.duration_s - length)
    times_s = np.linspace(begin, begin + length, settings.frames_per_example)
    return [round(float(time_s), 2) for time_s in times_s]


def data_address(picture: NDArray[np.uint8]) -> str:
    """A picture as a ``data:`` address that a page can hold."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
