"""How InternVL takes a video: every frame an image of one fixed square size, plain positions.

Its processor numbers the frames and tells no times. A line before the video does: it is ordinary text of
the user's turn, so that any server which renders the stock chat template can be given the same.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.video_format import Prefix


class InternVLVideo:
    """A video for an InternVL model.

    Args:
        processor: The model's Hugging Face processor.
        model: The model, for the size of its pictures.
    """

    placeholder = "<video>"
    processor_placeholder = "<video>"
    position_axes = 1
    patch_frames = 1

    def __init__(self, processor: Any, model: Any) -> None:
        self._processor = processor
        self._video_processor = processor.video_processor
        vision = model.config.vision_config
        self._size = (int(vision.image_size[0]), int(vision.image_size[1]))
        self._patch = int(vision.patch_size[0])

    def before_video(self, times_s: tuple[float, ...]) -> str:
        """The times of the frames, in the order in which they are numbered."""
        return "Times of the frames: " + ", ".join(f"{time:.2f}" for time in times_s) + " seconds.\n"

    def nearest_size(self, height: int, width: int) -> tuple[int, int]:
        """The one size that there is."""
        del height, width
        return self._size

    def check_size(self, height: int, width: int, token_pixels: int | None) -> None:
        """Refuse every size but the model's own."""
        if token_pixels is not None:
            raise UserError(
                f"each frame costs this model {self._processor.image_seq_length} tokens whatever its size, so a budget "
                "cannot be reckoned by token_pixels; leave sampling.token_budget out and set sampling.max_frames."
            )
        if (height, width) != self._size:
            raise UserError(
                f"this model takes frames of {self._size[0]} x {self._size[1]} only, and not {height} x {width}; "
                f"set sampling.height={self._size[0]} and sampling.width={self._size[1]} "
                "(train.sampling.height and train.sampling.width in a recipe and of `run`)."
            )

    def prefix(
        self, head: str, times_s: tuple[float, ...], height: int, width: int, nominal_interval_s: float | None
    ) -> Prefix:
        """Tokens by the stock processor; positions are the tokens' numbers, and know no interval."""
        del nominal_interval_s
        blank = torch.zeros(len(times_s), 3, height, width, dtype=torch.uint8)
        encoded = self._processor(
            text=[head], videos=[blank], do_sample_frames=False, do_resize=False, return_tensors="pt"
        )
        input_ids = encoded["input_ids"][0]
        return Prefix(
            input_ids=input_ids,
            position_ids=torch.arange(len(input_ids))[None],
            next_position=len(input_ids),
            grid_thw=(len(times_s), height // self._patch, width // self._patch),
        )

    def pixel_values(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised frames, shape [frames, 3, height, width]."""
        frames = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        encoded = self._video_processor(videos=[frames], do_sample_frames=False, do_resize=False, return_tensors="pt")
        values: torch.Tensor = encoded["pixel_values_videos"][0]
        return values

    def inputs(self, values: torch.Tensor, grids: torch.Tensor) -> dict[str, torch.Tensor]:
        """All clips' frames one behind another; how many a clip has, its tokens tell."""
        del grids
        return {"pixel_values": values}

    def features(self, model: Any, values: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """Every frame is a picture of its own."""
        del grid
        seen: torch.Tensor = model.model.get_image_features(pixel_values=values, return_dict=True).pooler_output
        return seen[:, None]

    def feature_inputs(self, features: torch.Tensor) -> dict[str, Any]:
        """In the form in which the stock tower's output is kept."""
        return {"mm_encoder_outputs": {"image": SimpleNamespace(pooler_output=features[:, 0])}}
