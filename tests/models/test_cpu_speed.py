"""What is faster on a CPU gives the same numbers as the stock code."""

from itertools import pairwise

import pytest
import torch
from transformers.models.qwen2.modeling_qwen2 import eager_attention_forward

from tests.tiny_models import load_tiny, random_pixels
from vlm_autodrive.models import LONG
from vlm_autodrive.models.cpu_speed import FRAME_ATTENTION, attention_by_length, frame_attention
from vlm_autodrive.training.attention import dense_mask


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


def _segments(*lengths):
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))


@pytest.mark.parametrize(
    ("segments", "prefixes"),
    [
        (_segments(300, 100, 100), _segments(500)),  # short
        (_segments(300, 100, 200), _segments(600)),  # a causal part that is short
        (_segments(500, 50, 50, 20), _segments(620)),
        (_segments(500, 50), _segments(550)),  # one item alone
        (_segments(600, 9, 30, 8, 7), torch.where(torch.arange(654) < 639, 0, 3)),  # the items of two clips
        (torch.where(torch.arange(700) < 650, _segments(600, 100), -1), torch.where(torch.arange(700) < 650, 0, -1)),
    ],
)
def test_attention_of_rows_of_any_length_is_the_stock_one_written_out(segments, prefixes):
    module = torch.nn.Module()
    module.num_key_value_groups = 2
    query, key, value = (torch.randn(1, heads, len(segments), 8) for heads in (4, 2, 2))
    mask = dense_mask(segments[None], prefixes[None])
    ours, _ = attention_by_length(module, query, key, value, mask, scaling=0.3)
    stock, _ = eager_attention_forward(module, query, key, value, mask, scaling=0.3)
    torch.testing.assert_close(ours, stock, atol=1e-5, rtol=1e-4)


def test_pieces_of_every_length_attend_within_themselves():
    lengths = [LONG, 16, 3, 16, LONG + 1, 3]
    query, key, value = (torch.randn(1, 2, sum(lengths), 8) for _ in range(3))
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    ours, _ = frame_attention(torch.nn.Module(), query, key, value, None, cu_seq_lens_q=bounds)
    for begin, end in pairwise(bounds):
        within = (tensor[:, :, begin:end] for tensor in (query, key, value))
        alone = torch.nn.functional.scaled_dot_product_attention(*within)
        torch.testing.assert_close(ours[:, begin:end], alone.transpose(1, 2), atol=1e-5, rtol=1e-4)
