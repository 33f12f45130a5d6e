"""Shared = separate: loss and gradients of items behind one prefix equal those of a row for each."""

import pytest
import torch

from tests.tiny_models import FAMILIES, load_tiny, random_pixels
from vlm_autodrive.training.prefix_sharing import ItemTokens, pad_rows, share_prefix, weighted_loss

ITEMS = (
    ItemTokens([20, 21, 22, 23], [30, 2], weight=4.0),
    ItemTokens(list(range(40, 70)), list(range(100, 140))),
    ItemTokens(list(range(50, 60)), [77], weight=0.5),
    ItemTokens([33], list(range(200, 207))),
)


def gradients(model, passes):
    """Loss and gradients summed over (rows, pixels, grids)."""
    model.zero_grad()
    loss = torch.zeros(())
    for rows, pixels, grids in passes:
        part = weighted_loss(model, pad_rows(rows, 0), pixels, grids)
        part.backward()
        loss = loss + part.detach()
    return float(loss), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def largest_difference(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).norm() / other[name].norm().clamp(min=1e-12)) for name in one)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_shared_prefix_equals_one_row_for_each_item(model_type):
    loaded, encoder = load_tiny(model_type)
    shared, separate = [], []
    rows, pixels, grids = [], [], []
    for seed, frames in enumerate((16, 10)):  # clips of different lengths, padded in one batch
        clip = random_pixels(model_type, frames, seed)
        prefix = encoder.prefix(tuple(i * 0.3 for i in range(frames)), *clip.shape[1:3])
        values, grid = encoder.pixel_values(clip), torch.tensor([prefix.grid_thw])
        rows.append(share_prefix(prefix, ITEMS))
        pixels.append(values)
        grids.append(grid)
        separate += [([share_prefix(prefix, [item])], values, grid) for item in ITEMS]
    shared = [(rows, torch.cat(pixels), torch.cat(grids))]
    loss, together = gradients(loaded.model, shared)
    loss_apart, apart = gradients(loaded.model, separate)
    assert loss == pytest.approx(loss_apart, rel=1e-5)
    assert largest_difference(together, apart) <= 1e-5


@pytest.mark.parametrize("model_type", FAMILIES)
def test_separate_rows_equal_the_stock_forward(model_type):
    """Our mask and positions are those that the model makes itself when left alone."""
    loaded, encoder = load_tiny(model_type)
    clip = random_pixels(model_type, 16)
    prefix = encoder.prefix(tuple(i * 0.3 for i in range(16)), *clip.shape[1:3])
    item = ITEMS[1]
    values, grid = encoder.pixel_values(clip), torch.tensor([prefix.grid_thw])
    tokens = torch.tensor(item.question + item.target)
    extra = {} if loaded.family.text_timestamps else {"second_per_grid_ts": torch.tensor([0.6])}
    with torch.no_grad():
        logits = loaded.model(
            input_ids=torch.cat([prefix.input_ids, tokens])[None],
            mm_token_type_ids=torch.cat([prefix.token_types, torch.zeros_like(tokens)])[None],
            pixel_values_videos=values,
            video_grid_thw=grid,
            **extra,
        ).logits[0, -len(item.target) - 1 : -1]
        stock = torch.nn.functional.cross_entropy(logits, torch.tensor(item.target), reduction="sum")
        ours = weighted_loss(loaded.model, pad_rows([share_prefix(prefix, [item])], 0), values, grid)
    assert float(ours) == pytest.approx(float(stock), rel=1e-5)


def test_without_the_mask_the_items_would_see_each_other():
    """The equality above would fail if the mask let items see one another."""
    loaded, encoder = load_tiny("qwen3_vl")
    clip = random_pixels("qwen3_vl", 16)
    prefix = encoder.prefix(tuple(i * 0.3 for i in range(16)), *clip.shape[1:3])
    values, grid = encoder.pixel_values(clip), torch.tensor([prefix.grid_thw])
    batch = pad_rows([share_prefix(prefix, ITEMS)], 0)
    causal = torch.full_like(batch.attention_mask, torch.finfo(torch.float32).min).triu(1)
    leaking = type(batch)(**{**batch.__dict__, "attention_mask": causal})
    with torch.no_grad():
        right = float(weighted_loss(loaded.model, batch, values, grid))
        wrong = float(weighted_loss(loaded.model, leaking, values, grid))
    assert abs(right - wrong) > 1e-4 * right


def test_each_token_sees_its_prefix_and_its_own_item_only():
    _, encoder = load_tiny("qwen3_vl")
    prefix = encoder.prefix((0.0, 0.3), 84, 126)
    row = share_prefix(prefix, ITEMS[:2])
    mask = pad_rows([row], 0).attention_mask[0, 0] == 0
    length, first = len(prefix.input_ids), len(ITEMS[0].question + ITEMS[0].target)
    assert mask[length + first, :length].all()
    assert not mask[length + first :, length : length + first].any()
    assert not mask.triu(1).any()
    assert row.position_ids[:, length].tolist() == row.position_ids[:, length + first].tolist()
    assert (row.labels != -100).sum() == sum(len(item.target) for item in ITEMS[:2])
