"""The sampler: which clips an optimizer step takes, and which samples of each.

A pure function of seed and step. Nothing is drawn from a running generator, so a resumed run takes the very same
examples without replaying those before. Next: :mod:`~vlm_autodrive.training.packing` turns the examples into tensors.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_autodrive.records import Clip, SFTSample
from vlm_autodrive.training.settings import ALWAYS_INCLUDED, TrainSettings


@dataclass(frozen=True)
class TrainClip:
    """A clip with all of its accepted samples."""

    clip: Clip
    samples: tuple[SFTSample, ...]


@dataclass(frozen=True)
class TrainExample:
    """One clip in one optimizer step.

    Attributes:
        clip: The clip.
        samples: The samples that were drawn for it.
        mirrored: Whether frames and text are mirrored.
        gain: Factor on the contrast.
        offset: Added to the brightness, in units of the full range.
    """

    clip: Clip
    samples: tuple[SFTSample, ...]
    mirrored: bool = False
    gain: float = 1.0
    offset: float = 0.0


def join_samples(clips: Sequence[Clip], samples: Sequence[SFTSample]) -> list[TrainClip]:
    """The clips of the train split that have accepted samples, in order, joined by id."""
    accepted: dict[str, list[SFTSample]] = defaultdict(list)
    for sample in samples:
        if sample.accepted:
            accepted[sample.clip_id].append(sample)
    return [
        TrainClip(clip, tuple(accepted[clip.clip_id]))
        for clip in clips
        if clip.split == "train" and accepted[clip.clip_id]
    ]


def total_steps(clips: int, settings: TrainSettings) -> int:
    """Optimizer steps of the whole training, at least one."""
    return max(1, round(_steps_per_epoch(clips, settings) * settings.epochs))


def examples_of_step(clips: Sequence[TrainClip], step: int, settings: TrainSettings) -> list[TrainExample]:
    """The examples of a step; an epoch has as many as there are clips, so its last step may be smaller."""
    epoch, step_of_epoch = divmod(step, _steps_per_epoch(len(clips), settings))
    places = range(len(clips))[step_of_epoch * settings.batch_size :][: settings.batch_size]
    if settings.balance == "class":
        chosen = [_balanced(clips, epoch * len(clips) + place, settings.seed) for place in places]
    else:
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(clips))
        chosen = [(int(order[place]), epoch) for place in places]
    return [_example(clips[number], repeat, number, settings) for number, repeat in chosen]


def clips_by_first_use(clips: Sequence[TrainClip], settings: TrainSettings) -> list[Clip]:
    """The clips in the order in which training needs them first; those of a later epoch in no order."""
    epoch, steps = _steps_per_epoch(len(clips), settings), total_steps(len(clips), settings)
    examples = [example for step in range(min(epoch, steps)) for example in examples_of_step(clips, step, settings)]
    ids = dict.fromkeys(example.clip.clip_id for example in examples)
    if steps > epoch:
        ids |= dict.fromkeys(each.clip.clip_id for each in clips)
    by_id = {each.clip.clip_id: each.clip for each in clips}
    return [by_id[clip_id] for clip_id in ids]


def _balanced(clips: Sequence[TrainClip], place: int, seed: int) -> tuple[int, int]:
    """The clip at a place, counted from the beginning of training, and how often it has come before.

    The classes take turns, and within a class its clips, reshuffled at every round.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for number, each in enumerate(clips):
        members[each.clip.event_class or ""].append(number)
    turn, class_number = divmod(place, len(members))
    numbers = members[sorted(members)[class_number]]
    repeat, within = divmod(turn, len(numbers))
    order = np.random.default_rng([seed, repeat, class_number, 1]).permutation(len(numbers))
    return numbers[order[within]], repeat


def _steps_per_epoch(clips: int, settings: TrainSettings) -> int:
    return math.ceil(clips / settings.batch_size)


def _example(train_clip: TrainClip, repeat: int, number: int, settings: TrainSettings) -> TrainExample:
    """Draw samples and augmentation; ``repeat`` says how often the clip has come before."""
    random = np.random.default_rng([settings.seed, repeat, number])
    always = [sample for sample in train_clip.samples if sample.type in ALWAYS_INCLUDED]
    others = [sample for sample in train_clip.samples if sample.type not in ALWAYS_INCLUDED]
    samples = (*always, *(others[i] for i in sorted(_drawn(others, settings, random))))
    can_mirror = all(sample.mirror_target is not None for sample in samples)
    mirrored = settings.mirror and random.random() < 0.5 and can_mirror
    gain = 1.0 + settings.brightness * random.uniform(-1, 1)
    offset = 0.5 * settings.brightness * random.uniform(-1, 1)
    return TrainExample(train_clip.clip, samples, bool(mirrored), float(gain), float(offset))


def _drawn(samples: Sequence[SFTSample], settings: TrainSettings, random: np.random.Generator) -> Sequence[int]:
    """Places of the samples that are drawn."""
    if not settings.sampling_weights:
        every = range(len(samples))
        few = len(samples) <= settings.samples_per_clip
        return every if few else list(random.permutation(len(samples))[: settings.samples_per_clip])
    weights = np.array([settings.sampling_weights.get(sample.type, 1.0) for sample in samples])
    count = min(settings.samples_per_clip, int((weights > 0).sum()))
    return list(random.choice(len(samples), count, replace=False, p=weights / weights.sum())) if count else []
