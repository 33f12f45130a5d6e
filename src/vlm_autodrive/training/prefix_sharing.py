"""One clip, one prefix: all items of a clip behind its system prompt and video, exactly.

A row holds the prefix of a clip once and then its items one behind another; it may hold several clips.
Every token sees the prefix of its clip and the earlier tokens of its own item, and stands at the
position that it would have if the item were alone behind the prefix. So each item's loss and gradients
are those of a row of its own, while the prefix, most of the tokens and all of the vision tower's work,
is computed once.

Nothing of the model is changed: the mask and the positions go through its stock ``forward``. That is
exact for every model whose tokens meet in attention only; not for linear attention or for vision
towers that read the question. ``sharing_check.py`` finds out which a model is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch.nn.attention.flex_attention import BlockMask

from vlm_autodrive.models import Prefix, forward_positions
from vlm_autodrive.training.attention import PADDING, Attention, block_mask, dense_mask

IGNORED = -100
_BLOCK = 128  # FlexAttention's; rows of few lengths keep its kernel from being compiled anew for each


@dataclass(frozen=True)
class ItemTokens:
    """One question and its answer, as tokens.

    Attributes:
        question: From behind the video to where the answer begins; not learned.
        target: The answer with the end of the turn; learned.
        weight: Weight of each learned token in the loss.
        factors: A further factor on the weight of each token of the target; None stands for 1 everywhere.
    """

    question: list[int]
    target: list[int]
    weight: float = 1.0
    factors: list[float] | None = None


@dataclass(frozen=True)
class SharedRow:
    """Prefixes of clips, each with its items.

    Attributes:
        input_ids: Shape [tokens].
        position_ids: Shape [axes, tokens].
        segments: Which prefix or item a token belongs to, numbered through the row: 0 for the first
            clip's prefix, k for its k-th item, then the next clip's prefix; shape [tokens].
        prefixes: The segment of the token's clip's prefix, shape [tokens].
        labels: The token itself where it is learned, else -100, shape [tokens].
        weights: Weight in the loss of each learned token, shape [tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: torch.Tensor
    prefixes: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class SharedBatch:
    """Rows padded to one length.

    Attributes:
        input_ids: Shape [rows, tokens].
        position_ids: Shape [axes, rows, tokens].
        segments: Shape [rows, tokens]; -1 for padding.
        prefixes: Shape [rows, tokens]; -1 for padding.
        attention_mask: Who sees whom, as :mod:`vlm_autodrive.training.attention` says; None where FlexAttention's
            is to be made of the segments.
        labels: Shape [rows, tokens].
        weights: Shape [rows, tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: torch.Tensor
    prefixes: torch.Tensor
    attention_mask: torch.Tensor | None
    labels: torch.Tensor
    weights: torch.Tensor

    def to(self, device: torch.device) -> "SharedBatch":
        """The batch on a device."""
        mask = self.attention_mask
        tensors = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "attention_mask"}
        return SharedBatch(attention_mask=None if mask is None else mask.to(device), **tensors)


def share_prefix(prefix: Prefix, items: Sequence[ItemTokens]) -> SharedRow:
    """Lay all items of a clip behind its prefix."""
    ids = [prefix.input_ids]
    positions = [prefix.position_ids]
    length = len(prefix.input_ids)
    segments, labels = [torch.zeros(length, dtype=torch.long)], [torch.full((length,), IGNORED)]
    weights = [torch.zeros(length)]
    for number, item in enumerate(items, start=1):
        # A token is predicted at the place before it, and that must be the item's own.
        assert item.question, "an item begins with a question"
        tokens = torch.tensor(item.question + item.target)
        ids.append(tokens)
        positions.append((prefix.next_position + torch.arange(len(tokens))).expand(len(prefix.position_ids), -1))
        segments.append(torch.full((len(tokens),), number))
        learned = torch.arange(len(tokens)) >= len(item.question)
        labels.append(torch.where(learned, tokens, IGNORED))
        factors = item.factors or [1.0] * len(item.target)
        weights.append(item.weight * torch.tensor([0.0] * len(item.question) + factors))
    row_ids = torch.cat(ids)
    return SharedRow(
        input_ids=row_ids,
        position_ids=torch.cat(positions, dim=1),
        segments=torch.cat(segments),
        prefixes=torch.zeros_like(row_ids),
        labels=torch.cat(labels),
        weights=torch.cat(weights),
    )


def join_rows(rows: Sequence[SharedRow]) -> SharedRow:
    """One row of several: clip behind clip, none seeing another, in the order in which their frames are given."""
    joined, used = [], 0
    for row in rows:
        joined.append(replace(row, segments=row.segments + used, prefixes=row.prefixes + used))
        used += int(row.segments.max()) + 1
    tensors = {f.name: torch.cat([getattr(row, f.name) for row in joined], dim=-1) for f in fields(SharedRow)}
    return SharedRow(**tensors)


def pad_rows(rows: Sequence[SharedRow], pad_id: int, attention: Attention = "dense") -> SharedBatch:
    """Pad rows on the right and build the mask between their tokens.

    Args:
        rows: The rows; with ``stock`` attention, each of one clip and one item at most.
        pad_id: The padding token.
        attention: How the language model attends.
    """
    longest = max(len(row.input_ids) for row in rows)
    if attention == "flex":
        longest += -longest % _BLOCK

    def padded(tensors: Sequence[torch.Tensor], value: float) -> torch.Tensor:
        return torch.stack(
            [torch.nn.functional.pad(tensor, (0, longest - tensor.shape[-1]), value=value) for tensor in tensors]
        )

    segments = padded([row.segments for row in rows], PADDING)
    prefixes = padded([row.prefixes for row in rows], PADDING)
    mask = None
    if attention == "dense":
        mask = dense_mask(segments, prefixes)
    elif attention == "stock":
        mask = (segments != PADDING).long()
    return SharedBatch(
        input_ids=padded([row.input_ids for row in rows], pad_id),
        position_ids=padded([row.position_ids for row in rows], 0).transpose(0, 1),
        segments=segments,
        prefixes=prefixes,
        attention_mask=mask,
        labels=padded([row.labels for row in rows], IGNORED),
        weights=padded([row.weights for row in rows], 0.0),
    )


def weighted_loss(model: torch.nn.Module, batch: SharedBatch, vision: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Sum over the learned tokens of weight times negative log-likelihood.

    The caller divides by the weights of the whole step, so that the loss of a step does not depend on
    how its items were laid into rows.

    Args:
        model: A Hugging Face video model.
        batch: The rows.
        vision: The encoder's ``vision_inputs`` of all clips, in the order of their places in the rows.
    """
    # The token at place i is predicted at place i - 1; logits are computed at those places only.
    learned = (batch.labels != IGNORED).any(dim=0)
    places = learned.nonzero()[:, 0]
    logits = predict(model, batch, vision, places - 1)
    labels, weights = batch.labels[:, places], batch.weights[:, places]
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return (losses * weights).sum()


def predict(
    model: torch.nn.Module, batch: SharedBatch, vision: Mapping[str, torch.Tensor], places: torch.Tensor
) -> torch.Tensor:
    """Logits at some places of every row, shape [rows, places, vocabulary], by the model's stock ``forward``."""
    mask: torch.Tensor | BlockMask
    if batch.attention_mask is None:
        mask = block_mask(batch.segments, batch.prefixes)
    elif batch.attention_mask.is_floating_point():
        # The fused kernels take a mask of the scores' type only.
        mask = batch.attention_mask.to(next(model.parameters()).dtype)
    else:
        mask = batch.attention_mask
    logits: torch.Tensor = model(
        input_ids=batch.input_ids,
        position_ids=forward_positions(batch.position_ids),
        attention_mask=mask,
        **vision,
        use_cache=False,
        logits_to_keep=places,
    ).logits
    return logits
