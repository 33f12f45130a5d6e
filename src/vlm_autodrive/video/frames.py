"""Frames with their presentation times, and the settings of frame sampling."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from vlm_autodrive.settings import Settings
from vlm_autodrive.video.timestamps import band_height, check_legible, with_timestamps

Window = tuple[float, float]
"""Start and end of a window in seconds after the video's first frame; the end is outside."""

TEMPORAL_PATCH_SIZE = 2
"""Consecutive frames that a model merges into one temporal patch, ``temporal_patch_size`` of its image processor."""


class SamplingSettings(Settings):
    """How frames are sampled from a window; the same in training, evaluation, detection and serving.

    Attributes:
        fps: Frames to sample per second of the window.
        n_frames: Number of frames to sample from every window, whatever its length; replaces ``fps``.
        token_budget: Maximum number of video tokens per window; the frame rate is lowered to keep it. Separators and
            timestamps that some models write between frames are not counted.
        token_pixels: Side in pixels of a merged patch (patch_size * merge_size), which becomes one token of a pair of
            frames: 28 for Qwen2.5-VL, 32 for Qwen3-VL. Required with ``token_budget``.
        max_frames: Maximum number of frames per window; the frame rate of a longer window is lowered.
        height: Frame height in pixels at the model's input; must be a multiple of the model's merged patch size: 28 for
            Qwen2.5-VL, 32 for Qwen3-VL. The default suits both.
        width: Frame width in pixels at the model's input; must be a multiple as for ``height``. Frames are resized
            without cropping, so the aspect ratio may change.
        draw_timestamps: Draw the time of each frame, in seconds after the window's start, in a black band at its
            bottom; the footage gets the rows above. Cosmos-Reason1 gives accurate times only with them. Height and
            width must be 84 or more.
    """

    fps: float = Field(4.0, gt=0)
    n_frames: int | None = Field(None, ge=2)
    token_budget: int | None = Field(None, ge=1)
    token_pixels: int | None = Field(None, ge=1)
    max_frames: int = Field(32, ge=2)
    height: int = Field(224, ge=8)
    width: int = Field(448, ge=8)
    draw_timestamps: bool = False

    @property
    def pair_tokens(self) -> int | None:
        """Video tokens of a pair of frames; None if ``token_pixels`` is not set."""
        side = self.token_pixels
        return None if side is None else (self.height // side) * (self.width // side)

    @property
    def band_height(self) -> int:
        """Rows at the bottom of a frame that are kept for its timestamp; 0 without timestamps."""
        return band_height(self.height) if self.draw_timestamps else 0

    @model_validator(mode="after")
    def _legible(self) -> "SamplingSettings":
        if self.draw_timestamps:
            check_legible(self.height, self.width)
        return self

    @model_validator(mode="after")
    def _even(self) -> "SamplingSettings":
        for name, count in (("max_frames", self.max_frames), ("n_frames", self.n_frames)):
            if count is not None and count % TEMPORAL_PATCH_SIZE:
                raise ValueError(f"{name} must be even, since models merge frames in pairs")
        if self.n_frames is not None and self.n_frames > self.max_frames:
            raise ValueError(f"n_frames={self.n_frames} is more than max_frames={self.max_frames}; raise that too")
        return self

    @model_validator(mode="after")
    def _affordable(self) -> "SamplingSettings":
        if self.token_budget is None:
            return self
        side, tokens = self.token_pixels, self.pair_tokens
        if side is None or tokens is None:
            raise ValueError("token_budget needs token_pixels: 28 for Qwen2.5-VL, 32 for Qwen3-VL")
        if self.height % side or self.width % side:
            raise ValueError(f"height and width must be multiples of token_pixels={side}")
        if tokens > self.token_budget:
            raise ValueError(
                f"one pair of frames of {self.height} x {self.width} costs {tokens} tokens, more than "
                f"token_budget={self.token_budget}; raise it, or make the frames smaller"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is null or false unless it was set so, so that older results stay current.

        What was set so is kept: in ``evaluate.sampling`` it overrides the sampling of the training.
        """
        values: dict[str, Any] = handler(self)
        return {
            key: value
            for key, value in values.items()
            if key in self.model_fields_set or (value is not None and value is not False)
        }


@dataclass(frozen=True)
class Frames:
    """Frames of one window.

    Attributes:
        pixels: RGB, shape [frames, height, width, 3]; from the cache a private map of a file.
        times_s: True presentation time of each frame in seconds after the window's start, rising.
        timestamps_drawn: Whether each frame shows its time in the band at its bottom. It is drawn here, so that frames
            made of others with :func:`dataclasses.replace`, mirrored, blackened or in another order, show their own
            times upright.
        nominal_interval_s: The interval that they were sampled with, which the true ones jitter about; None if it is
            not known.
    """

    pixels: NDArray[np.uint8]
    times_s: tuple[float, ...]
    timestamps_drawn: bool = False
    nominal_interval_s: float | None = None

    def __post_init__(self) -> None:
        """Draw the times, on a copy of the pixels."""
        if self.timestamps_drawn:
            object.__setattr__(self, "pixels", with_timestamps(self.pixels, self.times_s))
