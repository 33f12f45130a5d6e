"""One clip with its samples, packed as training packs it, for the benchmarks of training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tests.tiny_families import train_tokenizer
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, Prefix
from vlm_autodrive.training.attention import Attention
from vlm_autodrive.training.packing import TrainBatch, first_fit
from vlm_autodrive.training.prefix_sharing import PackedSequence, SampleTokens, collate, pack, share_prefix
from vlm_autodrive.video import SamplingSettings

PATCH, MERGE = 14, 2
FRAMES, INTERVAL_S = 16, 0.25
QUESTION, TARGET = 30, 20  # tokens of a sample
GRIDS = {128: (4, 4), 520: (5, 13), 2048: (16, 16), 4096: (16, 32), 8192: (32, 32)}
"""Rows and columns of tokens of a pair of frames, by the video tokens of a clip of eight pairs."""
TOKENIZER = train_tokenizer([SYSTEM_PROMPT] * 50, vocabulary=400)


@dataclass(frozen=True)
class BenchmarkExample:
    """A clip with its samples.

    Attributes:
        prefix: System prompt and video as tokens.
        pixels: Values of the frames, as the model takes them.
        samples: Questions and answers, as tokens.
    """

    prefix: Prefix
    pixels: torch.Tensor
    samples: tuple[SampleTokens, ...]


def sampling_of(video_tokens: int) -> SamplingSettings:
    """Frames that make so many tokens."""
    rows, columns = (length * MERGE * PATCH for length in GRIDS[video_tokens])
    return SamplingSettings(fps=1 / INTERVAL_S, max_frames=FRAMES, height=rows, width=columns)


def make_example(encoder: Encoder, video_tokens: int, samples: int) -> BenchmarkExample:
    """A clip of noise and samples of random tokens."""
    sampling = sampling_of(video_tokens)
    prefix = encoder.prefix(tuple(i * INTERVAL_S for i in range(FRAMES)), sampling.height, sampling.width)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (FRAMES, sampling.height, sampling.width, 3), dtype=np.uint8)
    words = random.integers(10, 300, (samples, QUESTION + TARGET)).tolist()
    samples_tokens = tuple(SampleTokens(each[:QUESTION], each[QUESTION:]) for each in words)
    return BenchmarkExample(prefix, encoder.pixel_values(pixels), samples_tokens)


def shared_batches(encoder: Encoder, example: BenchmarkExample, attention: Attention) -> list[TrainBatch]:
    """All samples behind one prefix."""
    return [_batch(encoder, example, [share_prefix(example.prefix, example.samples)], 1, attention)]


def packed_batches(
    encoder: Encoder, example: BenchmarkExample, attention: Attention, pack_to_tokens: int
) -> list[TrainBatch]:
    """Samples each behind a prefix of its own, packed into sequences of at most so many tokens."""
    alone = [share_prefix(example.prefix, [sample]) for sample in example.samples]
    packed = first_fit(alone, pack_to_tokens, lambda sequence: len(sequence.input_ids))
    return [_batch(encoder, example, [pack(together)], len(together), attention) for together in packed]


def separate_batches(encoder: Encoder, example: BenchmarkExample) -> list[TrainBatch]:
    """Samples each in a sequence and a forward pass of its own, with the model's own attention."""
    alone = [share_prefix(example.prefix, [sample]) for sample in example.samples]
    return [_batch(encoder, example, [sequence], 1, "causal") for sequence in alone]


def _batch(
    encoder: Encoder, example: BenchmarkExample, sequences: Sequence[PackedSequence], videos: int, attention: Attention
) -> TrainBatch:
    grids = torch.tensor([example.prefix.grid_thw] * videos)
    return TrainBatch(
        packed=collate(sequences, 0, attention=attention),
        vision=encoder.vision_inputs(example.pixels.repeat(videos, 1), grids),
        weight=float(sum(sequence.loss_weights.sum() for sequence in sequences)),
        tokens=sum(len(sequence.input_ids) for sequence in sequences),
    )
