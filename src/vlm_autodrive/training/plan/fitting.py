"""Suggestions of settings that make a plan fit, each tried on the plan itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlm_autodrive.errors import UserError
from vlm_autodrive.training.plan.clip_costs import ClipCost, largest_pass
from vlm_autodrive.training.plan.counting import merge_side, token_side
from vlm_autodrive.training.plan.machines import GB, Machine
from vlm_autodrive.training.plan.memory import MemoryEstimate, estimate_memory
from vlm_autodrive.training.plan.parameter_counts import count_parameters
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE, SamplingSettings, is_legible

_MOST_GPUS = 64
_GPU_SIZES = (8, 12, 16, 24, 40, 48, 80, 141)  # gigabytes of GPUs that are sold
_ADAPTERS = {"r": 16, "lora_alpha": 32}

_Change = tuple[str, TrainSettings]


@dataclass(frozen=True)
class PlanCandidate:
    """A plan under some settings: all that tokens and memory depend on.

    Attributes:
        config: The model's configuration.
        clips: The readable clips, counted under these settings.
        settings: How the model would be trained.
        sampling: How frames would be sampled.
        machine: On what.
        any_size: Whether the model takes frames of any size in its multiples.
        novelty: How many supervised places of a pass's sequences do not coincide, as ``new_places`` says.
    """

    config: Any
    clips: Sequence[ClipCost]
    settings: TrainSettings
    sampling: SamplingSettings
    machine: Machine
    any_size: bool
    novelty: float

    def memory(self) -> MemoryEstimate:
        """The memory that it takes."""
        merged = merge_side(self.config) ** 2
        largest = largest_pass(self.clips, self.settings, self.machine.processes, merged, self.novelty)
        return estimate_memory(self.config, count_parameters(self.settings), self.settings, largest, self.machine)

    def with_settings(self, settings: TrainSettings) -> "PlanCandidate":
        """The same under other settings."""
        sampling = settings.sampling or self.sampling
        side = token_side(self.config)
        clips = [clip.with_settings(settings, sampling, side, self.settings) for clip in self.clips]
        return replace(self, clips=clips, settings=settings, sampling=sampling)

    def fits(self) -> bool:
        """Whether sequences and memory fit."""
        longest = max(clip.sequence_tokens for clip in self.clips)
        try:
            return longest <= self.settings.max_length and self.memory().fits
        except UserError:  # settings that exclude each other are no way out
            return False


def ways_to_fit(planned: PlanCandidate) -> list[str]:
    """Settings that make it fit, each one enough by itself, those that change the training least first.

    Where none is enough alone, what costs time only is put before the others: fewer clips in a forward pass, and
    activations recomputed.
    """
    settings = planned.settings
    longest = max(clip.sequence_tokens for clip in planned.clips)
    ways = [
        _first_that_fits(planned, changes)
        for changes in (
            [(f"train.max_length={longest}", _with(settings, max_length=longest))],
            _fewer_at_once(planned, settings),
            _checkpointing(settings),
        )
    ]
    base, before = settings, ""
    if not any(ways):
        base, before = _cheapest(planned)
        if before:
            ways.append(_first_that_fits(planned, [(before, base)]))
    if not any(ways):
        ways += [
            _first_that_fits(planned, changes(planned, base), before)
            for changes in (_fewer_frames, _smaller_frames, _fewer_samples, _adapters)
        ]
        ways.append(_more_gpus(planned, base, before))
    elif longest > settings.max_length:
        ways += [
            _first_that_fits(planned, changes(planned, base))
            for changes in (_fewer_frames, _smaller_frames, _fewer_samples)
        ]
    return [way for way in ways if way]


def _first_that_fits(planned: PlanCandidate, changes: Iterable[_Change], before: str = "") -> str:
    for words, settings in changes:
        if planned.with_settings(settings).fits():
            return f"{before} {words}".strip()
    return ""


def _with(settings: TrainSettings, **changes: Any) -> TrainSettings:
    return settings.model_copy(update=changes)


def _fewer_at_once(planned: PlanCandidate, settings: TrainSettings) -> list[_Change]:
    if settings.pack_to_tokens is not None:
        alone = _with(settings, pack_to_tokens=None, micro_batch_size=1)
        return [("train.pack_to_tokens=null train.micro_batch_size=1", alone)]
    clips = largest_pass(planned.clips, settings, planned.machine.processes, 1).sequences
    return [
        (f"train.micro_batch_size={fewer}", _with(settings, micro_batch_size=fewer))
        for fewer in range(clips - 1, 0, -1)
    ]


def _checkpointing(settings: TrainSettings) -> list[_Change]:
    if settings.gradient_checkpointing:
        return []
    return [("train.gradient_checkpointing=true", _with(settings, gradient_checkpointing=True))]


def _cheapest(planned: PlanCandidate) -> tuple[TrainSettings, str]:
    """With all that costs nothing but time."""
    settings, words = planned.settings, []
    for changes in (lambda s: _fewer_at_once(planned, s)[-1:], _checkpointing):
        for told, changed in changes(settings):
            settings = changed
            words.append(told)
    return settings, " ".join(words)


def _fewer_frames(planned: PlanCandidate, settings: TrainSettings) -> list[_Change]:
    field = "n_frames" if planned.sampling.n_frames else "max_frames"
    most = max(clip.frames for clip in planned.clips)
    return [
        (
            f"train.sampling.{field}={frames}",
            _with(settings, sampling=planned.sampling.model_copy(update={field: frames})),
        )
        for frames in range(most - most % TEMPORAL_PATCH_SIZE, 1, -TEMPORAL_PATCH_SIZE)
    ]


def _smaller_frames(planned: PlanCandidate, settings: TrainSettings) -> list[_Change]:
    if not planned.any_size:
        return []
    side = token_side(planned.config)
    tall, wide = planned.sampling.height // side, planned.sampling.width // side
    sizes = [(rows * side, max(1, round(wide * rows / tall)) * side) for rows in range(tall - 1, 0, -1)]
    if planned.sampling.draw_timestamps:
        sizes = [size for size in sizes if is_legible(*size)]
    return [
        (
            f"train.sampling.height={height} train.sampling.width={width}",
            _with(settings, sampling=planned.sampling.model_copy(update={"height": height, "width": width})),
        )
        for height, width in sizes
    ]


def _fewer_samples(planned: PlanCandidate, settings: TrainSettings) -> list[_Change]:
    most = min(settings.samples_per_clip, max(len(clip.drawn) for clip in planned.clips))
    return [
        (f"train.samples_per_clip={fewer}", _with(settings, samples_per_clip=fewer))
        for fewer in range(most - 1, -1, -1)
    ]


def _adapters(_: PlanCandidate, settings: TrainSettings) -> list[_Change]:
    if settings.lora is not None:
        return []
    words = "train.lora={" + ", ".join(f"{name}: {value}" for name, value in _ADAPTERS.items()) + "}"
    changed = _with(settings, lora=_ADAPTERS, shard="none" if settings.shard == "full" else settings.shard)
    return [(f"'{words}'", changed)]


def _more_gpus(planned: PlanCandidate, settings: TrainSettings, before: str) -> str:
    if planned.machine.kind != "cuda" or settings.lora is not None:
        return ""
    gpus = planned.machine.processes * 2
    while gpus <= _MOST_GPUS:
        machine = replace(planned.machine, processes=gpus)
        if replace(planned, machine=machine).with_settings(settings).fits():
            return f"{before} on {gpus} such GPUs (--gpus {gpus})".strip()
        gpus *= 2
    return ""


def refusal_of(planned: PlanCandidate, memory: MemoryEstimate) -> str:
    """Why it does not fit, and what would make it, in one sentence for each."""
    settings = planned.settings
    too_long = [clip for clip in planned.clips if clip.sequence_tokens > settings.max_length]
    why = []
    if too_long:
        longest = max(clip.sequence_tokens for clip in too_long)
        why.append(
            f"{len(too_long)} of {len(planned.clips)} clips do not fit into max_length={settings.max_length}; "
            f"the longest sequence has {longest} tokens"
        )
    if not memory.fits:
        why.append(memory.line().replace("memory, estimated", "it does not fit into memory; estimated"))
    ways = ways_to_fit(planned)
    gpu = _one_gpu(planned)
    if not ways:
        advice = gpu or "take a smaller model, or more memory."
        return "; ".join(why) + ". No settings make it fit here: " + advice
    return "; ".join(why) + ". Any of these makes it fit: " + "; ".join([*ways, gpu.rstrip(".")] if gpu else ways) + "."


def _one_gpu(planned: PlanCandidate) -> str:
    """On which GPU it would fit as it is, for who plans on a CPU; empty if on none."""
    if planned.machine.kind == "cuda":
        return ""
    for size in _GPU_SIZES:
        if replace(planned, machine=Machine("cuda", 1, size * GB)).fits():
            return f"on one GPU of {size} GB it fits (`autodrive plan` with --gpus 1 --memory {size} shows it)."
    return ""
