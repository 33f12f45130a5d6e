"""Which modules of the model are trained, with all weights or by LoRA adapters, and at what learning rate."""

import re
from collections import Counter, defaultdict
from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Family, LoadedModel, quiet_libraries
from vlm_autodrive.progress import Reporter
from vlm_autodrive.training.precision import computes_in_bf16, has_bf16_instructions
from vlm_autodrive.training.settings import ModuleName, TrainSettings

MODULES: dict[ModuleName, str] = {"vision": "vision tower", "projector": "projector", "language": "language model"}
"""The modules of a model, and their names in messages."""


def module_of(name: str, family: Family) -> ModuleName:
    """The module that a weight or layer belongs to, by its name in the model."""
    if re.search(family.projector, name):
        return "projector"
    return "vision" if f"{family.vision_tower}." in name else "language"


def peak_learning_rate(module: ModuleName, settings: TrainSettings) -> float:
    """The highest learning rate of a module."""
    choice = getattr(settings.modules, module)
    return choice if isinstance(choice, float) else settings.learning_rate


def prepare_model(loaded: LoadedModel, settings: TrainSettings, reporter: Reporter) -> Any:
    """The model in training mode, with adapters if they are asked for, frozen where it is not to be trained.

    Raises:
        UserError: If an adapter targets a module that is not to be trained, none targets one that is, or
            nothing at all is left to train.
    """
    model = loaded.model if settings.lora is None else _with_adapters(loaded, settings.lora, settings.seed, reporter)
    by_module: dict[ModuleName, list[torch.nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        by_module[module_of(name, loaded.family)].append(parameter)
    for module, parameters in by_module.items():
        choice = getattr(settings.modules, module)
        if settings.lora is not None:
            _check_adapted(module, choice or ("trained" if module == "language" else "frozen"), parameters)
        elif choice == "frozen":
            for parameter in parameters:
                parameter.requires_grad_(False)
    trained = {module: _weights(p for p in by_module[module] if p.requires_grad) for module in MODULES}
    if not any(trained.values()):
        raise UserError("every module of the model is frozen; let at least one of train.modules be trained.")
    if settings.gradient_checkpointing:
        with quiet_libraries():
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    summary = ", ".join(
        f"{MODULES[module]} {count / 1e6:.1f} (learning rate {peak_learning_rate(module, settings):g})"
        if count
        else f"{MODULES[module]} frozen"
        for module, count in trained.items()
    )
    total = _weights(model.parameters())
    device = loaded.device.type
    computed = "bf16" if computes_in_bf16(settings.precision, device) else "fp32"
    of_total = f"{sum(trained.values()) / 1e6:.1f} of {total / 1e6:.1f} million weights"
    if device == "cpu" and settings.precision == "bf16" and not has_bf16_instructions():
        reporter.say(
            "Mind: this CPU has no instructions for bfloat16, so bf16 takes many times as long as fp32; "
            "train.precision=auto chooses fp32 here."
        )
    reporter.say(f"training {of_total}, computing in {computed}: {summary}")
    return model.train()


def _with_adapters(loaded: LoadedModel, fields: dict[str, Any], seed: int, reporter: Reporter) -> Any:
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    config = LoraConfig(**{"target_modules": loaded.family.lora_targets, **fields})
    torch.manual_seed(seed)  # of the random A matrices, so that all processes and resumed runs begin alike
    try:
        with quiet_libraries():
            model = get_peft_model(loaded.model, config)
    except ValueError as error:
        raise UserError(f"peft cannot place the adapters of train.lora: {error}") from None
    adapted: dict[ModuleName, Counter[str]] = defaultdict(Counter)
    for name, layer in model.named_modules():
        if isinstance(layer, BaseTunerLayer):
            adapted[module_of(name + ".", loaded.family)][name.rpartition(".")[2]] += 1
    for module, layers in adapted.items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in layers.items())
        reporter.say(f"adapters on {layers.total()} layers of the {MODULES[module]}: {kinds}")
    return model


def _check_adapted(module: ModuleName, choice: str | float, parameters: list[torch.nn.Parameter]) -> None:
    has_adapter = any(parameter.requires_grad for parameter in parameters)
    if has_adapter and choice == "frozen":
        raise UserError(
            f"train.lora adapts the {MODULES[module]}, which is not to be trained; name fewer layers in "
            f"train.lora.target_modules, or set train.modules.{module}=trained."
        )
    if not has_adapter and choice != "frozen":
        raise UserError(
            f"the {MODULES[module]} is to be trained, but no adapter is placed on it; name its layers in "
            f"train.lora.target_modules (or all weights in modules_to_save), or set train.modules.{module}=frozen."
        )


def _weights(parameters: Any) -> int:
    return sum(parameter.numel() for parameter in parameters)
