"""Who sees whom in a row, in the two forms that attention takes it in.

- ``dense``: a number for every pair of tokens, added to the scores. Any device; memory grows with the
  square of the row.
- ``flex``: FlexAttention's block mask, which skips the blocks in which nobody sees anybody: most of a
  row with many items or clips. For GPUs; on a CPU it has no backward.
- ``stock``: rows of one item alone, which need nothing but the model's own causal mask. For models that
  cannot share.
"""

from typing import Any, Literal

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface
from transformers.integrations.flex_attention import flex_attention_forward

from vlm_autodrive.errors import UserError

Attention = Literal["dense", "flex", "stock"]
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
    """Let the language model attend by FlexAttention; the vision tower keeps its own way.

    The families refuse the stock name ``flex_attention``, since their towers cannot; a name of our own
    for the stock function, on the language model alone, they take.
    """
    AttentionInterface.register(FLEX, flex_attention_forward)
    language_model.config._attn_implementation = FLEX


def dense_mask(segments: torch.Tensor, prefixes: torch.Tensor) -> torch.Tensor:
    """Added to the scores: 0 where a token sees another, else the least number.

    Args:
        segments: The prefix or item of each token, :data:`PADDING` for padding; shape [rows, tokens].
        prefixes: The segment of the prefix that it sees, likewise.

    Returns:
        Shape [rows, 1, tokens, tokens].
    """
    tokens = segments.shape[1]
    earlier = torch.ones(tokens, tokens, dtype=torch.bool, device=segments.device).tril()
    key = segments[:, None, :]
    # Padding sees padding, so that no row of the softmax is empty.
    sees = earlier & ((key == segments[:, :, None]) | (key == prefixes[:, :, None]))
    return torch.where(sees, 0.0, torch.finfo(torch.float32).min)[:, None]


def block_mask(segments: torch.Tensor, prefixes: torch.Tensor) -> BlockMask:
    """The same for FlexAttention, on the device of the segments."""

    def sees(row: torch.Tensor, _: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        seen = segments[row, key]
        return (query >= key) & ((seen == segments[row, query]) | (seen == prefixes[row, query]))

    rows, tokens = segments.shape
    return create_block_mask(sees, B=rows, H=None, Q_LEN=tokens, KV_LEN=tokens, device=segments.device)
