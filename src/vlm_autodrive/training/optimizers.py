"""Optimisers and the learning-rate schedule."""

import math
from collections.abc import Sequence

import torch

from vlm_autodrive.training.settings import TrainSettings

_MUON_UPDATE = "match_rms_adamw"  # Muon's steps are scaled so that one learning rate serves both


def build_optimizers(model: torch.nn.Module, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """The optimisers for the weights that are trained.

    With ``muon``, matrices are updated by Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)
    and embeddings, vectors and patch embeddings by AdamW.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if settings.optimizer == "adamw":
        return [_adamw([p for _, p in trained], settings)]
    matrices = [p for name, p in trained if p.ndim == 2 and "embed" not in name and "lm_head" not in name]
    chosen = {id(p) for p in matrices}
    muon = torch.optim.Muon(
        matrices, lr=settings.learning_rate, weight_decay=settings.weight_decay, adjust_lr_fn=_MUON_UPDATE
    )
    return [muon, _adamw([p for _, p in trained if id(p) not in chosen], settings)]


def _adamw(parameters: Sequence[torch.nn.Parameter], settings: TrainSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
    )


def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """The rate of a step: a linear rise, then a cosine down to 0."""
    warmup = max(1, round(steps * settings.warmup_fraction))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
