"""What is faster on a CPU gives the same numbers as the stock code."""

import pytest
import torch

from tests.tiny_models import load_tiny, random_pixels
from vlm_autodrive.models.cpu_speed import FRAME_ATTENTION


@pytest.mark.parametrize("model_type", ["qwen3_vl", "qwen2_5_vl", "qwen3_5"])
def test_vision_tower_gives_the_same_features_as_the_stock_one(model_type):
    loaded, encoder = load_tiny(model_type)
    tower = loaded.model.model.visual
    assert tower.config._attn_implementation == FRAME_ATTENTION
    frames = [random_pixels(model_type, count, count) for count in (16, 6)]
    values = torch.cat([encoder.pixel_values(pixels) for pixels in frames])
    grids = torch.tensor(
        [encoder.prefix(tuple(i * 0.3 for i in range(len(f))), *f.shape[1:3]).grid_thw for f in frames]
    )
    with torch.no_grad():
        fast = tower(values, grid_thw=grids).pooler_output
        tower.config._attn_implementation = "sdpa"
        tower.patch_embed.proj.__class__ = torch.nn.Conv3d
        stock = tower(values, grid_thw=grids).pooler_output
    torch.testing.assert_close(fast, stock, atol=1e-5, rtol=1e-4)
