"""How much memory training takes at its peak, from a model's configuration and the settings alone.

Weights, gradients and the optimiser's moments are counted exactly, weight for weight (``weighing.py``); activations
are added up term by term (``activations.py``). The logits of learned tokens cost 3 times 4 bytes and once those of a
computed number for each entry of the vocabulary: as they are, in float32, the log-softmax, and the gradient.
"""

from typing import Any

import torch

from vlm_autodrive.records import Record
from vlm_autodrive.training.plan.activations import Pass, Spread, activations
from vlm_autodrive.training.plan.machines import GB, Machine
from vlm_autodrive.training.plan.parameter_counts import Weights
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import is_sharded

_FLOAT, _HALF = 4, 2
_LIBRARIES = {"cuda": 0.0, "cpu": 0.3 * GB}
"""What the libraries take on a CPU once they compute, as measured; on a GPU it is part of what is left."""
_MOMENTS = 2  # of AdamW; Muon keeps one


class Memory(Record):
    """Estimated bytes at the peak, in one process.

    Attributes:
        weights: The weights, and their copies in the precision of computing.
        gradients: Of the trained weights.
        optimizer: Its moments.
        activations: What is kept for the backward pass, and the inputs.
        logits: Of the learned tokens, and their loss.
        update: What the optimiser needs beside its moments while it changes the weights; by then activations and
            logits are gone.
        libraries: What the libraries take for themselves.
        gathered: Layers that are whole for a while, where the weights are divided.
        usable: What may be used, after a tenth is left for what is not counted.
        processes: How many processes each take this.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    update: float
    libraries: float
    gathered: float
    usable: float
    processes: int

    @property
    def standing(self) -> float:
        """What is there at all times, whatever the rows."""
        return self.weights + self.gradients + self.optimizer + self.libraries + self.gathered

    @property
    def peak(self) -> float:
        """All of it at the worst moment."""
        return self.standing + max(self.activations + self.logits, self.update)

    @property
    def fits(self) -> bool:
        """Whether there is as much."""
        return self.peak <= self.usable

    def line(self) -> str:
        """In one line."""
        parts = {
            "weights": self.weights + self.gathered,
            "gradients": self.gradients,
            "optimiser": self.optimizer,
            "activations": self.activations,
            "logits": self.logits,
            "libraries": self.libraries,
        }
        each = " for each of its processes" if self.processes > 1 else ""
        return f"memory, estimated{each}: {_gb(self.peak)} GB of {_gb(self.usable)} GB that can be used: " + ", ".join(
            f"{name} {_gb(value)}" for name, value in parts.items() if value or name != "libraries"
        )


def estimate(config: Any, weights: Weights, settings: TrainSettings, largest: Pass, machine: Machine) -> Memory:
    """The peak of memory in one process.

    Args:
        config: The model's configuration.
        weights: Its weights, counted for these settings.
        settings: How it is trained.
        largest: The largest forward pass.
        machine: What it is trained on.
    """
    loaded_as = _HALF if machine.kind == "cuda" and settings.lora is not None else _FLOAT
    computed_as = _HALF if settings.precision == "bf16" or loaded_as == _HALF else _FLOAT
    casts = computed_as != loaded_as
    sharded = is_sharded(settings, Rank(0, machine.processes), torch.device(machine.kind))
    parts = machine.processes if sharded else 1
    gathered = 0.0
    if sharded:
        # Two layers on their way and the rest as computed with, and the gradients of one and of the rest, twice over.
        gathered = (2 * weights.layer + weights.rest) * computed_as
        gathered += (weights.layer + weights.rest) * (computed_as + _FLOAT)
    held = loaded_as * weights.base + _FLOAT * weights.adapters
    if casts and not sharded:
        held += computed_as * weights.base
    once = weights.matrices if settings.optimizer == "muon" else 0
    spread = Spread(loaded_as, computed_as, casts or settings.lora is not None, machine.kind == "cpu")
    return Memory(
        weights=held / parts,
        gradients=_FLOAT * weights.trained / parts,
        optimizer=_FLOAT * (_MOMENTS * weights.trained - once) / parts,
        activations=activations(config, weights, settings, largest, spread),
        logits=(3 * _FLOAT + computed_as) * largest.logits * config.get_text_config().vocab_size,
        update=_FLOAT * weights.trained / parts if machine.kind == "cuda" else 0.0,
        libraries=_LIBRARIES[machine.kind],
        gathered=gathered,
        usable=machine.usable,
        processes=machine.processes,
    )


def _gb(value: float) -> str:
    return f"{value / GB:.1f}"
