"""Floating-point operations of a training step, counted from the model's shape and what its sequences hold.

A product of matrices costs two operations for each weight and row, and twice that again for the gradients of its
two factors. Attention is counted for the pairs of tokens that see each other and for no others, so a kernel that
computes masked pairs too gets no credit for them; nor does what gradient checkpointing computes a second time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vlm_autodrive.training.packing import TrainBatch
from vlm_autodrive.training.prefix_sharing import IGNORE_INDEX

_AND_BACKWARD = 3  # forward, gradient of the weights, gradient of the input


@dataclass(frozen=True)
class Work:
    """What a step has to compute.

    Attributes:
        tokens: Tokens that the language model reads.
        pairs: Pairs of tokens of which one sees the other.
        predictions: Places at which logits are computed.
        grids: Steps of time, rows and columns of patches of every video that the vision tower sees.
    """

    tokens: int
    pairs: int
    predictions: int
    grids: tuple[tuple[int, int, int], ...]


def work_of(batches: Sequence[TrainBatch]) -> Work:
    """The work of training's forward passes."""
    pairs = predictions = 0
    for batch in batches:
        for segments, prefix_segments in zip(batch.packed.segments, batch.packed.prefix_segments, strict=True):
            sizes = torch.bincount(segments[segments >= 0])
            pairs += int((sizes * (sizes + 1) // 2).sum())
            beside = segments != prefix_segments  # tokens of samples, each of which sees its whole prefix too
            pairs += int(sizes[prefix_segments[beside]].sum())
        predictions += len(batch.packed.labels) * int((batch.packed.labels != IGNORE_INDEX).any(dim=0).sum())
    return Work(sum(batch.tokens for batch in batches), pairs, predictions, _grids(b.vision for b in batches))


def stock_work(samples: int, tokens: int, grid: tuple[int, int, int]) -> Work:
    """The work of a stock step with a sequence for each sample, and its video in every sequence; logits at every place.

    Args:
        samples: Items of the clip.
        tokens: Tokens of a sequence.
        grid: The video's.
    """
    return Work(samples * tokens, samples * tokens * (tokens + 1) // 2, samples * tokens, (grid,) * samples)


def _grids(visions: Iterable[dict[str, torch.Tensor]]) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (int(steps), int(rows), int(columns)) for each in visions for steps, rows, columns in each["video_grid_thw"]
    )


def training_flops(model: Any, work: Work) -> int:
    """Operations of a forward and backward pass of a Qwen2.5-VL all of whose weights are trained."""
    text, vision = model.config.text_config, model.config.vision_config
    language, tower = model.model.language_model, model.model.visual
    head_size = text.hidden_size // text.num_attention_heads
    forward = 2 * work.tokens * _weights(language.layers)
    forward += 4 * work.pairs * text.num_attention_heads * head_size * text.num_hidden_layers
    forward += 2 * work.predictions * model.lm_head.weight.numel()
    embedded = 0
    for grid in work.grids:
        patches = grid[0] * grid[1] * grid[2]
        embedded += 2 * patches * tower.patch_embed.proj.weight.numel()
        forward += 2 * patches * _weights(tower.blocks)
        forward += 2 * patches // vision.spatial_merge_size**2 * _weights(tower.merger)
        whole = len(vision.fullatt_block_indexes)
        pairs = whole * grid[0] * (grid[1] * grid[2]) ** 2
        pairs += (vision.depth - whole) * _window_pairs(grid, vision)
        forward += 4 * pairs * vision.hidden_size
    return _AND_BACKWARD * forward + 2 * embedded  # nothing asks for the gradient of the pixels


def _weights(modules: torch.nn.Module) -> int:
    return sum(each.weight.numel() for each in modules.modules() if isinstance(each, torch.nn.Linear))


def _window_pairs(grid: tuple[int, int, int], vision: Any) -> int:
    """Pairs of patches that share a window; those at the edges may be smaller."""
    side = vision.window_size // vision.patch_size
    tall, wide = ([min(side, length - begin) for begin in range(0, length, side)] for length in (grid[1], grid[2]))
    return grid[0] * sum((height * width) ** 2 for height in tall for width in wide)
