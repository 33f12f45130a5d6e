"""Frames to H.264, with the same bytes for the same frames."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av


def encode(frames: Iterable[av.VideoFrame], path: Path, width: int, height: int, fps: int) -> None:
    """Write an MP4. It gets its name only when it is whole."""
    partial = path.with_name(f"{path.name}.partial")
    with av.open(str(partial), "w", format="mp4") as container:
        # One thread: with more, the bytes depend on their number.
        stream = container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "crf": "23", "threads": "1", "g": "50"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    partial.replace(path)
