"""How much memory training takes at its peak, from a model's configuration and the settings alone.

Weights, gradients and the optimiser's moments are counted exactly, weight for weight. The activations are those
that autograd keeps for the backward pass, term by term, as Korthikanti et al. 2022, "Reducing Activation
Recomputation in Large Transformer Models" (https://arxiv.org/abs/2205.05198, section 4.1), count them for GPT; the
terms here are those of transformers' layers for these families: RMS norms that compute in float32, grouped
queries, gated feed-forward layers, and no dropout. With h the width of a layer, q and k the widths of its queries and
keys, m the inner width of its feed-forward part, s the bytes of the residual stream and c those of a computed
number, a token leaves in a layer

    norms        2 (4 h + s h)     the input in float32 and the normalised value
    projections  5 c h             the input of q, k, v, gate and up, each cast for itself; 2 c h where none is cast
    attention    4 c q             queries, keys and values spread over the heads, and the output
                 8 (q + k)         more where queries and keys are normalised (Qwen3-VL)
    feed-forward 4 c m             gate, its SiLU, up, and their product (3 without a gate)

and where attention is written out, as on a CPU for rows below 512 tokens, 4 + c bytes for each pair of tokens
and head. With gradient checkpointing a layer keeps s h bytes a token, and one layer at a time all of the above.
What is on its way through backward is taken to be as much as one layer's once more. The logits of learned
tokens cost 3 times 4 bytes and once c for each entry of the vocabulary: as they are, in float32, the log-
softmax, and the gradient.
"""

import os
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.cpu_speed import LONG
from vlm_autodrive.models.loading import LoadedModel
from vlm_autodrive.models.outline import load_outline
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import Record
from vlm_autodrive.training.counting import merge_side
from vlm_autodrive.training.parts import part_of, prepare_model
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import is_sharded

GB = 1e9
_FLOAT, _HALF = 4, 2
_LIBRARIES = {"cuda": 0.0, "cpu": 0.3 * GB}
"""What the libraries take on a CPU once they compute, as measured; on a GPU it is part of what is left."""
_MOMENTS = 2  # of AdamW; Muon keeps one
_SPARE = {"cuda": 0.1, "cpu": 0.1}
"""Share that is left for what is not counted: the driver's context, the allocator's fragments, other programs."""


@dataclass(frozen=True)
class Machine:
    """What a run is planned for.

    Attributes:
        kind: ``cuda`` for GPUs, ``cpu`` else.
        processes: How many processes train together: one on each GPU.
        memory: Bytes that each of them has.
    """

    kind: Literal["cuda", "cpu"]
    processes: int
    memory: float

    @property
    def usable(self) -> float:
        """Bytes that training may plan with."""
        return self.memory * (1 - _SPARE[self.kind])


@dataclass(frozen=True)
class Pass:
    """The largest forward pass.

    Attributes:
        rows: Rows in it.
        tokens: Tokens of a row, padding included.
        patches: Patches of video that the tower sees in it.
        frame_patches: Patches of each pair of frames.
        logits: Places at which logits are computed, in all rows.
    """

    rows: int
    tokens: int
    patches: int
    frame_patches: int
    logits: int


@dataclass(frozen=True)
class Weights:
    """How many weights a model has, by what becomes of them.

    Attributes:
        base: Those that the model is loaded with.
        adapters: Those that are added.
        trained: Those that are trained.
        matrices: Those of them that Muon trains where it is the optimiser.
        layer: Those of the largest layer.
        rest: Those outside of all layers.
        trains_vision: Whether any weight of the vision tower is trained.
    """

    base: int
    adapters: int
    trained: int
    matrices: int
    layer: int
    rest: int
    trains_vision: bool


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


def this_machine(settings: TrainSettings, world: int = 1) -> Machine:
    """The machine that this runs on.

    Args:
        settings: How to train; says how many processes train on a CPU.
        world: Processes that were started together, such as by torchrun.
    """
    if torch.cuda.is_available():
        return Machine("cuda", world, torch.cuda.get_device_properties(0).total_memory)
    processes = max(world, settings.processes)
    return Machine("cpu", processes, _main_memory() / processes)


def machine_of(settings: TrainSettings, gpus: int | None, gigabytes: float | None) -> Machine:
    """A machine as it is described; what is not said is as on this one.

    Args:
        settings: How to train.
        gpus: How many GPUs; 0 for a CPU. None: those here, or one if memory is named and there is none here.
        gigabytes: Memory of each GPU, or of the whole machine for a CPU, in 10^9 bytes.

    Raises:
        UserError: If GPUs are named that are not here, without their memory.
    """
    here = this_machine(settings)
    if gpus is None:
        gpus = max(torch.cuda.device_count(), 0 if gigabytes is None else 1)
    if gpus == 0:
        memory = _main_memory() if gigabytes is None else gigabytes * GB
        return Machine("cpu", settings.processes, memory / settings.processes)
    if gigabytes is None and here.kind == "cpu":
        raise UserError("there is no GPU here to take the memory from; say how much each has, such as --memory 80.")
    return Machine("cuda", gpus, here.memory if gigabytes is None else gigabytes * GB)


def _main_memory() -> float:
    """Bytes of main memory, or of the container's share of it."""
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="ascii").strip() if limit.is_file() else ""
    return min(memory, float(text)) if text.isdigit() else memory


