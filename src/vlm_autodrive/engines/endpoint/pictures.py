"""Frames as an endpoint takes them: images, or one video whose frames keep their true times."""

import base64
import io
from fractions import Fraction

import av
from PIL import Image

from vlm_autodrive.video import Frames

_TICKS_PER_S = 90_000  # fine enough that a time is off by 6 microseconds at most


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
