"""Prefix sharing: all samples of a clip behind one copy of its system prompt and video, exactly.

A sequence holds the prefix of a clip once and its samples one behind another::

    tokens    [ system prompt, video ][ question 1, answer 1 ][ question 2, answer 2 ]
    segments    0                       1                       2
    positions   0 ... p-1               p ...                   p ...

A token attends to the prefix of its clip and to the earlier tokens of its own sample, and has the position that it
would have if the sample stood alone behind the prefix. The mask is built from ``segments`` and ``prefix_segments`` by
``dense_mask`` and ``block_mask`` in :mod:`~vlm_autodrive.training.attention`. So each sample's loss and gradients are
those of a sequence of its own, while the prefix, most of the tokens and all of the vision tower's work, is computed
once. Several clips are packed into one sequence in the same way, none attending to another.

Nothing in the model is changed: the mask and the positions go through its stock ``forward`` (in
:mod:`~vlm_autodrive.training.loss`). That is exact for every model whose tokens meet in attention only; not for linear
attention, or for vision towers that read the question. :mod:`~vlm_autodrive.training.parity` finds out which it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch

from vlm_autodrive.models import Prefix
from vlm_autodrive.training.attention import PADDING, Attention, dense_mask

IGNORE_INDEX = -100
"""The label of tokens that are not supervised; ``ignore_index`` of the cross-entropy."""
_BLOCK = 128  # FlexAttention's block; sequences of few lengths keep its kernel from being compiled anew for each


@dataclass(frozen=True)
class SampleTokens:
    """One sample, as tokens.

    Attributes:
        question: From the end of the video to where the answer begins; not supervised.
        target: The answer with the end of the turn; supervised.
        sample_weight: Loss weight of each supervised token.
        token_weights: A further factor on the loss weight of each token of the target; None stands for 1 everywhere.
    """

    question: list[int]
    target: list[int]
    sample_weight: float = 1.0
    token_weights: list[float] | None = None


@dataclass(frozen=True)
class PackedSequence:
    """One sequence: prefixes of clips, each followed by its samples.

    Attributes:
        input_ids: Shape [tokens].
        position_ids: Shape [axes, tokens].
        segments: Which prefix or sample a token belongs to, numbered through the sequence: 0 for the first
            clip's prefix, k for its k-th sample, then the next clip's prefix; shape [tokens].
        prefix_segments: The segment of the prefix of the token's clip, shape [tokens].
        labels: The token itself where it is supervised, else -100, shape [tokens].
        loss_weights: Loss weight of each supervised token, else 0, shape [tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: torch.Tensor
    prefix_segments: torch.Tensor
    labels: torch.Tensor
    loss_weights: torch.Tensor


@dataclass(frozen=True)
class PackedBatch:
    """Sequences padded to one length.

    Attributes:
        input_ids: Shape [sequences, tokens].
        position_ids: Shape [axes, sequences, tokens].
        segments: Shape [sequences, tokens]; -1 for padding.
        prefix_segments: Shape [sequences, tokens]; -1 for padding.
        attention_mask: Which token attends to which, as :mod:`vlm_autodrive.training.attention` says; None where
            FlexAttention's mask is to be made of the segments.
        labels: Shape [sequences, tokens].
        loss_weights: Shape [sequences, tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: torch.Tensor
    prefix_segments: torch.Tensor
    attention_mask: torch.Tensor | None
    labels: torch.Tensor
    loss_weights: torch.Tensor

    def to(self, device: torch.device) -> "PackedBatch":
        """The batch on a device."""
        mask = self.attention_mask
        tensors = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "attention_mask"}
        return PackedBatch(attention_mask=None if mask is None else mask.to(device), **tensors)


def share_prefix(prefix: Prefix, samples: Sequence[SampleTokens]) -> PackedSequence:
    """All samples of a clip behind its prefix, in one sequence."""
    ids = [prefix.input_ids]
    positions = [prefix.position_ids]
    length = len(prefix.input_ids)
    segments, labels = [torch.zeros(length, dtype=torch.long)], [torch.full((length,), IGNORE_INDEX)]
    loss_weights = [torch.zeros(length)]
    for number, sample in enumerate(samples, start=1):
        # The logits of a token are those at the place before it, which must belong to the same sample.
        assert sample.question, "a sample begins with a question"
        tokens = torch.tensor(sample.question + sample.target)
        ids.append(tokens)
        # Every sample continues at the position after the prefix, whatever stands between, as if it were alone. With
        # mRoPE that is where the model's own rule goes on after the video (not the count of tokens), and text has the
        # same position on all axes: time, height and width.
        positions.append((prefix.next_position + torch.arange(len(tokens))).expand(len(prefix.position_ids), -1))
        segments.append(torch.full((len(tokens),), number))
        supervised = torch.arange(len(tokens)) >= len(sample.question)
        labels.append(torch.where(supervised, tokens, IGNORE_INDEX))
        token_weights = sample.token_weights or [1.0] * len(sample.target)
        loss_weights.append(sample.sample_weight * torch.tensor([0.0] * len(sample.question) + token_weights))
    input_ids = torch.cat(ids)
    return PackedSequence(
        input_ids=input_ids,
        position_ids=torch.cat(positions, dim=1),
        segments=torch.cat(segments),
        prefix_segments=torch.zeros_like(input_ids),
        labels=torch.cat(labels),
        loss_weights=torch.cat(loss_weights),
    )


def pack(sequences: Sequence[PackedSequence]) -> PackedSequence:
    """One sequence of several: clip behind clip, none attending to another, in the order in which frames are given."""
    packed, used = [], 0
    for sequence in sequences:  # positions stay: every clip begins at 0, as if it were alone
        packed.append(
            replace(sequence, segments=sequence.segments + used, prefix_segments=sequence.prefix_segments + used)
        )
        used += int(sequence.segments.max()) + 1
    tensors = {
        f.name: torch.cat([getattr(sequence, f.name) for sequence in packed], dim=-1) for f in fields(PackedSequence)
    }
    return PackedSequence(**tensors)


def collate(sequences: Sequence[PackedSequence], pad_id: int, attention: Attention = "dense") -> PackedBatch:
    """Pad sequences on the right and build the attention mask.

    Args:
        sequences: The sequences; with ``causal`` attention, each of one clip and one sample at most.
        pad_id: The padding token.
        attention: How the language model attends.
    """
    longest = max(len(sequence.input_ids) for sequence in sequences)
    if attention == "flex":
        longest += -longest % _BLOCK

    def padded(tensors: Sequence[torch.Tensor], value: float) -> torch.Tensor:
        return torch.stack(
            [torch.nn.functional.pad(tensor, (0, longest - tensor.shape[-1]), value=value) for tensor in tensors]
        )

    segments = padded([sequence.segments for sequence in sequences], PADDING)
    prefix_segments = padded([sequence.prefix_segments for sequence in sequences], PADDING)
    mask = None
    if attention == "dense":
        mask = dense_mask(segments, prefix_segments)
    elif attention == "causal":
        mask = (segments != PADDING).long()
    return PackedBatch(
        input_ids=padded([sequence.input_ids for sequence in sequences], pad_id),
        position_ids=padded([sequence.position_ids for sequence in sequences], 0).transpose(0, 1),
        segments=segments,
        prefix_segments=prefix_segments,
        attention_mask=mask,
        labels=padded([sequence.labels for sequence in sequences], IGNORE_INDEX),
        loss_weights=padded([sequence.loss_weights for sequence in sequences], 0.0),
    )
