"""Which clips a step takes, and which of their items: a pure function of seed and step.

Nothing is drawn from a running generator, so a resumed run takes the very same visits without
replaying what came before.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_autodrive.records import Clip, SFTSample
from vlm_autodrive.training.settings import TrainSettings


@dataclass(frozen=True)
class TaughtClip:
    """A clip with its accepted items."""

    clip: Clip
    items: tuple[SFTSample, ...]


@dataclass(frozen=True)
class Visit:
    """One clip in one step.

    Attributes:
        clip: The clip.
        items: The items taken at this visit.
        mirrored: Whether the picture and the texts are mirrored.
        gain: Factor on the contrast.
        offset: Added to the brightness, in units of the full range.
    """

    clip: Clip
    items: tuple[SFTSample, ...]
    mirrored: bool = False
    gain: float = 1.0
    offset: float = 0.0


def taught_clips(clips: Sequence[Clip], items: Sequence[SFTSample]) -> list[TaughtClip]:
    """The clips of the train split that have accepted items, in order, joined by id."""
    accepted: dict[str, list[SFTSample]] = defaultdict(list)
    for item in items:
        if item.accepted:
            accepted[item.clip_id].append(item)
    return [
        TaughtClip(clip, tuple(accepted[clip.clip_id]))
        for clip in clips
        if clip.split == "train" and accepted[clip.clip_id]
    ]


def steps_in_all(clips: int, settings: TrainSettings) -> int:
    """How many steps the settings ask for, at least one."""
    return max(1, round(_steps_per_epoch(clips, settings) * settings.epochs))


def visits_of_step(taught: Sequence[TaughtClip], step: int, settings: TrainSettings) -> list[Visit]:
    """The visits of one step; an epoch makes as many as there are clips, so its last step may be smaller."""
    epoch, place = divmod(step, _steps_per_epoch(len(taught), settings))
    places = range(len(taught))[place * settings.batch_size :][: settings.batch_size]
    if settings.balance == "class":
        turns = [_balanced(taught, epoch * len(taught) + visit, settings.seed) for visit in places]
    else:
        chosen = np.random.default_rng([settings.seed, epoch]).permutation(len(taught))
        turns = [(int(chosen[visit]), epoch) for visit in places]
    return [_visit(taught[number], turn, number, settings) for number, turn in turns]


def visited_clips(taught: Sequence[TaughtClip], settings: TrainSettings) -> list[Clip]:
    """The clips that training visits, in the order of their first visits; those of a later epoch in no order."""
    epoch, steps = _steps_per_epoch(len(taught), settings), steps_in_all(len(taught), settings)
    visits = [visit for step in range(min(epoch, steps)) for visit in visits_of_step(taught, step, settings)]
    ids = dict.fromkeys(visit.clip.clip_id for visit in visits)
    if steps > epoch:
        ids |= dict.fromkeys(each.clip.clip_id for each in taught)
    by_id = {each.clip.clip_id: each.clip for each in taught}
    return [by_id[clip_id] for clip_id in ids]


def _balanced(taught: Sequence[TaughtClip], visit: int, seed: int) -> tuple[int, int]:
    """The clip of a visit, counted from the beginning of training, and how often it has come before.

    The classes take turns, and the clips of a class come one after another, in an order of their own at
    every round.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for number, each in enumerate(taught):
        members[each.clip.event_class or ""].append(number)
    turn, place = divmod(visit, len(members))
    clips = members[sorted(members)[place]]
    turn, within = divmod(turn, len(clips))
    order = np.random.default_rng([seed, turn, place, 1]).permutation(len(clips))
    return clips[order[within]], turn


def _steps_per_epoch(clips: int, settings: TrainSettings) -> int:
    return math.ceil(clips / settings.batch_size)


def _visit(taught: TaughtClip, turn: int, number: int, settings: TrainSettings) -> Visit:
    random = np.random.default_rng([settings.seed, turn, number])
    always = [item for item in taught.items if item.type in ("verdict", "reasoning")]
    others = [item for item in taught.items if item.type not in ("verdict", "reasoning")]
    others = [others[i] for i in sorted(_drawn(others, settings, random))]
    items = (*always, *others)
    mirrored = settings.mirror and random.random() < 0.5 and all(item.mirror_target is not None for item in items)
    gain = 1.0 + settings.brightness * random.uniform(-1, 1)
    offset = 0.5 * settings.brightness * random.uniform(-1, 1)
    return Visit(taught.clip, items, bool(mirrored), float(gain), float(offset))


def _drawn(items: Sequence[SFTSample], settings: TrainSettings, random: np.random.Generator) -> Sequence[int]:
    """Which of the items are taken."""
    if not settings.sampling_weights:
        every = range(len(items))
        few = len(items) <= settings.samples_per_clip
        return every if few else list(random.permutation(len(items))[: settings.samples_per_clip])
    weights = np.array([settings.sampling_weights.get(item.type, 1.0) for item in items])
    count = min(settings.samples_per_clip, int((weights > 0).sum()))
    return list(random.choice(len(items), count, replace=False, p=weights / weights.sum())) if count else []
