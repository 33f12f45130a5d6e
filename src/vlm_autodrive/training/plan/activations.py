"""Activation memory: what a forward pass keeps for the backward pass, from a model's configuration.

They are summed term by term, as Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer
Models" (https://arxiv.org/abs/2205.05198, section 4.1), count what autograd keeps of GPT; the terms here are those
of transformers' layers for these families: RMS norms that compute in float32, grouped queries, gated feed-forward
layers, and no dropout. With h the width of a layer, q and k the widths of its queries and keys, m the inner width
of its feed-forward part, s the bytes of the residual stream and c those of a computed number, a token keeps in a
layer

    norms        2 (4 h + s h)     the input in float32 and the normalised value
    projections  5 c h             the input of q, k, v, gate and up, each cast for itself; 2 c h where none is cast
    attention    4 c q             queries, keys and values spread over the heads, and the output
                 8 (q + k)         more where queries and keys are normalised (Qwen3-VL)
    feed-forward 4 c m             gate, its SiLU, up, and their product (3 without a gate)

and where attention is eager, as on a CPU for sequences below 512 tokens, 4 + c bytes for each pair of tokens
and head. With gradient checkpointing a layer keeps s h bytes a token, and one layer at a time all of the above.
What is on its way through backward is taken to be as much as one layer's once more.
"""

from dataclasses import dataclass
from typing import Any

from vlm_autodrive.models import LONG
from vlm_autodrive.training.plan.counting import merge_side
from vlm_autodrive.training.plan.parameter_counts import ParameterCounts
from vlm_autodrive.training.settings import TrainSettings

_FLOAT = 4  # bytes


@dataclass(frozen=True)
class PassSize:
    """The size of a forward pass.

    Attributes:
        sequences: Sequences in it.
        tokens: Tokens of a sequence, padding included.
        patches: Patches of video that the tower sees in it.
        frame_patches: Patches of each pair of frames.
        logits: Places at which logits are computed, in all sequences.
    """

    sequences: int
    tokens: int
    patches: int
    frame_patches: int
    logits: int


@dataclass(frozen=True)
class NumberFormats:
    """The bytes that numbers take on their way through a model.

    Attributes:
        stream: Bytes of a number in the residual stream.
        computed: Bytes of a number that is computed with.
        own_inputs: Whether every linear layer keeps a copy of its input, cast for itself.
        eager: Whether attention is computed eagerly, so that its weights are kept.
    """

    stream: int
    computed: int
    own_inputs: bool
    eager: bool


def activations(
    config: Any, counts: ParameterCounts, settings: TrainSettings, largest: PassSize, formats: NumberFormats
) -> float:
    """Bytes that the largest forward pass keeps for the backward pass, with its inputs.

    Args:
        config: The model's configuration.
        counts: Its parameters, counted for these settings.
        settings: How it is trained.
        largest: The pass.
        formats: Bytes of the numbers.
    """
    text, vision = config.get_text_config(), config.vision_config
    all_tokens = largest.sequences * largest.tokens
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    language = _layer(
        text.hidden_size,
        head * text.num_attention_heads,
        head * text.num_key_value_heads if text.model_type.startswith("qwen3") else 0,
        text.intermediate_size,
        formats,
        gated=True,
    )
    pairs = all_tokens * largest.tokens * text.num_attention_heads * (_FLOAT + formats.computed)
    layer = all_tokens * language + (pairs if formats.eager and largest.tokens < LONG else 0)
    kept: float = _kept(layer, all_tokens * formats.stream * text.hidden_size, text.num_hidden_layers, settings)
    # The inputs: patches in float32, a dense mask between all tokens of a sequence, and what the tower hands over.
    size = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
    values = 3 * size * size * getattr(vision, "temporal_patch_size", 1)
    kept += largest.patches * values * _FLOAT
    if formats.eager or settings.attention == "dense":
        kept += all_tokens * largest.tokens * _FLOAT
    kept += largest.patches // merge_side(config) ** 2 * text.hidden_size * (_FLOAT + formats.stream)
    tower = _layer(
        vision.hidden_size,
        vision.hidden_size,
        0,
        vision.intermediate_size,
        formats,
        gated=vision.hidden_act == "silu",
    )
    looked = largest.patches * largest.frame_patches * vision.num_attention_heads * (_FLOAT + formats.computed)
    seen = largest.patches * tower + (looked if formats.eager else 0)
    if not counts.trains_vision:
        return max(kept, float(seen))  # nothing of the tower is kept, so it is over before the rest begins
    return kept + _kept(seen, largest.patches * formats.stream * vision.hidden_size, vision.num_hidden_layers, settings)


def _kept(layer: float, checkpoint: float, layers: int, settings: TrainSettings) -> float:
    """Bytes of a stack of layers when the backward pass begins, with one layer's in flight."""
    if settings.gradient_checkpointing:
        return layers * checkpoint + 2 * layer
    return (layers + 1) * layer


def _layer(hidden: int, queries: int, normed_keys: int, inner: int, formats: NumberFormats, *, gated: bool) -> float:
    """Bytes that a token keeps in a layer, but for the weights of eager attention; the table above has the terms."""
    computed = formats.computed
    inputs = 2 if not formats.own_inputs else 5 if gated else 4
    return (
        2 * (_FLOAT + formats.stream) * hidden
        + inputs * computed * hidden
        + 4 * computed * queries
        + (2 * _FLOAT * (queries + normed_keys) if normed_keys else 0)
        + (4 if gated else 3) * computed * inner
    )
