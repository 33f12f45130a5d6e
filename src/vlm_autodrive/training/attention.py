"""Attention over packed sequences: the mask of shared prefixes, in the form of each attention implementation.

The sequences come from :mod:`~vlm_autodrive.training.prefix_sharing`, which numbers their segments. A token attends to
the prefix of its clip and to the earlier tokens of its own sample: :func:`dense_mask` and :func:`block_mask` build that
mask.

- ``dense``: a number for every pair of tokens, added to the scores. Any device; memory grows with the
  square of the sequence.
- ``flex``: FlexAttention's block mask, which skips blocks of tokens that are masked entirely: most of a
  sequence with many samples or clips. For GPUs; on a CPU it has no backward.
- ``causal``: sequences of one sample, which need nothing but the model's own causal mask. For models that
  cannot share a prefix.
"""

from typing import Any, Literal

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface
from transformers.integrations.flex_attention import flex_attention_forward

from vlm_autodrive.errors import UserError

Attention = Literal["dense", "flex", "causal"]
FLEX = "autodrive_flex"
PADDING = -1


def choose_attention(wanted: Literal["auto", "dense", "flex"], device: torch.device) -> Literal["dense", "flex"]:
    """The form for training on a device.

    Raises:
        UserError: If FlexAttention is asked for on a CPU.
    """
    if wanted == "auto":
        return "flex" if device.type == "cuda" else "dense"
    if wanted == "flex" and device.type == "cpu":
        raise UserError(
            "FlexAttention cannot train on a CPU, where it has no backward pass; set train.attention=dense or auto."
        )
    return wanted


def use_flex(language_model: Any) -> None:
    """Let the language model attend by FlexAttention; the vision tower keeps its own attention.

    The families refuse the stock name ``flex_attention``, since their towers cannot; a name of our own
    for the stock function, on the language model alone, they take.
    """
    AttentionInterface.register(FLEX, flex_attention_forward)
    language_model.config._attn_implementation = FLEX


def dense_mask(segments: torch.Tensor, prefix_segments: torch.Tensor) -> torch.Tensor:
    """The 4-D additive mask of packed sequences: 0 where a token attends to another, else the least float.

    transformers passes a mask of four dimensions on to attention as it is, instead of making a causal one.

    Args:
        segments: The segment of each token (a clip's prefix or one sample), :data:`PADDING` for padding; shape
            [sequences, tokens].
        prefix_segments: The segment of the prefix that the token attends to, likewise.

    Returns:
        Shape [sequences, 1, tokens, tokens]: for every head alike, query by key.
    """
    tokens = segments.shape[1]
    causal = torch.ones(tokens, tokens, dtype=torch.bool, device=segments.device).tril()
    key = segments[:, None, :]
    # Its own segment or its clip's prefix, if earlier: samples neither see one another nor another clip. Padding has
    # the segment of padding, so it attends to itself and no softmax is over nothing, which would give NaN.
    attends = causal & ((key == segments[:, :, None]) | (key == prefix_segments[:, :, None]))
    return torch.where(attends, 0.0, torch.finfo(torch.float32).min)[:, None]


def block_mask(segments: torch.Tensor, prefix_segments: torch.Tensor) -> BlockMask:
    """The same mask for FlexAttention, on the device of the segments."""

    def attends(row: torch.Tensor, _: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        key_segment = segments[row, key]
        own = key_segment == segments[row, query]
        return (query >= key) & (own | (key_segment == prefix_segments[row, query]))

    rows, tokens = segments.shape
    return create_block_mask(attends, B=rows, H=None, Q_LEN=tokens, KV_LEN=tokens, device=segments.device)
