"""How the Qwen families take a video: patches of pairs of frames, three axes of position.

Qwen3-VL (Cosmos-Reason2) and Qwen3.5 write each pair's time into the prompt. Qwen2.5-VL (Cosmos-Reason1)
has one scalar interval in its positions, which cannot express frames at uneven times.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.video_format import Prefix

_MILLISECONDS_PER_SECOND = 1000
_PATCHES_AT_ONCE = 512  # their floats stay in the processor's cache from step to step


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


class Patcher:
    """Frames to normalised patches: the numbers of the stock video processor, in less than half its time.

    The stock processor normalises whole frames and then moves every float to its patch. Here the bytes are
    moved, a quarter of the size, and normalised a cache-full at a time by the very same operations, so the
    results are bitwise the same; ``tests/models/test_patches.py`` holds them to it.
    """

    def __init__(self, video_processor: Any) -> None:
        self._side: int = video_processor.patch_size
        self._merge: int = video_processor.merge_size
        self._depth: int = video_processor.temporal_patch_size
        mean, std, _ = video_processor._fuse_mean_std_and_rescale_factor(
            do_normalize=video_processor.do_normalize,
            image_mean=video_processor.image_mean,
            image_std=video_processor.image_std,
            do_rescale=video_processor.do_rescale,
            rescale_factor=video_processor.rescale_factor,
        )
        self._mean = torch.as_tensor(mean, dtype=torch.float32)[:, None]
        self._std = torch.as_tensor(std, dtype=torch.float32)[:, None]

    def patches(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised patches of frames.

        Args:
            pixels: Shape [frames, height, width, 3]; an odd number of frames has its last paired with itself.

        Returns:
            Shape [patches, values of a patch].
        """
        side, merge, depth = self._side, self._merge, self._depth
        frames = torch.from_numpy(np.ascontiguousarray(pixels))
        if missing := -len(frames) % depth:
            frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)])
        rows, columns = frames.shape[1] // side // merge, frames.shape[2] // side // merge
        cut = frames.view(len(frames) // depth, depth, rows, merge, side, columns, merge, side, 3)
        # Pair, row and column of the token, row and column in it; channel, frame, row and column in the patch.
        moved = cut.permute(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(-1, 3, depth * side * side)
        patches = torch.empty(moved.shape, dtype=torch.float32)
        for begin in range(0, len(moved), _PATCHES_AT_ONCE):
            part = patches[begin : begin + _PATCHES_AT_ONCE]
            part.copy_(moved[begin : begin + _PATCHES_AT_ONCE])
            part.sub_(self._mean).div_(self._std)
        return patches.flatten(1)
