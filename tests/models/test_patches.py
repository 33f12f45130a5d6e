"""Patches are bitwise those of the stock video processors."""

import numpy as np
import pytest
import torch
from transformers import Qwen2VLVideoProcessor, Qwen3VLVideoProcessor

from vlm_autodrive.models.qwen import Patcher


@pytest.mark.parametrize("processor", [Qwen2VLVideoProcessor(), Qwen3VLVideoProcessor()], ids=["qwen2_5", "qwen3"])
@pytest.mark.parametrize("frames", [1, 4, 7])
def test_bitwise_the_stock_patches(processor, frames):
    grid = processor.patch_size * processor.merge_size
    shape = (frames, 2 * grid, 3 * grid, 3)
    pixels = np.random.default_rng(frames).integers(0, 256, shape, np.uint8)
    stock = processor(
        videos=[torch.from_numpy(pixels).permute(0, 3, 1, 2)],
        do_sample_frames=False,
        do_resize=False,
        return_tensors="pt",
    )["pixel_values_videos"]
    assert torch.equal(Patcher(processor).patches(pixels), stock)
    assert torch.equal(
        Patcher(processor).patches(pixels[:, :, ::-1]), Patcher(processor).patches(pixels[:, :, ::-1].copy())
    )