def count_weights(settings: TrainSettings) -> Weights:
    """Count a model's weights as they would be trained, without loading any.

    Raises:
        UserError: If the settings cannot be applied to the model.
    """
    # Counting depends on a few settings alone, and is asked for again and again while ways to fit are sought.
    asked = TrainSettings(model=settings.model, lora=settings.lora, parts=settings.parts)
    return _count_weights(asked.model_dump_json())


@lru_cache(maxsize=16)
def _count_weights(asked: str) -> Weights:
    settings = TrainSettings.model_validate_json(asked)
    outline = load_outline(settings.model)
    base = sum(parameter.numel() for parameter in outline.model.parameters())
    layers = _layers(outline)
    with torch.device("meta"):
        model = prepare_model(outline, settings, SILENT)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return Weights(
        base=base,
        adapters=sum(parameter.numel() for parameter in model.parameters()) - base,
        trained=sum(p.numel() for _, p in trained),
        matrices=sum(p.numel() for name, p in trained if p.ndim == 2 and "embed" not in name and "lm_head" not in name),
        layer=max(layers.values()),
        rest=base - layers.total(),
        trains_vision=any(part_of(name, outline.family) == "vision" for name, _ in trained),
    )


def _layers(outline: LoadedModel) -> Counter[str]:
    """Weights of each layer that ``fully_shard`` gathers by itself."""
    kinds = set(outline.model._no_split_modules)
    return Counter(
        {
            name: sum(parameter.numel() for parameter in module.parameters())
            for name, module in outline.model.named_modules()
            if type(module).__name__ in kinds
        }
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
        activations=_activations(config, weights, settings, largest, spread),
        logits=(3 * _FLOAT + computed_as) * largest.logits * config.get_text_config().vocab_size,
        update=_FLOAT * weights.trained / parts if machine.kind == "cuda" else 0.0,
        libraries=_LIBRARIES[machine.kind],
        gathered=gathered,
        usable=machine.usable,
        processes=machine.processes,
    )


@dataclass(frozen=True)
class Spread:
    """How numbers are held on their way through a model.

    Attributes:
        stream: Bytes of a number in the residual stream.
        computed: Bytes of a number that is computed with.
        own_inputs: Whether every linear layer keeps a copy of its input, cast for itself.
        written_out: Whether attention is written out, so that its weights are kept.
    """

    stream: int
    computed: int
    own_inputs: bool
    written_out: bool


def _activations(config: Any, weights: Weights, settings: TrainSettings, largest: Pass, spread: Spread) -> float:
    text, vision = config.get_text_config(), config.vision_config
    rows_tokens = largest.rows * largest.tokens
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    language = _layer(
        text.hidden_size,
        head * text.num_attention_heads,
        head * text.num_key_value_heads if text.model_type.startswith("qwen3") else 0,
        text.intermediate_size,
        spread,
        gated=True,
    )
    pairs = rows_tokens * largest.tokens * text.num_attention_heads * (_FLOAT + spread.computed)
    layer = rows_tokens * language + (pairs if spread.written_out and largest.tokens < LONG else 0)
    kept: float = _kept(layer, rows_tokens * spread.stream * text.hidden_size, text.num_hidden_layers, settings)
    # The inputs: patches in float32, a dense mask between all tokens of a row, and what the tower hands over.
    size = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
    values = 3 * size * size * getattr(vision, "temporal_patch_size", 1)
    kept += largest.patches * values * _FLOAT
    if spread.written_out or settings.attention == "dense":
        kept += rows_tokens * largest.tokens * _FLOAT
    kept += largest.patches // merge_side(config) ** 2 * text.hidden_size * (_FLOAT + spread.stream)
    tower = _layer(
        vision.hidden_size,
        vision.hidden_size,
        0,
        vision.intermediate_size,
        spread,
        gated=vision.hidden_act == "silu",
    )
    looked = largest.patches * largest.frame_patches * vision.num_attention_heads * (_FLOAT + spread.computed)
    seen = largest.patches * tower + (looked if spread.written_out else 0)
    if not weights.trains_vision:
        return max(kept, float(seen))  # nothing of the tower is kept, so it is over before the rest begins
    return kept + _kept(seen, largest.patches * spread.stream * vision.hidden_size, vision.num_hidden_layers, settings)


def _kept(layer: float, checkpoint: float, layers: int, settings: TrainSettings) -> float:
    """Bytes of a stack of layers at the beginning of backward, with what is on its way through it."""
    if settings.gradient_checkpointing:
        return layers * checkpoint + 2 * layer
    return (layers + 1) * layer


def _layer(hidden: int, queries: int, normed_keys: int, inner: int, spread: Spread, *, gated: bool) -> float:
    """Bytes that a token leaves in a layer, but for attention that is written out; see the head of this file."""
    computed = spread.computed
    inputs = 2 if not spread.own_inputs else 5 if gated else 4
    return (
        2 * (_FLOAT + spread.stream) * hidden
        + inputs * computed * hidden
        + 4 * computed * queries
        + (2 * _FLOAT * (queries + normed_keys) if normed_keys else 0)
        + (4 if gated else 3) * computed * inner
    )


def _gb(value: float) -> str:
    return f"{value / GB:.1f}"
