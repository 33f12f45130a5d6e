"""Packing: from the examples of an optimizer step to the tensors of its forward passes.

    examples -> frames, mirrored and brightened, as pixel values
             -> each clip's samples tokenized behind its prefix          (prefix_sharing.share_prefix)
             -> several clips in one sequence, or sequences side by side (prefix_sharing.pack, collate)
             -> TrainBatch, one for each forward pass

How clips are packed changes time and memory only: losses are summed and divided by the weights of the whole optimizer
step, so only the examples decide what the model is trained on.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from vlm_autodrive.models import Encoder, begins_with_thoughts
from vlm_autodrive.training.attention import Attention
from vlm_autodrive.training.prefix_sharing import (
    PackedBatch,
    PackedSequence,
    SampleTokens,
    collate,
    pack,
    share_prefix,
)
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import FrameCache, Frames, VideoError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Packing:
    """How a model's sequences are made.

    Attributes:
        share: Whether all samples of a clip share its prefix; else each sample has a sequence of its own.
        attention: How the language model attends.
    """

    share: bool = True
    attention: Attention = "dense"


@dataclass(frozen=True)
class TrainBatch:
    """The inputs of one forward pass.

    Attributes:
        packed: The sequences.
        vision: The arguments of the model's ``forward`` that hold the videos, in the order of their places in the
            sequences.
        weight: Sum of the loss weights of all supervised tokens.
        tokens: Tokens of the sequences, without padding.
    """

    packed: PackedBatch
    vision: dict[str, torch.Tensor]
    weight: float
    tokens: int

    def to(self, device: torch.device) -> "TrainBatch":
        """The batch on a device."""
        vision = {name: value.to(device) for name, value in self.vision.items()}
        return replace(self, packed=self.packed.to(device), vision=vision)

    def zero_weight(self) -> "TrainBatch":
        """The same batch with loss weights 0.

        Under sharding every layer's weights are gathered by a collective call, in which all processes must take part.
        So a process that has no clip left makes this pass, which adds nothing to loss and gradients.
        """
        packed = replace(self.packed, loss_weights=torch.zeros_like(self.packed.loss_weights))
        return replace(self, packed=packed, weight=0.0, tokens=0)


@dataclass(frozen=True)
class _EncodedClip:
    """A sequence of one clip, with the pixels that the model sees of it."""

    sequence: PackedSequence
    pixels: torch.Tensor
    grid: tuple[int, int, int]


def build_batches(
    encoder: Encoder, cache: FrameCache, examples: Sequence[TrainExample], settings: TrainSettings, packing: Packing
) -> list[TrainBatch]:
    """Load, augment and encode clips, and pack them into forward passes."""
    encoded = [each for example in examples for each in _encode(encoder, cache, example, settings, packing)]
    if settings.pack_to_tokens is None:
        size = settings.micro_batch_size or settings.batch_size
        passes = [[[each] for each in encoded[i : i + size]] for i in range(0, len(encoded), size)]
    elif packing.share:
        passes = [[together] for together in first_fit(encoded, settings.pack_to_tokens, _length)]
    else:  # nothing can be packed behind a sample, so sequences are padded side by side, to as many tokens
        passes = [[[each] for each in beside] for beside in _by_length(encoded, settings.pack_to_tokens)]
    return [_batch(encoder, sequences, packing) for sequences in passes]


def readable_examples(cache: FrameCache, examples: Sequence[TrainExample]) -> list[TrainExample]:
    """The examples whose frames can be decoded; damage is found only then, after the plan."""
    kept = []
    for example in examples:
        with suppress(VideoError):
            cache.get(example.clip)
            kept.append(example)
    return kept


def sample_tokens(encoder: Encoder, example: TrainExample, settings: TrainSettings) -> list[SampleTokens]:
    """Tokens and loss weights of an example's samples, with their mirrored text where the example is mirrored."""
    tokens = []
    for sample in example.samples:
        target = sample.mirror_target if example.mirrored else sample.target
        assert target is not None, f"{sample.sample_id} cannot be mirrored"
        weight = settings.loss_weights.get(sample.type, 1.0)
        token_weights = _token_weights(encoder, target, settings.token_loss_weights)
        question = encoder.question(sample.prompt.text, thinking=begins_with_thoughts(target))
        tokens.append(SampleTokens(question, encoder.target(target), weight, token_weights))
    return tokens


