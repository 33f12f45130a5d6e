"""Optimizers and the learning-rate schedule."""

import math
from collections import defaultdict

import torch

from vlm_autodrive.models import Family
from vlm_autodrive.training.float32_muon import Float32Muon
from vlm_autodrive.training.modules import module_of, peak_learning_rate
from vlm_autodrive.training.precision import has_bf16_instructions
from vlm_autodrive.training.settings import ModuleName, TrainSettings

_MUON_UPDATE = "match_rms_adamw"  # Muon's steps are scaled so that one learning rate serves both
_PEAK = "peak"  # each group's own highest rate, kept beside the rate of the step

_Groups = dict[ModuleName, list[torch.nn.Parameter]]


def build_optimizers(model: torch.nn.Module, family: Family, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """The optimizers of the trained weights, with a parameter group for each module of the model.

    With ``muon``, matrices are updated by Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)
    and embeddings, vectors and patch embeddings by AdamW.
    """
    matrices: _Groups = defaultdict(list)
    others: _Groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
            chosen = matrices if settings.optimizer == "muon" and is_matrix else others
            chosen[module_of(name, family)].append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        on_gpu = next(iter(matrices.values()))[0].device.type != "cpu"
        muon = torch.optim.Muon if on_gpu or has_bf16_instructions() else Float32Muon
        optimizers.append(
            muon(_groups(matrices, settings), weight_decay=settings.weight_decay, adjust_lr_fn=_MUON_UPDATE)
        )
    if others:
        optimizers.append(
            torch.optim.AdamW(_groups(others, settings), weight_decay=settings.weight_decay, betas=(0.9, 0.98))
        )
    return optimizers


def _groups(parameters: _Groups, settings: TrainSettings) -> list[dict[str, object]]:
    return [
        {"params": of_module, "lr": (peak := peak_learning_rate(module, settings)), _PEAK: peak}
        for module, of_module in parameters.items()
    ]


def optimizer_step(optimizers: list[torch.optim.Optimizer], step: int, steps: int, settings: TrainSettings) -> None:
    """Update the weights at this step's learning rates, and clear the gradients."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(group[_PEAK], step, steps, settings)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def learning_rate(peak: float, step: int, steps: int, settings: TrainSettings) -> float:
    """Learning rate of a step: linear warm-up to the peak, then the decay of ``lr_scheduler_type``."""
    asked = settings.warmup_steps
    warmup = max(1, round(steps * asked) if asked < 1 else int(asked))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if settings.lr_scheduler_type == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (1 - progress) if settings.lr_scheduler_type == "linear" else peak
