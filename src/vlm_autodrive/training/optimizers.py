"""Optimisers and the learning-rate schedule."""

import math
from collections import defaultdict

import torch

from vlm_autodrive.models import Family
from vlm_autodrive.training.parts import part_of, peak_rate
from vlm_autodrive.training.settings import Part, TrainSettings

_MUON_UPDATE = "match_rms_adamw"  # Muon's steps are scaled so that one learning rate serves both
_PEAK = "peak"  # each group's own highest rate, kept beside the rate of the step

_Groups = dict[Part, list[torch.nn.Parameter]]


def build_optimizers(model: torch.nn.Module, family: Family, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """The optimisers for the weights that are trained, in a group for each part of the model.

    With ``muon``, matrices are updated by Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)
    and embeddings, vectors and patch embeddings by AdamW.
    """
    matrices: _Groups = defaultdict(list)
    others: _Groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
            chosen = matrices if settings.optimizer == "muon" and is_matrix else others
            chosen[part_of(name, family)].append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(
            torch.optim.Muon(_groups(matrices, settings), weight_decay=settings.weight_decay, adjust_lr_fn=_MUON_UPDATE)
        )
    if others:
        optimizers.append(
            torch.optim.AdamW(_groups(others, settings), weight_decay=settings.weight_decay, betas=(0.9, 0.98))
        )
    return optimizers


def _groups(parameters: _Groups, settings: TrainSettings) -> list[dict[str, object]]:
    return [
        {"params": of_part, "lr": (peak := peak_rate(part, settings)), _PEAK: peak}
        for part, of_part in parameters.items()
    ]


def take_step(optimizers: list[torch.optim.Optimizer], step: int, steps: int, settings: TrainSettings) -> None:
    """Change the weights by their gradients, at the rates of this step, and forget the gradients."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(group[_PEAK], step, steps, settings)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def learning_rate(peak: float, step: int, steps: int, settings: TrainSettings) -> float:
    """The rate of a step: a linear rise to the peak, then what the schedule says."""
    warmup = max(1, round(steps * settings.warmup_fraction))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if settings.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (1 - progress) if settings.schedule == "linear" else peak
