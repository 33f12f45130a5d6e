"""Timestamps drawn on frames: each frame's time in white digits in a black band below the footage.

Cosmos-Reason1 needs them to give accurate times (nvidia-cosmos/cosmos-reason1, issue 55). The form is that of NVIDIA's
script for it (``overlay_text`` in its ``cosmos_reason1_utils/vision.py``): seconds with two decimals and an ``s``, in a
band of 28 rows with digits of 20 pixels, every other frame in the left and in the right half, so that the digits of two
frames that a model merges do not lie on each other. There the band is added to the frame; here it is part of its
height, and the footage is squeezed into the rows above, so nothing is hidden and a frame costs the same tokens.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_SMALLEST_SIDE = 84  # of a frame on which the digits can be read
_LARGEST_BAND, _SMALLEST_BAND = 28, 12
_FRAME_HEIGHT_PER_BAND = 9
_SMALLEST_FONT = 10


def band_height(frame_height: int) -> int:
    """Rows of the band at the bottom of a frame: 28 from a height of 252 on, fewer in smaller frames."""
    return min(_LARGEST_BAND, max(_SMALLEST_BAND, frame_height // _FRAME_HEIGHT_PER_BAND))


def is_legible(height: int, width: int) -> bool:
    """Whether frames of this size are large enough for the digits to be read."""
    return min(height, width) >= _SMALLEST_SIDE


def check_legible(height: int, width: int) -> None:
    """Refuse frames that are too small for timestamps.

    Raises:
        ValueError: If they are.
    """
    if not is_legible(height, width):
        raise ValueError(
            f"draw_timestamps needs frames of at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels for its digits to be "
            f"legible, not {height} x {width}"
        )


def with_timestamps(pixels: NDArray[np.uint8], times_s: tuple[float, ...]) -> NDArray[np.uint8]:
    """A copy of frames with their times in the band at their bottom, whatever was there before.

    Args:
        pixels: RGB, shape [frames, height, width, 3].
        times_s: Of each frame, the seconds to be drawn.
    """
    drawn = np.array(pixels)
    _, height, width, _ = drawn.shape
    rows = band_height(height)
    drawn[:, -rows:] = 0
    for place, time_s in enumerate(times_s):
        label = _label(f"{time_s:.2f}s", rows)
        middle = width // 4 if place % 2 == 0 else width - width // 4
        left = middle - label.shape[1] // 2
        drawn[place, -rows:, left : left + label.shape[1]] = label[..., None]
    return drawn


@lru_cache(maxsize=4096)
def _label(text: str, rows: int) -> NDArray[np.uint8]:
    """White text on black, as high as the band; shape [rows, width]."""
    font = ImageFont.load_default(max(_SMALLEST_FONT, rows * 5 // 7))
    picture = Image.new("L", (round(font.getlength(text)) + 2, rows))
    ImageDraw.Draw(picture).text((picture.width / 2, rows / 2), text, fill=255, font=font, anchor="mm")
    return np.asarray(picture)
