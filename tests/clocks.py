"""Videos with a burned-in clock: every frame shows its own number as eight black or white bars."""

from fractions import Fraction

import av
import numpy as np

BITS = 8


def write_clock(
    path,
    times_s=None,
    *,
    fps=10,
    count=60,
    codec="libx264",
    size=(128, 64),
    options=None,
    offset_s=0.0,
    gop=10,
    pix_fmt=None,
):
    """Write a video whose frame ``i`` is shown at ``times_s[i]`` (by default ``i / fps``) and shows ``i``."""
    times_s = [i / fps for i in range(count)] if times_s is None else times_s
    path.parent.mkdir(parents=True, exist_ok=True)
    rated = path.suffix in (".avi", ".gif")  # these know a frame rate only
    width, height = size
    with av.open(str(path), "w") as container:
        # libsvtav1 refuses a rate of 1000; the others need it to keep uneven times
        rate = fps if rated or path.suffix == ".webm" or codec == "libsvtav1" else 1000
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt or {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        stream.options = (
            {"preset": "ultrafast", "g": str(gop), **(options or {})} if codec == "libx264" else options or {}
        )
        if not rated:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, time_s in enumerate(times_s):
            bars = [255 * (number >> bit & 1) for bit in range(BITS)]
            row = np.repeat(np.array(bars, np.uint8), width // BITS)
            frame = av.VideoFrame.from_ndarray(np.broadcast_to(row[None, :, None], (height, width, 3)).copy(), "rgb24")
            frame.pts = number if rated else round((time_s + offset_s) * 1000)
            frame.time_base = Fraction(1, fps) if rated else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbers_shown(pixels):
    """The numbers that frames show, whatever their size."""
    bars = pixels.mean(axis=(1, 3)).reshape(len(pixels), BITS, -1).mean(axis=2) > 127
    return [int(sum(1 << bit for bit in range(BITS) if row[bit])) for row in bars]


def turn(path, matrix):
    """Write a display matrix, 16.16 numbers a b c d, into an MP4 file's track header."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    unit = (1 << 30).to_bytes(4, "big")
    zero = bytes(4)
    content[at : at + 36] = a + b + zero + c + d + zero + zero + zero + unit
    path.write_bytes(content)
