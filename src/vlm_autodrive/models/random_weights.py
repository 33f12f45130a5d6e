"""A model's architecture with few layers and random weights, from its configuration alone.

What is checked of a family (can samples share a prefix, where do adapters go) depends on the kinds of its layers,
not on their number or weights. So a model of any size can be checked on a small machine.
"""

from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import cpu_speed
from vlm_autodrive.models.loading import LoadedModel, load_config, load_processor, read_card
from vlm_autodrive.models.missing import TEXT_PARTS
from vlm_autodrive.models.model_files import locate_model

_LOADED_BYTES = 4 << 30


def suits_a_check(model: str) -> bool:
    """Whether a model's own weights are at hand and few enough to compare gradients with on any machine."""
    try:
        files = locate_model(model, fetch=False)
    except UserError:
        return False
    weights = sum(
        file.stat().st_size for folder in (files.folder, files.weights) for file in folder.glob("*.safetensors")
    )
    return weights < _LOADED_BYTES


def random_model(model: str, layers: int, seed: int = 0) -> LoadedModel:
    """The model's architecture on the CPU with random weights; configuration and processor are all that is read.

    Args:
        model: As for :func:`vlm_autodrive.models.loading.load_model`.
        layers: Layers of the language model for each kind that it has, and of the vision tower.
        seed: Of the weights.

    Raises:
        UserError: If configuration or processor cannot be read, or the family is not supported.
    """
    from transformers import AutoModelForImageTextToText

    files = locate_model(model, ("configuration", *TEXT_PARTS))
    config, family = load_config(files)
    processor = load_processor(files)
    _shorten_text(config.text_config, layers)
    _shorten_vision(config.vision_config, layers)
    torch.manual_seed(seed)
    built = AutoModelForImageTextToText.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    cpu_speed.prefer_cpu_speed(built, family)
    return LoadedModel(built.eval(), processor, family, read_card(model), torch.device("cpu"))


def _shorten_text(config: Any, layers: int) -> None:
    """Keep some layers of each kind, in their order."""
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    kept: list[str] = []
    for kind in kinds:
        if kept.count(kind) < layers:
            kept.append(kind)
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
