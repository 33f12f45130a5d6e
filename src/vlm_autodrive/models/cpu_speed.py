"""What makes a small model fast on a CPU, with the same numbers.

The vision towers of the Qwen families attend within each pair of frames. Without FlashAttention the
stock code calls the attention function once for each pair; on a CPU, with a small model, that loop
costs more than the arithmetic. An implementation whose name holds ``flash`` is instead called once,
with the boundaries, and can reshape equal-length pieces into a batch.

The towers cut frames into patches by a convolution whose stride is its kernel; each patch meets the
weights once, so it is a matrix product, and on a CPU several times as fast when written as one.

Attention over a few hundred tokens is fastest written out, in bfloat16 above all; over more of them the fused
kernel is, since the scores of every pair no longer stay in the processor's cache.
"""

import logging
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask
from transformers.models.qwen2.modeling_qwen2 import eager_attention_forward

from vlm_autodrive.models.families import Family

FRAME_ATTENTION = "autodrive_flash_frames"
ATTENTION_BY_LENGTH = "autodrive_by_length"
LONG = 512  # tokens from which on the fused kernel is the faster one


def frame_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each piece of a packed sequence.

    Args:
        module: The attention layer (unused).
        query: Shape [1, heads, tokens, head size]; ``key`` and ``value`` likewise.
        key: See ``query``.
        value: See ``query``.
        attention_mask: Must be None.
        scaling: Factor on the scores.
        dropout: Dropout probability.
        **kwargs: ``cu_seq_lens_q`` holds the boundaries of the pieces.

    Returns:
        The output, shape [1, tokens, heads, head size], and None in place of weights.
    """
    del module, attention_mask
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    lengths = kwargs["cu_seq_lens_q"].diff()
    if bool((lengths == lengths[0]).all()):
        return _attend_in_pieces(query, key, value, int(lengths[0]), scale, dropout), None
    # Windows at the edges are smaller than the others, so pieces come in a few lengths: each length is a batch.
    order = torch.repeat_interleave(lengths, lengths).argsort(stable=True)
    sizes, counts = lengths.unique(return_counts=True)
    pieces = (
        torch.split(tensor.index_select(2, order), (sizes * counts).tolist(), dim=2) for tensor in (query, key, value)
    )
    attended = [
        _attend_in_pieces(q, k, v, size, scale, dropout) for q, k, v, size in zip(*pieces, sizes.tolist(), strict=True)
    ]
    return torch.cat(attended, dim=1).index_select(1, order.argsort()), None


def _attend_in_pieces(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, length: int, scale: float, dropout: float
) -> torch.Tensor:
    heads, size = query.shape[1], query.shape[3]
    q, k, v = (
        tensor.reshape(heads, -1, length, size).transpose(0, 1) for tensor in (query, key, value)
    )  # [pieces, heads, length, head size]
    return _attend(q, k, v, scale, dropout).transpose(1, 2).reshape(1, -1, heads, size).contiguous()


def attention_by_length(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **keywords: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The stock attention of a language model, written out for short rows and fused for long ones.

    Of a long row, what comes before the second item is causal. The fused kernel needs no mask for that and skips
    what a token cannot see; the rest takes the mask.
    """
    if key.shape[2] < LONG:
        written_out: tuple[torch.Tensor, torch.Tensor] = eager_attention_forward(
            module, query, key, value, attention_mask, **keywords
        )
        return written_out
    lead = 0 if attention_mask is None or query.shape[2] != key.shape[2] else _causal_lead(attention_mask)
    if lead < LONG:
        fused: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **keywords)
        return fused
    assert attention_mask is not None
    parts = [sdpa_attention_forward(module, query[:, :, :lead], key[:, :, :lead], value[:, :, :lead], None, **keywords)]
    if lead < query.shape[2]:
        rest = attention_mask[:, :, lead:]
        parts.append(sdpa_attention_forward(module, query[:, :, lead:], key, value, rest, **keywords))
    return torch.cat([output for output, _ in parts], dim=1), None


def _causal_lead(mask: torch.Tensor) -> int:
    """How many tokens of every row see all before them: the first that does not misses its neighbour or the very first.

    Args:
        mask: Added to the scores, 0 where a token sees another, of pieces that see a prefix and themselves.
    """
    hidden = (mask.diagonal(offset=-1, dim1=2, dim2=3) != 0) | (mask[:, :, 1:, 0] != 0)
    ends = hidden.flatten(0, 1).any(dim=0).nonzero()
    return int(ends[0]) + 1 if len(ends) else mask.shape[2]


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, dropout: float) -> torch.Tensor:
    if key.shape[2] >= LONG:
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale)
    weights = (query @ key.transpose(-2, -1) * scale).float().softmax(dim=-1).to(value.dtype)
    return torch.nn.functional.dropout(weights, dropout) @ value


class PatchProduct(torch.nn.Conv3d):
    """A patch embedding's convolution as a matrix product: input is one patch, output its embedding."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Embed patches [patches, channels, frames, height, width] to [patches, size, 1, 1, 1]."""
        product = torch.nn.functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)
        return product[:, :, None, None, None]


def prefer_cpu_speed(model: torch.nn.Module, family: Family) -> None:
    """Choose what is fastest for short sequences on a CPU, in both halves of a model.

    The language model's attention is :func:`attention_by_length`. A Qwen tower's is :func:`frame_attention`, and its
    patch embedding a :class:`PatchProduct` over the same weights; other towers take whole pictures as a
    batch already.

    It is set on the tower's configuration after loading, since the loader takes every name with
    ``flash`` in it for a kernel to be fetched.
    """
    # It advises to install kernels for linear attention, which there are for GPUs only.
    logging.getLogger("transformers.integrations.hub_kernels").setLevel(logging.ERROR)
    AttentionInterface.register(ATTENTION_BY_LENGTH, attention_by_length)
    AttentionMaskInterface.register(ATTENTION_BY_LENGTH, eager_mask)
    model.get_submodule(family.language_model).config._attn_implementation = ATTENTION_BY_LENGTH  # type: ignore[union-attr]
    if family.video != "qwen":
        return
    AttentionInterface.register(FRAME_ATTENTION, frame_attention)
    tower = model.get_submodule(family.vision_tower)
    tower.config._attn_implementation = FRAME_ATTENTION  # type: ignore[union-attr]
    embedding = tower.get_submodule("patch_embed.proj")
    assert isinstance(embedding, torch.nn.Conv3d)
    assert embedding.stride == embedding.kernel_size
    embedding.__class__ = PatchProduct
