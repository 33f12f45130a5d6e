"""One clip, one prefix: all items of a clip behind its system prompt and video, exactly.

A row holds the prefix of a clip once and then its items one behind another. Every token sees the
prefix and the earlier tokens of its own item, and stands at the position that it would have if the
item were alone behind the prefix. So each item's loss and gradients are those of a row of its own,
while the prefix, most of the tokens and all of the vision tower's work, is computed once.

Nothing of the model is changed: the mask and the positions go through its stock ``forward``. That is
exact for every model whose tokens meet in attention only; not for linear attention or for vision
towers that read the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from vlm_autodrive.models.encoding import Prefix

IGNORED = -100
_PADDING = -1


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
    """One clip's prefix and items.

    Attributes:
        input_ids: Shape [tokens].
        position_ids: Shape [3, tokens].
        segments: 0 for the prefix, k for the k-th item, shape [tokens].
        labels: The token itself where it is learned, else -100, shape [tokens].
        weights: Weight in the loss of each learned token, shape [tokens].
        token_types: 2 for video tokens, 0 for text, shape [tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    token_types: torch.Tensor


@dataclass(frozen=True)
class SharedBatch:
    """Rows padded to one length, with the mask between their tokens.

    Attributes:
        input_ids: Shape [rows, tokens].
        position_ids: Shape [3, rows, tokens].
        attention_mask: Added to the scores: 0 where a token sees another, else the least number;
            shape [rows, 1, tokens, tokens].
        labels: Shape [rows, tokens].
        weights: Shape [rows, tokens].
        token_types: Shape [rows, tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    token_types: torch.Tensor

    def to(self, device: torch.device) -> "SharedBatch":
        """The batch on a device."""
        return SharedBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


def share_prefix(prefix: Prefix, items: Sequence[ItemTokens]) -> SharedRow:
    """Lay all items of a clip behind its prefix."""
    ids = [prefix.input_ids]
    positions = [prefix.position_ids]
    length = len(prefix.input_ids)
    segments, labels = [torch.zeros(length, dtype=torch.long)], [torch.full((length,), IGNORED)]
    weights = [torch.zeros(length)]
    for number, item in enumerate(items, start=1):
        tokens = torch.tensor(item.question + item.target)
        ids.append(tokens)
        positions.append((prefix.next_position + torch.arange(len(tokens))).expand(3, -1))
        segments.append(torch.full((len(tokens),), number))
        learned = torch.arange(len(tokens)) >= len(item.question)
        labels.append(torch.where(learned, tokens, IGNORED))
        factors = item.factors or [1.0] * len(item.target)
        weights.append(item.weight * torch.tensor([0.0] * len(item.question) + factors))
    row_ids = torch.cat(ids)
    token_types = torch.zeros_like(row_ids)
    token_types[:length] = prefix.token_types
    return SharedRow(
        input_ids=row_ids,
        position_ids=torch.cat(positions, dim=1),
        segments=torch.cat(segments),
        labels=torch.cat(labels),
        weights=torch.cat(weights),
        token_types=token_types,
    )


def pad_rows(rows: Sequence[SharedRow], pad_id: int, dtype: torch.dtype = torch.float32) -> SharedBatch:
    """Pad rows on the right and build the mask between their tokens."""
    longest = max(len(row.input_ids) for row in rows)

    def padded(tensors: Sequence[torch.Tensor], value: float) -> torch.Tensor:
        return torch.stack(
            [torch.nn.functional.pad(tensor, (0, longest - tensor.shape[-1]), value=value) for tensor in tensors]
        )

    segments = padded([row.segments for row in rows], _PADDING)
    return SharedBatch(
        input_ids=padded([row.input_ids for row in rows], pad_id),
        position_ids=padded([row.position_ids for row in rows], 0).transpose(0, 1),
        attention_mask=_mask(segments, dtype),
        labels=padded([row.labels for row in rows], IGNORED),
        weights=padded([row.weights for row in rows], 0.0),
        token_types=padded([row.token_types for row in rows], 0),
    )


def _mask(segments: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Who sees whom: [rows, 1, tokens, tokens] from the segments [rows, tokens]."""
    tokens = segments.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    query, key = segments[:, :, None], segments[:, None, :]
    sees = earlier & ((key == query) | (key == 0))
    # A padding token sees itself alone, so that no row of the softmax is empty.
    return torch.where(sees, 0.0, torch.finfo(dtype).min).to(dtype)[:, None]


def weighted_loss(
    model: torch.nn.Module, batch: SharedBatch, pixels: torch.Tensor, grids: torch.Tensor
) -> torch.Tensor:
    """Sum over the learned tokens of weight times negative log-likelihood.

    The caller divides by the weights of the whole step, so that the loss of a step does not depend on
    how its items were laid into rows.

    Args:
        model: A Hugging Face video model.
        batch: The rows.
        pixels: Normalised patches of all clips in row order, shape [patches, values].
        grids: Grid of each clip, shape [rows, 3].
    """
    # The token at place i is predicted at place i - 1; logits are computed at those places only.
    learned = (batch.labels != IGNORED).any(dim=0)
    places = learned.nonzero()[:, 0]
    logits = predict(model, batch, pixels, grids, places - 1)
    labels, weights = batch.labels[:, places], batch.weights[:, places]
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return (losses * weights).sum()


def predict(
    model: torch.nn.Module, batch: SharedBatch, pixels: torch.Tensor, grids: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Logits at some places of every row, shape [rows, places, vocabulary], by the model's stock ``forward``."""
    logits: torch.Tensor = model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=batch.attention_mask,
        pixel_values_videos=pixels,
        video_grid_thw=grids,
        mm_token_type_ids=batch.token_types,
        use_cache=False,
        logits_to_keep=places,
    ).logits
    return logits
