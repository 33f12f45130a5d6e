"""One clip with its items, laid as training lays it, for the benchmarks of training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tests.tiny_families import train_tokenizer
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, Prefix
from vlm_autodrive.training.attention import Attention
from vlm_autodrive.training.batching import TrainBatch, fill_rows
from vlm_autodrive.training.prefix_sharing import ItemTokens, SharedRow, join_rows, pad_rows, share_prefix
from vlm_autodrive.video import SamplingSettings

PATCH, MERGE = 14, 2
FRAMES, INTERVAL_S = 16, 0.25
QUESTION, TARGET = 30, 20  # tokens of an item
GRIDS = {128: (4, 4), 520: (5, 13), 2048: (16, 16), 4096: (16, 32), 8192: (32, 32)}
"""Rows and columns of tokens of a pair of frames, by the video tokens of a clip of eight pairs."""
TOKENIZER = train_tokenizer([SYSTEM_PROMPT] * 50, vocabulary=400)


@dataclass(frozen=True)
class Example:
    """A clip with its items.

    Attributes:
        prefix: System prompt and video as tokens.
        pixels: Values of the frames, as the model takes them.
        items: Questions and answers, as tokens.
    """

    prefix: Prefix
    pixels: torch.Tensor
    items: tuple[ItemTokens, ...]


def sampling_of(video_tokens: int) -> SamplingSettings:
    """Frames that make so many tokens."""
    rows, columns = (length * MERGE * PATCH for length in GRIDS[video_tokens])
    return SamplingSettings(fps=1 / INTERVAL_S, max_frames=FRAMES, height=rows, width=columns)


def make_example(encoder: Encoder, video_tokens: int, items: int) -> Example:
    """A clip of noise and items of random tokens."""
    sampling = sampling_of(video_tokens)
    prefix = encoder.prefix(tuple(i * INTERVAL_S for i in range(FRAMES)), sampling.height, sampling.width)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (FRAMES, sampling.height, sampling.width, 3), dtype=np.uint8)
    words = random.integers(10, 300, (items, QUESTION + TARGET)).tolist()
    laid = tuple(ItemTokens(each[:QUESTION], each[QUESTION:]) for each in words)
    return Example(prefix, encoder.pixel_values(pixels), laid)


def shared_batches(encoder: Encoder, example: Example, attention: Attention) -> list[TrainBatch]:
    """All items behind one prefix."""
    return [_batch(encoder, example, [share_prefix(example.prefix, example.items)], 1, attention)]


def packed_batches(encoder: Encoder, example: Example, attention: Attention, pack_to_tokens: int) -> list[TrainBatch]:
    """Items each behind a prefix of its own, as many in a row as it may have tokens."""
    alone = [share_prefix(example.prefix, [item]) for item in example.items]
    rows = fill_rows(alone, pack_to_tokens, lambda row: len(row.input_ids))
    return [_batch(encoder, example, [join_rows(row)], len(row), attention) for row in rows]


def separate_batches(encoder: Encoder, example: Example) -> list[TrainBatch]:
    """Items each in a row and a forward pass of its own, with the model's own attention."""
    rows = [share_prefix(example.prefix, [item]) for item in example.items]
    return [_batch(encoder, example, [row], 1, "stock") for row in rows]


def _batch(
    encoder: Encoder, example: Example, rows: Sequence[SharedRow], videos: int, attention: Attention
) -> TrainBatch:
    grids = torch.tensor([example.prefix.grid_thw] * videos)
    return TrainBatch(
        shared=pad_rows(rows, 0, attention=attention),
        vision=encoder.vision_inputs(example.pixels.repeat(videos, 1), grids),
        weight=float(sum(row.weights.sum() for row in rows)),
        tokens=sum(len(row.input_ids) for row in rows),
    )
