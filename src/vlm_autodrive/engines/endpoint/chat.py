"""The body of a chat completion: messages, and frames as images or as one video that keeps their true times."""

import base64
import io
import json
from fractions import Fraction
from typing import Any

import av
from PIL import Image

from vlm_autodrive.video import Frames

_TICKS_PER_S = 90_000  # fine enough that a time is off by 6 microseconds at most


def body_of(values: dict[str, Any]) -> bytes:
    """A body as it is sent."""
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")


def frame_parts(frames: Frames, *, as_one_video: bool, say_times: bool = True) -> list[dict[str, Any]]:
    """Frames with their true times; they come before the text, so that requests about a clip begin alike.

    Args:
        frames: The frames.
        as_one_video: Send them as one video, whose frames keep their times, rather than as images.
        say_times: Whether the prompt also lists the frames' times.
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


def as_images(frames: Frames) -> list[str]:
    """Each frame as the data URL of a JPEG."""
    urls = []
    for pixels in frames.pixels:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, format="JPEG", quality=90)
        urls.append(f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}")
    return urls


def as_video(frames: Frames) -> str:
    """All frames as the data URL of one H.264 MP4, each shown at its own time.

    H.264 wants even sizes: an odd last row or column is left out.
    """
    stream = io.BytesIO()
    _, height, width, _ = frames.pixels.shape
    with av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=30, options={"crf": "18", "preset": "veryfast", "bf": "0"})
        video.width, video.height, video.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        for pixels, time_s in zip(frames.pixels, frames.times_s, strict=True):
            picture = av.VideoFrame.from_ndarray(pixels[: height // 2 * 2, : width // 2 * 2].copy(), format="rgb24")
            picture.pts, picture.time_base = round(time_s * _TICKS_PER_S), Fraction(1, _TICKS_PER_S)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    return f"data:video/mp4;base64,{base64.b64encode(stream.getvalue()).decode()}"
