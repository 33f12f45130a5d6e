"""Controls, that is input ablations: on them a model that uses the video has to lose its score on the original one.

Each is a function of frames alone. The request is the direct verdict, with the same prompt as on the original video, so
that nothing but the frames differs. A control takes footage away, not time: where times are drawn on the frames, each
frame of a control shows the time of its own place, as the prompt tells it of families that write times as text.
"""

import hashlib
from dataclasses import replace

import numpy as np

from vlm_autodrive.evaluation.settings import Control
from vlm_autodrive.records import Clip
from vlm_autodrive.video import Frames


def apply_control(control: Control, clip: Clip, frames: Frames, radius_s: float, seed: int) -> Frames | None:
    """The frames that a control shows of a clip; None if the clip cannot be given it.

    Args:
        control: The control.
        clip: The clip.
        frames: Its true frames.
        radius_s: Frames at most so many seconds from the event are hidden.
        seed: Of the order of ``shuffled``, with the clip's id.
    """
    match control:
        case "black":
            return black(frames)
        case "shuffled":
            return shuffled(frames, clip.clip_id, seed)
        case "no_video":
            return no_video(frames)
        case "event_hidden":
            return None if clip.event_time_s is None else event_hidden(frames, clip.event_time_s, radius_s)
        case "elsewhere_hidden":
            return None if clip.event_time_s is None else elsewhere_hidden(frames, clip.event_time_s, radius_s)


def black(frames: Frames) -> Frames:
    """As many black frames at the same times."""
    return replace(frames, pixels=np.zeros_like(frames.pixels))


def shuffled(frames: Frames, clip_id: str, seed: int) -> Frames:
    """The same frames at the same times in another order, which the clip's id and the seed decide."""
    count = len(frames.times_s)
    if count < 2:
        return frames
    digest = hashlib.sha256(f"{seed}|{clip_id}".encode()).digest()
    chance = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    order = chance.permutation(count)
    while (order == np.arange(count)).all():
        order = chance.permutation(count)
    return replace(frames, pixels=frames.pixels[order])


def no_video(frames: Frames) -> Frames:
    """No frame at all."""
    return replace(frames, pixels=frames.pixels[:0], times_s=())


def event_hidden(frames: Frames, event_time_s: float, radius_s: float) -> Frames | None:
    """The frames at most ``radius_s`` from the event black; None if none is so near."""
    near = _near(frames, event_time_s, radius_s)
    return _hidden(frames, near.start, near.stop) if near else None


def elsewhere_hidden(frames: Frames, event_time_s: float, radius_s: float) -> Frames | None:
    """As many frames in a row black as :func:`event_hidden` hides, at the end of the clip that is farther from it.

    None where that is not possible without hiding a frame near the event.
    """
    near = _near(frames, event_time_s, radius_s)
    before, behind = near.start, len(frames.times_s) - near.stop
    if not near or max(before, behind) < len(near):
        return None
    # The longer side leaves most frames between the event and those hidden.
    begin = 0 if before >= behind else len(frames.times_s) - len(near)
    return _hidden(frames, begin, begin + len(near))


def _near(frames: Frames, event_time_s: float, radius_s: float) -> range:
    """Places of the frames at most ``radius_s`` from the event."""
    near = [place for place, time_s in enumerate(frames.times_s) if abs(time_s - event_time_s) <= radius_s]
    return range(near[0], near[-1] + 1) if near else range(0)


def _hidden(frames: Frames, begin: int, end: int) -> Frames:
    pixels = np.array(frames.pixels)
    pixels[begin:end] = 0
    return replace(frames, pixels=pixels)
