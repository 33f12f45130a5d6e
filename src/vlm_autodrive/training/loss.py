"""The loss of a forward pass: weighted cross-entropy at the supervised tokens."""

from collections.abc import Mapping

import torch
from torch.nn.attention.flex_attention import BlockMask

from vlm_autodrive.models import forward_positions
from vlm_autodrive.training.attention import block_mask
from vlm_autodrive.training.prefix_sharing import IGNORE_INDEX, PackedBatch


def weighted_loss(model: torch.nn.Module, batch: PackedBatch, vision: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Sum over the supervised tokens of loss weight times negative log-likelihood.

    A sum, not a mean: the loop divides by the loss weights of the whole optimizer step, over all forward passes and
    processes. A mean of means would give the tokens of a short pass more weight, and the loss of a step would depend
    on how its samples were packed.

    Args:
        model: A Hugging Face video model.
        batch: The sequences.
        vision: The encoder's ``vision_inputs`` of all clips, in the order of their places in the sequences.
    """
    # The token at place i is predicted at place i - 1. Logits cost a vocabulary each, so they are computed only at
    # places where some sequence of the batch is supervised.
    places = (batch.labels != IGNORE_INDEX).any(dim=0).nonzero()[:, 0]
    logits = logits_at(model, batch, vision, places - 1)
    labels, weights = batch.labels[:, places], batch.loss_weights[:, places]
    # In float32, since bfloat16 keeps 8 bits of a log-likelihood. cross_entropy wants the vocabulary at dimension 1.
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=IGNORE_INDEX, reduction="none"
    )
    return (losses * weights).sum()


def logits_at(
    model: torch.nn.Module, batch: PackedBatch, vision: Mapping[str, torch.Tensor], places: torch.Tensor
) -> torch.Tensor:
    """Logits at some places of every sequence, by the model's stock ``forward``.

    Returns:
        Shape [sequences, places, vocabulary].
    """
    mask: torch.Tensor | BlockMask
    if batch.attention_mask is None:
        mask = block_mask(batch.segments, batch.prefix_segments)
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
