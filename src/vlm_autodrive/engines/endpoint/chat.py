"""The parts of a chat completion's body."""

import json
from typing import Any

from vlm_autodrive.engines.endpoint.pictures import as_images, as_video
from vlm_autodrive.video import Frames


def body_of(values: dict[str, Any]) -> bytes:
    """A body as it is sent."""
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")


def shown(frames: Frames, *, as_one_video: bool, say_times: bool = True) -> list[dict[str, Any]]:
    """Frames with their true times; they come before the text, so that requests about a clip begin alike.

    Args:
        frames: The frames.
        as_one_video: Send them as one video, whose frames keep their times, rather than as images.
        say_times: Whether the times stand there in words too.
    """
    if as_one_video:
        times = ", ".join(f"{time_s:.2f}" for time_s in frames.times_s)
        video = {"type": "video_url", "video_url": {"url": as_video(frames)}}
        return [video, text_part(f"The frames of the video are at t={times} seconds.")] if say_times else [video]
    parts: list[dict[str, Any]] = []
    for url, time_s in zip(as_images(frames), frames.times_s, strict=True):
        parts += [text_part(f"The frame at t={time_s:.2f}:")] if say_times else []
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


def text_part(text: str) -> dict[str, Any]:
    """Words beside pictures."""
    return {"type": "text", "text": text}
