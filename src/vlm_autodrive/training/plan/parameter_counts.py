"""Parameter counts of a model under given settings, without loading any weights."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import torch

from vlm_autodrive.models import LoadedModel, load_meta_model
from vlm_autodrive.progress import SILENT
from vlm_autodrive.training.modules import module_of, prepare_model
from vlm_autodrive.training.settings import TrainSettings


@dataclass(frozen=True)
class ParameterCounts:
    """How many parameters a model has.

    Attributes:
        base: Of the base model.
        adapters: Of the adapters.
        trained: That are trained.
        matrices: Of the trained, those that Muon updates where it is the optimizer.
        layer: Of the largest layer.
        rest: Outside of all layers.
        trains_vision: Whether any weight of the vision tower is trained.
    """

    base: int
    adapters: int
    trained: int
    matrices: int
    layer: int
    rest: int
    trains_vision: bool


def count_parameters(settings: TrainSettings) -> ParameterCounts:
    """Count a model's parameters under given settings, on the meta device.

    Raises:
        UserError: If the settings cannot be applied to the model.
    """
    # Counts depend on these settings only, and fitting.py asks for them again and again: so they are cached by these.
    relevant = TrainSettings(model=settings.model, lora=settings.lora, modules=settings.modules)
    return _count_parameters(relevant.model_dump_json())


@lru_cache(maxsize=16)
def _count_parameters(settings_json: str) -> ParameterCounts:
    settings = TrainSettings.model_validate_json(settings_json)
    meta_model = load_meta_model(settings.model)
    base = sum(parameter.numel() for parameter in meta_model.model.parameters())
    layers = _layers(meta_model)
    with torch.device("meta"):
        model = prepare_model(meta_model, settings, SILENT)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return ParameterCounts(
        base=base,
        adapters=sum(parameter.numel() for parameter in model.parameters()) - base,
        trained=sum(p.numel() for _, p in trained),
        matrices=sum(p.numel() for name, p in trained if p.ndim == 2 and "embed" not in name and "lm_head" not in name),
        layer=max(layers.values()),
        rest=base - layers.total(),
        trains_vision=any(module_of(name, meta_model.family) == "vision" for name, _ in trained),
    )


def _layers(meta_model: LoadedModel) -> Counter[str]:
    """Parameters of each layer that ``fully_shard`` gathers by itself."""
    kinds = set(meta_model.model._no_split_modules)
    return Counter(
        {
            name: sum(parameter.numel() for parameter in module.parameters())
            for name, module in meta_model.model.named_modules()
            if type(module).__name__ in kinds
        }
    )
