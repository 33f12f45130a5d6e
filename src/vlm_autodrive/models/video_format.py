"""The video format of a model family: the part common to all families."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prefix:
    """Tokens of system prompt and video.

    Attributes:
        input_ids: Shape [tokens].
        position_ids: Position of each token in each axis that the model turns by: temporal, height and
            width for the Qwen families, one for a model with plain positions; shape [axes, tokens].
        next_position: Position id of the first token of every sample, the same in all axes.
        grid_thw: Grid of the video's patches: steps of time, rows, columns; all 0 without a video.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    next_position: int
    grid_thw: tuple[int, int, int]


def forward_positions(positions: torch.Tensor) -> torch.Tensor:
    """Positions [axes, rows, tokens] in the shape that a ``forward`` takes: plain ones have no axis of axes."""
    return positions[0] if len(positions) == 1 else positions


class VideoFormat(Protocol):
    """What differs between families in how a video becomes tokens and tensors."""

    @property
    def placeholder(self) -> str:
        """The placeholder that the chat template writes for a video."""

    @property
    def processor_placeholder(self) -> str:
        """What the processor is given in its place."""

    @property
    def patch_frames(self) -> int:
        """Frames of a temporal patch: the vision tower sees them together, and apart from those of all others."""

    @property
    def position_axes(self) -> int:
        """How many axes a token's position has."""

    def before_video(self, times_s: tuple[float, ...]) -> str:
        """Text that is to stand before the video; empty where the family tells times by itself."""

    def nearest_size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of frames that the model can take and that are nearest to these."""

    def check_size(self, height: int, width: int, token_pixels: int | None) -> None:
        """Refuse frames of a size that the model cannot take, with a :class:`UserError` that says which it can."""

    def prefix(
        self, head: str, times_s: tuple[float, ...], height: int, width: int, nominal_interval_s: float | None
    ) -> Prefix:
        """Tokens and positions of a rendered head that ends with :attr:`processor_placeholder`.

        Args:
            head: The rendered conversation up to the video.
            times_s: The true times of the frames.
            height: Pixels of a frame.
            width: Likewise.
            nominal_interval_s: The interval that the frames were sampled with, if it is known.
        """

    def pixel_values(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised values of frames [frames, height, width, 3]; clips are joined along the first axis."""

    def inputs(self, values: torch.Tensor, grids: torch.Tensor) -> dict[str, torch.Tensor]:
        """The arguments of the model's ``forward`` that hold the videos, in the order of their places in the rows.

        Args:
            values: What :meth:`pixel_values` gave for all clips, joined.
            grids: Each clip's grid, shape [clips, 3].
        """

    def features(self, model: Any, values: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """What the vision tower makes of temporal patches; each patch's is the same whatever the others are.

        Args:
            model: The model, with its head.
            values: :meth:`pixel_values` of the patches' frames, on the model's device.
            grid: Number of patches, rows and columns of each.

        Returns:
            Shape [patches, layers, tokens, size]: first what stands in the tokens' place, then what is added to it in
            the first layers of the language model, if the family does so (DeepStack).
        """

    def feature_inputs(self, features: torch.Tensor) -> dict[str, Any]:
        """As :meth:`inputs`, for clips whose patches were seen before.

        Args:
            features: Of all clips' patches, one behind another, as :meth:`features` gives them.
        """
