"""Frames with their true times, and the settings by which they are chosen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vlm_autodrive.settings import Settings


class SamplingSettings(Settings):
    """How frames are taken from a window; the same in training, evaluation, detection and serving.

    Attributes:
        fps: Frames wanted for each second of the window.
        max_frames: Never more than this; a longer window is sampled more thinly.
        height: Pixels of every frame as the model sees it, a multiple of the model's patch grid: 28 for
            Qwen2.5-VL, 32 for Qwen3-VL; the default suits both.
        width: Likewise. The whole picture is squeezed to this size; nothing is cropped off.
    """

    fps: float = Field(4.0, gt=0)
    max_frames: int = Field(32, ge=2)
    height: int = Field(224, ge=8)
    width: int = Field(448, ge=8)

    @model_validator(mode="after")
    def _even(self) -> "SamplingSettings":
        if self.max_frames % 2:
            raise ValueError("max_frames must be even, since models merge frames in pairs")
        return self


@dataclass(frozen=True)
class Frames:
    """Frames of one window.

    Attributes:
        pixels: RGB, shape [frames, height, width, 3].
        times_s: True presentation time of each frame in seconds after the window's start, rising.
    """

    pixels: NDArray[np.uint8]
    times_s: tuple[float, ...]
