"""A model with few of its layers, so that one of any size can be checked on a small machine.

What is checked of a model (can samples share a prefix, are inputs equal in training and inference) depends on the kinds
of its layers, and not on their number.
"""

from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import cpu_speed
from vlm_autodrive.models.card import read_card
from vlm_autodrive.models.loading import LoadedModel, load_config, load_processor, load_weights
from vlm_autodrive.models.missing import PARTS, TEXT_PARTS
from vlm_autodrive.models.model_files import locate_model


def has_weights(model: str) -> bool:
    """Whether a model's own weights are on this machine."""
    try:
        locate_model(model, PARTS, fetch=False)
    except UserError:
        return False
    return True


def short_model(model: str, layers: int, *, own_weights: bool = False, seed: int = 0) -> LoadedModel:
    """The model's first layers of each kind, on the CPU in float32.

    Args:
        model: As for :func:`vlm_autodrive.models.loading.load_model`.
        layers: Layers of the language model for each kind that it has, and of the vision tower; with its own weights
            as many in all, and more until each kind is there.
        own_weights: Load the model's weights for these layers (those below an adapter, if it is one); else they are
            random, and configuration and processor are all that is read.
        seed: Of random weights.

    Raises:
        UserError: If something of it cannot be read, or the family is not supported.
    """
    from transformers import AutoModelForImageTextToText

    files = locate_model(model, PARTS if own_weights else ("configuration", *TEXT_PARTS))
    config, family = load_config(files)
    processor = load_processor(files)
    _shorten_text(config.text_config, layers, in_a_row=own_weights)
    _shorten_vision(config.vision_config, layers)
    torch.manual_seed(seed)
    if own_weights:
        built = load_weights(files.weights, config, torch.float32)
    else:
        built = AutoModelForImageTextToText.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    cpu_speed.prefer_cpu_speed(built, family)
    return LoadedModel(built.eval(), processor, family, read_card(model), torch.device("cpu"))


def _shorten_text(config: Any, layers: int, *, in_a_row: bool) -> None:
    """Keep some layers of each kind, in their order; or, for their own weights, the first until all kinds are there."""
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    if in_a_row:
        kept = kinds[: max(layers, *(kinds.index(kind) + 1 for kind in set(kinds)))]
    else:
        kept = [kind for place, kind in enumerate(kinds) if kinds[:place].count(kind) < layers]
    config.num_hidden_layers = len(kept)
    if getattr(config, "layer_types", None):
        config.layer_types = kept


def _shorten_vision(config: Any, layers: int) -> None:
    """Keep the first layers and one more, since a tower's last may see further than its others."""
    count = "depth" if "depth" in config.to_dict() else "num_hidden_layers"
    kept = min(layers + 1, getattr(config, count))
    setattr(config, count, kept)
    if getattr(config, "fullatt_block_indexes", None):
        config.fullatt_block_indexes = [kept - 1]
    if getattr(config, "deepstack_visual_indexes", None):
        config.deepstack_visual_indexes = [0]
