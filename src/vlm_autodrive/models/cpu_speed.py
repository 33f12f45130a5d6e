"""What makes a small model fast on a CPU, with the same numbers.

The vision towers of the Qwen families attend within each pair of frames. Without FlashAttention the
stock code calls the attention function once for each pair; on a CPU, with a small model, that loop
costs more than the arithmetic. An implementation whose name holds ``flash`` is instead called once,
with the boundaries, and can reshape equal-length pieces into a batch.

The towers cut frames into patches by a convolution whose stride is its kernel; each patch meets the
weights once, so it is a matrix product, and on a CPU several times as fast when written as one.
"""

from typing import Any

import torch
from transformers import AttentionInterface

from vlm_autodrive.models.families import Family

FRAME_ATTENTION = "autodrive_flash_frames"


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
        heads, size = query.shape[1], query.shape[3]
        q, k, v = (
            tensor.reshape(heads, len(lengths), -1, size).transpose(0, 1) for tensor in (query, key, value)
        )  # [pieces, heads, length, head size]
        output = _attend(q, k, v, scale, dropout).transpose(1, 2).reshape(1, -1, heads, size)
    else:
        parts = (torch.split(tensor, lengths.tolist(), dim=2) for tensor in (query, key, value))
        attended = [_attend(q, k, v, scale, dropout) for q, k, v in zip(*parts, strict=True)]
        output = torch.cat(attended, dim=2).transpose(1, 2)
    return output.contiguous(), None


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, dropout: float) -> torch.Tensor:
    """Attention written out: over a few dozen tokens its backward is faster on a CPU than the fused one."""
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

    The language model's attention is written out too. A Qwen tower's is :func:`frame_attention`, and its
    patch embedding a :class:`PatchProduct` over the same weights; other towers take whole pictures as a
    batch already.

    It is set on the tower's configuration after loading, since the loader takes every name with
    ``flash`` in it for a kernel to be fetched.
    """
    model.get_submodule(family.language_model).config._attn_implementation = "eager"  # type: ignore[union-attr]
    if family.video != "qwen":
        return
    AttentionInterface.register(FRAME_ATTENTION, frame_attention)
    tower = model.get_submodule(family.vision_tower)
    tower.config._attn_implementation = FRAME_ATTENTION  # type: ignore[union-attr]
    embedding = tower.get_submodule("patch_embed.proj")
    assert isinstance(embedding, torch.nn.Conv3d)
    assert embedding.stride == embedding.kernel_size
    embedding.__class__ = PatchProduct
