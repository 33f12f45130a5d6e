"""How the Qwen families take a video: patches of pairs of frames, three axes of position.

Qwen3-VL (Cosmos-Reason2) and Qwen3.5 write each pair's time into the prompt. Qwen2.5-VL (Cosmos-Reason1)
has one scalar interval in its positions, which cannot express frames at uneven times.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.patches import Patcher
from vlm_autodrive.models.video_format import Prefix

_MILLISECONDS_PER_SECOND = 1000


class QwenVideo:
    """A video for a model of a Qwen family.

    Args:
        processor: The model's Hugging Face processor.
        model: The model, for its reckoning of positions.
        text_timestamps: Whether times are written into the prompt.
    """

    placeholder = "<|vision_start|><|video_pad|><|vision_end|>"
    position_axes = 3  # time, height, width

    def __init__(self, processor: Any, model: Any, *, text_timestamps: bool) -> None:
        self._processor = processor
        self._video_processor = processor.video_processor
        self._side: int = self._video_processor.patch_size * self._video_processor.merge_size  # pixels of a token
        self._patcher = Patcher(processor.video_processor)
        self._rope_index = model.model.get_rope_index
        self._text_timestamps = text_timestamps
        # Where the processor writes each pair of frames with its own time and its own start and end,
        # a second start and end around them all would be tokens that the model never saw in training.
        self.processor_placeholder = "<|video_pad|>" if text_timestamps else self.placeholder

    def before_video(self, times_s: tuple[float, ...]) -> str:
        """Nothing: the processor or the positions tell the times."""
        del times_s
        return ""

    def nearest_size(self, height: int, width: int) -> tuple[int, int]:
        """Whole tokens, at least one."""
        return max(1, round(height / self._side)) * self._side, max(1, round(width / self._side)) * self._side

    def check_size(self, height: int, width: int, token_pixels: int | None) -> None:
        """Refuse frames that cannot be cut into whole tokens."""
        side = self._side
        if token_pixels is not None and token_pixels != side:
            raise UserError(
                f"this model makes a token of {side} x {side} pixels; set sampling.token_pixels={side}, "
                f"and not {token_pixels}."
            )
        near = self.nearest_size(height, width)
        if near != (height, width):
            raise UserError(
                f"this model takes frames whose height and width are multiples of {side}, and not {height} x {width}; "
                f"set sampling.height={near[0]} and sampling.width={near[1]}."
            )

    def prefix(self, head: str, times_s: tuple[float, ...], height: int, width: int) -> Prefix:
        """Tokens and positions by the stock processor and the stock reckoning of positions."""
        blank = torch.zeros(len(times_s), 3, height, width, dtype=torch.uint8)
        indices = [round(time * _MILLISECONDS_PER_SECOND) for time in times_s]
        metadata = {
            "total_num_frames": indices[-1] + 1,
            "fps": float(_MILLISECONDS_PER_SECOND),
            "frames_indices": indices,
            "height": height,
            "width": width,
        }
        encoded = self._processor(
            text=[head],
            videos=[blank],
            video_metadata=[metadata],
            do_sample_frames=False,
            do_resize=False,
            return_tensors="pt",
        )
        input_ids = encoded["input_ids"][0]
        types = encoded["mm_token_type_ids"][0]
        grid = encoded["video_grid_thw"]
        extra = {}
        if not self._text_timestamps:
            interval = (times_s[-1] - times_s[0]) / max(len(times_s) - 1, 1)
            extra["second_per_grid_ts"] = torch.tensor([interval * self._video_processor.temporal_patch_size])
        # One text token more than the prefix: its position is where every item begins.
        ids = torch.cat([input_ids, input_ids.new_zeros(1)])[None]
        kinds = torch.cat([types, types.new_zeros(1)])[None]
        positions, _ = self._rope_index(input_ids=ids, mm_token_type_ids=kinds, video_grid_thw=grid, **extra)
        return Prefix(
            input_ids=input_ids,
            position_ids=positions[:, 0, :-1],
            next_position=int(positions[0, 0, -1]),
            grid_thw=(int(grid[0, 0]), int(grid[0, 1]), int(grid[0, 2])),
        )

    def pixel_values(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised patches, shape [patches, values of a patch]."""
        return self._patcher.patches(pixels)

    def inputs(self, values: torch.Tensor, grids: torch.Tensor) -> dict[str, torch.Tensor]:
        """All clips' patches in a row, and where each clip's begin."""
        return {"pixel_values_videos": values, "video_grid_thw": grids}
