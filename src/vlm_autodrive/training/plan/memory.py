"""The peak memory of training, from a model's configuration and the settings alone.

Weights, gradients and optimizer moments are counted exactly (``parameter_counts.py``); activations are summed term by
term (``activations.py``). The logits of supervised tokens take, for each entry of the vocabulary, 3 times 4 bytes and
once the bytes of a computed number: as computed, in float32, the log-softmax, and the gradient.
"""

from typing import Any

import torch

from vlm_autodrive.records import Record
from vlm_autodrive.training.plan.activations import NumberFormats, PassSize, activations
from vlm_autodrive.training.plan.machines import GB, Machine
from vlm_autodrive.training.plan.parameter_counts import ParameterCounts
from vlm_autodrive.training.precision import computes_in_bf16
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import is_sharded

_FLOAT, _HALF = 4, 2
_LIBRARIES = {"cuda": 0.0, "cpu": 0.8 * GB}
"""What Python and the libraries take on a CPU before there is a model, as measured by ``benchmarks/plan_memory.py``;
on a GPU it is part of what is left."""
MOMENTS = 2  # of AdamW; Muon keeps one


class MemoryEstimate(Record):
    """Estimated bytes at the peak, in one process.

    Attributes:
        weights: The weights, and their copies in the precision of computing.
        gradients: Of the trained weights.
        optimizer: The optimizer's moments.
        activations: What is kept for the backward pass, and the inputs.
        logits: Of the supervised tokens, and their loss.
        update: What the optimizer needs beside its moments while it updates the weights; by then activations and
            logits are freed.
        libraries: What the libraries take for themselves.
        gathered: Layers whose weights are gathered at the moment, where they are sharded.
        usable: What may be used, after a tenth is left for what is not counted.
        processes: How many processes each take this.
        unmeasured: Why the estimate has not been compared with a real peak; empty where it has.
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
    unmeasured: str = ""

    @property
    def standing(self) -> float:
        """What is there at all times, whatever the sequences."""
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
        unmeasured = f" ({self.unmeasured})" if self.unmeasured else ""
        listed = ", ".join(f"{name} {_gb(value)}" for name, value in parts.items() if value or name != "libraries")
        return f"memory, estimated{each}{unmeasured}: {_gb(self.peak)} GB of {_gb(self.usable)} GB usable: {listed}"


def estimate_memory(
    config: Any, counts: ParameterCounts, settings: TrainSettings, largest: PassSize, machine: Machine
) -> MemoryEstimate:
    """The peak memory of one process.

    Args:
        config: The model's configuration.
        counts: Its parameters, counted for these settings.
        settings: How it is trained.
        largest: The largest forward pass.
        machine: What it is trained on.
    """
    loaded_as = _HALF if machine.kind == "cuda" and settings.lora is not None else _FLOAT
    computed_as = _HALF if computes_in_bf16(settings.precision, machine.kind) or loaded_as == _HALF else _FLOAT
    casts = computed_as != loaded_as
    sharded = is_sharded(settings, Rank(0, machine.processes), torch.device(machine.kind))
    parts = machine.processes if sharded else 1
    gathered = 0.0
    if sharded:
        # fully_shard gathers the next layer while one computes: so two layers and the rest, as computed with. And the
        # gradients of one layer and of the rest, once as computed and once in float32 for the reduction.
        gathered = (2 * counts.layer + counts.rest) * computed_as
        gathered += (counts.layer + counts.rest) * (computed_as + _FLOAT)
    held = loaded_as * counts.base + _FLOAT * counts.adapters
    if casts and not sharded:
        held += computed_as * counts.base
    once = counts.matrices if settings.optimizer == "muon" else 0
    formats = NumberFormats(loaded_as, computed_as, casts or settings.lora is not None, machine.kind == "cpu")
    return MemoryEstimate(
        weights=held / parts,
        gradients=_FLOAT * counts.trained / parts,
        optimizer=_FLOAT * (MOMENTS * counts.trained - once) / parts,
        activations=activations(config, counts, settings, largest, formats),
        logits=(3 * _FLOAT + computed_as) * largest.logits * config.get_text_config().vocab_size,
        update=_FLOAT * counts.trained / parts if machine.kind == "cuda" else 0.0,
        libraries=_LIBRARIES[machine.kind],
        gathered=gathered,
        usable=machine.usable,
        processes=machine.processes,
        unmeasured="unmeasured on a GPU" if machine.kind == "cuda" else "",
    )


def _gb(value: float) -> str:
    return f"{value / GB:.1f}"
