"""What of the model is trained: adapters or all weights, in which of its parts, and how it is told."""

import re
from collections import Counter, defaultdict
from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Family, LoadedModel, quiet_renames
from vlm_autodrive.progress import Reporter
from vlm_autodrive.training.settings import Part, TrainSettings

PARTS: dict[Part, str] = {"vision": "vision tower", "projector": "projector", "language": "language model"}
"""The parts of a model, and what they are called to people."""


def part_of(name: str, family: Family) -> Part:
    """The part that a weight or layer belongs to, by its name in the model."""
    if re.search(family.projector, name):
        return "projector"
    return "vision" if f"{family.vision_tower}." in name else "language"


def peak_rate(part: Part, settings: TrainSettings) -> float:
    """The highest learning rate of a part."""
    choice = getattr(settings.parts, part)
    return choice if isinstance(choice, float) else settings.learning_rate


def prepare_model(loaded: LoadedModel, settings: TrainSettings, reporter: Reporter) -> Any:
    """The model in training mode, with adapters if they are asked for, frozen where it is not to be trained.

    Raises:
        UserError: If an adapter reaches a part that is not to be trained, none reaches one that is, or
            nothing at all is left to train.
    """
    model = loaded.model if settings.lora is None else _with_adapters(loaded, settings.lora, settings.seed, reporter)
    by_part: dict[Part, list[torch.nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        by_part[part_of(name, loaded.family)].append(parameter)
    for part, parameters in by_part.items():
        choice = getattr(settings.parts, part)
        if settings.lora is not None:
            _check_adapted(part, choice or ("trained" if part == "language" else "frozen"), parameters)
        elif choice == "frozen":
            for parameter in parameters:
                parameter.requires_grad_(False)
    trained = {part: _weights(p for p in by_part[part] if p.requires_grad) for part in PARTS}
    if not any(trained.values()):
        raise UserError("every part of the model is frozen; let at least one of train.parts be trained.")
    if settings.gradient_checkpointing:
        with quiet_renames():
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    told = ", ".join(
        f"{PARTS[part]} {count / 1e6:.1f} (learning rate {peak_rate(part, settings):g})"
        if count
        else f"{PARTS[part]} frozen"
        for part, count in trained.items()
    )
    total = _weights(model.parameters())
    reporter.say(f"training {sum(trained.values()) / 1e6:.1f} of {total / 1e6:.1f} million weights: {told}")
    return model.train()


def _with_adapters(loaded: LoadedModel, fields: dict[str, Any], seed: int, reporter: Reporter) -> Any:
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    config = LoraConfig(**{"target_modules": loaded.family.lora_targets, **fields})
    torch.manual_seed(seed)
    try:
        with quiet_renames():
            model = get_peft_model(loaded.model, config)
    except ValueError as error:
        raise UserError(f"peft cannot place the adapters of train.lora: {error}") from None
    adapted: dict[Part, Counter[str]] = defaultdict(Counter)
    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer):
            adapted[part_of(name + ".", loaded.family)][name.rpartition(".")[2]] += 1
    for part, layers in adapted.items():
        kinds = ", ".join(f"{count} {layer}" for layer, count in layers.items())
        reporter.say(f"adapters on {layers.total()} layers of the {PARTS[part]}: {kinds}")
    return model


def _check_adapted(part: Part, choice: str | float, parameters: list[torch.nn.Parameter]) -> None:
    reached = any(parameter.requires_grad for parameter in parameters)
    if reached and choice == "frozen":
        raise UserError(
            f"train.lora reaches the {PARTS[part]}, which is not to be trained; name fewer layers in "
            f"train.lora.target_modules, or set train.parts.{part}=trained."
        )
    if not reached and choice != "frozen":
        raise UserError(
            f"the {PARTS[part]} is to be trained, but no adapter reaches it; name its layers in "
            f"train.lora.target_modules (or modules_to_save, to train them whole), or set train.parts.{part}=frozen."
        )


def _weights(parameters: Any) -> int:
    return sum(parameter.numel() for parameter in parameters)
