"""A request for a chat completion: messages, and frames with their true times in one of three forms."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_autodrive.engines.endpoint.tokens import TokenUsage
from vlm_autodrive.video import Frames

_TICKS_PER_S = 90_000  # fine enough that a time is off by 6 microseconds at most

FrameForm = Literal["frames", "video", "images"]
"""How frames are sent: the very pixels as one sequence of PNG pictures, whose times :func:`media_io_kwargs` tells; one
MP4; or JPEG images."""


@dataclass(frozen=True)
class ChatRequest:
    """A request for a chat completion.

    Attributes:
        text_body: The body without pictures, or whole if there are none.
        max_usage: The most tokens that one try can take.
        picture_key: What tells the pictures from others; empty for none.
        body_with_pictures: Makes the body with its pictures, which takes time and is done only where it is sent.
        min_prompt_tokens: The fewest prompt tokens of a request whose pictures all arrived.
    """

    text_body: bytes
    max_usage: TokenUsage
    picture_key: str = ""
    body_with_pictures: Callable[[], bytes] | None = None
    min_prompt_tokens: int = 0


def body_of(values: dict[str, Any]) -> bytes:
    """A body as it is sent."""
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")


def frame_parts(frames: Frames, form: FrameForm, *, say_times: bool) -> list[dict[str, Any]]:
    """Frames with their true times; they come before the text, so that requests about a clip begin alike.

    Args:
        frames: The frames.
        form: In which form they are sent.
        say_times: Whether the prompt also lists the frames' times.
    """
    if form != "images":
        times = ", ".join(f"{time_s:.2f}" for time_s in frames.times_s)
        url = as_video(frames) if form == "video" else as_sequence(frames)
        video = {"type": "video_url", "video_url": {"url": url}}
        return [video, text_part(f"The frames of the video are at t={times} seconds.")] if say_times else [video]
    parts: list[dict[str, Any]] = []
    for url, time_s in zip(as_images(frames), frames.times_s, strict=True):
        parts += [text_part(f"The frame at t={time_s:.2f}:")] if say_times else []
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


def media_io_kwargs(frames: Frames) -> dict[str, Any]:
    """The field of vLLM's requests that tells the times of :func:`as_sequence`, and that all frames are wanted.

    vLLM takes it from servers started with ``--trust-request-mm-kwargs`` (``vllm/multimodal/media/video.py``).
    """
    from vlm_autodrive.models import video_metadata  # torch, of which most requests have no need

    return {"video": {"num_frames": -1, **video_metadata(frames.times_s, frames.nominal_interval_s)}}


def text_part(text: str) -> dict[str, Any]:
    """Words beside pictures."""
    return {"type": "text", "text": text}


def as_images(frames: Frames) -> list[str]:
    """Each frame as the data URL of a JPEG."""
    return [f"data:image/jpeg;base64,{_picture(pixels, 'JPEG', quality=90)}" for pixels in frames.pixels]


def as_sequence(frames: Frames) -> str:
    """All frames as the data URL of vLLM's ``video/jpeg``: pictures parted by commas, here PNG, which loses nothing."""
    pictures = (_picture(pixels, "PNG", compress_level=1) for pixels in frames.pixels)
    return f"data:video/jpeg;base64,{','.join(pictures)}"


def _picture(pixels: NDArray[np.uint8], kind: str, **how: int) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind, **how)
    return base64.b64encode(stream.getvalue()).decode()


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
