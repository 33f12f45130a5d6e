"""How the Qwen families take a video: patches of pairs of frames, three axes of position.

Qwen3-VL (Cosmos-Reason2) and Qwen3.5 write each pair's time into the prompt. Qwen2.5-VL (Cosmos-Reason1)
has one scalar interval in its positions, which cannot express frames at uneven times.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.mrope import mrope_positions, video_metadata
from vlm_autodrive.models.video_format import Prefix
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE

_VIDEO = 2  # of mm_token_type_ids
_PATCHES_AT_ONCE = 512  # their floats stay in the processor's cache from step to step
_PLACEHOLDER = "<|vision_start|><|video_pad|><|vision_end|>"


def processor_placeholder(*, text_timestamps: bool) -> str:
    """What the processor is given in the place of a video.

    Where it writes each pair of frames with its own time and its own start and end, a second start and end around
    them all would be tokens that the model never saw in training.
    """
    return "<|video_pad|>" if text_timestamps else _PLACEHOLDER


class QwenVideo:
    """A video for a model of a Qwen family.

    Args:
        processor: The model's Hugging Face processor.
        model: The model, for its temporal positions in a second.
        text_timestamps: Whether times are written into the prompt.
    """

    placeholder = _PLACEHOLDER
    position_axes = 3  # time, height, width
    patch_frames = TEMPORAL_PATCH_SIZE

    def __init__(self, processor: Any, model: Any, *, text_timestamps: bool) -> None:
        self._processor = processor
        self._video_processor = processor.video_processor
        self._side: int = self._video_processor.patch_size * self._video_processor.merge_size  # pixels of a token
        self._patcher = Patcher(processor.video_processor)
        self._text_timestamps = text_timestamps
        self._tokens_per_second = 0 if text_timestamps else model.config.vision_config.tokens_per_second
        self.processor_placeholder = processor_placeholder(text_timestamps=text_timestamps)

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
                f"set sampling.height={near[0]} and sampling.width={near[1]} "
                "(train.sampling.height and train.sampling.width in a recipe and of `run`)."
            )

    def prefix(
        self, head: str, times_s: tuple[float, ...], height: int, width: int, nominal_interval_s: float | None
    ) -> Prefix:
        """Tokens and interval by the stock processor, positions by :func:`mrope_positions`."""
        blank = torch.zeros(len(times_s), 3, height, width, dtype=torch.uint8)
        metadata = {**video_metadata(times_s, nominal_interval_s), "height": height, "width": width}
        encoded = self._processor(
            text=[head],
            videos=[blank],
            video_metadata=[metadata],
            do_sample_frames=False,
            do_resize=False,
            return_tensors="pt",
        )
        steps, patch_rows, patch_columns = encoded["video_grid_thw"][0].tolist()
        merge = self._video_processor.merge_size
        rows, columns = patch_rows // merge, patch_columns // merge
        is_video = (encoded["mm_token_type_ids"][0] == _VIDEO).tolist()
        if self._text_timestamps:  # each pair is a video of its own behind its time
            positions, next_position = mrope_positions(is_video, [(1, rows, columns)] * steps)
        else:
            temporal_step = float(encoded["second_per_grid_ts"][0]) * self._tokens_per_second
            positions, next_position = mrope_positions(is_video, [(steps, rows, columns)], temporal_step)
        return Prefix(
            input_ids=encoded["input_ids"][0],
            position_ids=positions,
            next_position=next_position,
            grid_thw=(steps, patch_rows, patch_columns),
        )

    def pixel_values(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised patches, shape [patches, values of a patch]."""
        return self._patcher.patches(pixels)

    def inputs(self, values: torch.Tensor, grids: torch.Tensor) -> dict[str, torch.Tensor]:
        """All clips' patches in a row, and where each clip's begin."""
        return {"pixel_values_videos": values, "video_grid_thw": grids}

    def features(self, model: Any, values: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """The towers attend within a step of time, and their positions are of rows and columns alone."""
        seen = model.model.get_video_features(values, torch.tensor([grid], device=values.device), return_dict=True)
        layers = [seen.pooler_output, *(getattr(seen, "deepstack_features", None) or ())]
        together = [torch.cat(tuple(layer)) for layer in layers]
        return torch.stack([layer.view(grid[0], -1, layer.shape[-1]) for layer in together], dim=1)

    def feature_inputs(self, features: torch.Tensor) -> dict[str, Any]:
        """In the form in which the stock tower's output is kept."""
        first, *deeper = ((layer.flatten(0, 1),) for layer in features.unbind(1))
        return {"mm_encoder_outputs": {"video": SimpleNamespace(pooler_output=first, deepstack_features=deeper)}}


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