def _token_weights(encoder: Encoder, target: str, patterns: dict[str, float]) -> list[float] | None:
    """The factor of each token: of the first pattern that matches some of its text, else 1."""
    found = [(match.span(), factor) for pattern, factor in patterns.items() for match in re.finditer(pattern, target)]
    if not found:
        return None
    return [
        next((factor for (begin, end), factor in found if first < end and last > begin), 1.0)
        for first, last in encoder.target_spans(target)
    ]


def first_fit(pieces: Sequence[_T], limit: int, length: Callable[[_T], int]) -> list[list[_T]]:
    """Pack pieces into bins of at most ``limit``, each into the first with room; a longer piece is alone in a bin."""
    bins: list[list[_T]] = []
    room: list[int] = []
    for piece in pieces:
        need = length(piece)
        place = next((number for number, left in enumerate(room) if need <= left), None)
        if place is None:
            bins.append([piece])
            room.append(limit - need)
        else:
            bins[place].append(piece)
            room[place] -= need
    return bins


def _by_length(encoded: Sequence[_EncodedClip], limit: int) -> list[list[_EncodedClip]]:
    """Batches of similar lengths, each of at most ``limit`` tokens with its padding."""
    passes: list[list[_EncodedClip]] = []
    for each in sorted(encoded, key=_length):
        if passes and (len(passes[-1]) + 1) * _length(each) <= limit:
            passes[-1].append(each)
        else:
            passes.append([each])
    return passes


def _length(encoded: _EncodedClip) -> int:
    return len(encoded.sequence.input_ids)


def _encode(
    encoder: Encoder, cache: FrameCache, example: TrainExample, settings: TrainSettings, packing: Packing
) -> list[_EncodedClip]:
    """One sequence with all samples of the example, or one for each sample."""
    frames = augment(cache.get(example.clip), example)
    prefix = encoder.frames_prefix(frames)
    pixels = encoder.pixel_values(frames.pixels)
    samples = sample_tokens(encoder, example, settings)
    groups = [samples] if packing.share else [[sample] for sample in samples]
    return [_EncodedClip(share_prefix(prefix, group), pixels, prefix.grid_thw) for group in groups]


def _batch(encoder: Encoder, groups: Sequence[Sequence[_EncodedClip]], packing: Packing) -> TrainBatch:
    """One forward pass of sequences, each packed of some clips."""
    sequences = [pack([each.sequence for each in together]) for together in groups]
    pixels = torch.cat([each.pixels for together in groups for each in together])
    grids = torch.tensor([each.grid for together in groups for each in together])
    return TrainBatch(
        packed=collate(sequences, encoder.pad_id, attention=packing.attention),
        vision=encoder.vision_inputs(pixels, grids),
        weight=float(sum(sequence.loss_weights.sum() for sequence in sequences)),
        tokens=sum(len(sequence.input_ids) for sequence in sequences),
    )


def augment(frames: Frames, example: TrainExample) -> Frames:
    """Mirror the footage and change its contrast and brightness, as the example says; drawn timestamps stay."""
    pixels = frames.pixels[:, :, ::-1] if example.mirrored else frames.pixels
    if example.gain != 1.0 or example.offset != 0.0:
        levels = np.arange(256, dtype=np.float32)
        table = np.clip((levels - 127.5) * example.gain + 127.5 + 255 * example.offset, 0, 255).astype(np.uint8)
        pixels = table[pixels]
    return frames if pixels is frames.pixels else replace(frames, pixels=pixels)
