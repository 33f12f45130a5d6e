"""The plan: what every clip costs and whether it fits, told before anything is trained."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.models import LoadedModel, load_meta_model
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.training.plan.counting import (
    CHARACTERS_PER_TOKEN,
    Counts,
    counts_of,
    drawn_longest_first,
    takes_any_size,
)
from vlm_autodrive.training.plan.fitting import Planned, refusal_of
from vlm_autodrive.training.plan.machines import Machine, this_machine
from vlm_autodrive.training.plan.memory import Memory
from vlm_autodrive.training.rows import ClipPlan
from vlm_autodrive.training.settings import ALWAYS_INCLUDED, TrainSettings
from vlm_autodrive.training.visits import TaughtClip, Visit, steps_in_all, taught_clips, visits_of_step
from vlm_autodrive.video import FRAMES_PER_TOKEN, FrameCache, SamplingSettings, Times, wanted_frames

_SHOWN = 5
_FEW_CLIPS = 64  # so few are looked at before the first worker process has begun


class Plan(Record):
    """What a training run would do.

    Attributes:
        model: The model's name.
        clips: One entry for each clip that has items in the train split.
        max_length: The longest row that is accepted.
        steps: Steps in all.
        steps_per_epoch: Steps in one pass over the clips.
        tokens_shared: Tokens of the first epoch's steps with each prefix computed once.
        tokens_separate: The same steps with a row for every item, as other frameworks train.
        pairs_frames: Whether the model takes frames in pairs; InternVL takes them one by one.
        exact: Whether tokens were counted by the model's own processor, or reckoned without it.
        memory: What it takes at its peak; None if no clip can be trained on.
        refused: Why it does not fit, with the settings that would make it; empty if it fits.
    """

    model: str
    clips: tuple[ClipPlan, ...]
    max_length: int
    steps: int
    steps_per_epoch: int = 0
    tokens_shared: int
    tokens_separate: int
    pairs_frames: bool = True
    exact: bool = True
    memory: Memory | None = None
    refused: str = ""

    @property
    def too_long(self) -> list[ClipPlan]:
        """Clips whose row is longer than accepted."""
        return [clip for clip in self.clips if clip.sequence_tokens > self.max_length]

    @property
    def unreadable(self) -> list[ClipPlan]:
        """Clips whose frames cannot be read; they are left out, and named."""
        return [clip for clip in self.clips if clip.problem]

    @property
    def fits(self) -> bool:
        """Whether training may begin."""
        return bool(self.readable_ids()) and not self.too_long and (self.memory is None or self.memory.fits)

    def readable_ids(self) -> set[str]:
        """Ids of the clips that will be trained on."""
        return {clip.clip_id for clip in self.clips if not clip.problem}

    def refusal(self) -> str:
        """Why training may not begin, and what to do."""
        if not self.readable_ids():
            return (
                "there is no readable clip with accepted items in the train split; look at the supervision's summary."
            )
        return self.refused

    def lines(self) -> list[str]:
        """The plan in plain lines."""
        if not self.readable_ids():
            return [self.refusal()]
        readable = [clip for clip in self.clips if not clip.problem]
        rows = np.array([clip.sequence_tokens for clip in readable])
        lines = [
            f"{self.model}: {len(readable)} clips, {sum(clip.items for clip in readable)} items, {self.steps} steps, "
            f"{self.steps_per_epoch} an epoch",
            f"frames a clip: {_span([clip.frames for clip in readable])}; "
            f"seconds: {_span([clip.seconds for clip in readable])}",
            f"tokens: prefix {_span([clip.prefix_tokens for clip in readable])}, "
            f"items {_span([clip.item_tokens for clip in readable])}, row {_span(rows.tolist())} "
            f"of at most {self.max_length}",
            f"one epoch: {self.tokens_shared:,} tokens with shared prefixes, {self.tokens_separate:,} with a row "
            f"for every item ({self.tokens_separate / max(self.tokens_shared, 1):.1f} times as many)",
        ]
        if not self.exact:
            lines.append(
                "the model's tokenizer is not on this machine: tokens of text are an estimate, one for every "
                f"{CHARACTERS_PER_TOKEN} characters, and those of video are exact"
            )
        if self.memory is not None:
            lines.append(self.memory.line())
        lines += self._sparse_lines(readable)
        lines += [f"left out, cannot be read: {clip.clip_id}: {clip.problem}" for clip in self.unreadable]
        longest = sorted(readable, key=lambda clip: clip.sequence_tokens, reverse=True)[:_SHOWN]
        lines.append("longest rows: " + ", ".join(f"{clip.clip_id} {clip.sequence_tokens}" for clip in longest))
        lines.append("everything fits" if self.fits else self.refusal())
        return lines

    def _sparse_lines(self, clips: Sequence[ClipPlan]) -> list[str]:
        """What becomes of clips that hold fewer frames than asked for, or an odd number."""
        lines = []
        short = [clip for clip in clips if clip.frames < clip.wanted]
        if short:
            shown = ", ".join(f"{clip.clip_id} {clip.frames} of {clip.wanted}" for clip in short[:_SHOWN])
            lines.append(
                f"{len(short)} clips hold fewer frames than asked for, and give each once at its true time: {shown}"
            )
        odd = [clip for clip in clips if self.pairs_frames and clip.frames % FRAMES_PER_TOKEN]
        if odd:
            shown = ", ".join(f"{clip.clip_id} {clip.frames}" for clip in odd[:_SHOWN])
            lines.append(
                f"{len(odd)} clips have an odd number of frames, so that the model's processor pairs the last with "
                f"itself: {shown}"
            )
        return lines


def plan(
    supervision: Path,
    settings: TrainSettings,
    reporter: Reporter = SILENT,
    *,
    frame_cache: Path | None = None,
    loaded: LoadedModel | None = None,
    cache: FrameCache | None = None,
    machine: Machine | None = None,
) -> Plan:
    """Count what training on a supervision set would take.

    No weights are loaded: a configuration is enough. Where the model's tokenizer is missing, too, the tokens of
    text are reckoned from their characters. And no frames are decoded: the videos' packets tell when they are shown.

    Args:
        supervision: The supervision set.
        settings: How it would be trained.
        reporter: Told of progress.
        frame_cache: Folder of decoded frames; beside ``supervision`` by default.
        loaded: The model, if it is loaded already.
        cache: The frame cache, if it is open already.
        machine: What it would be trained on; this one by default.

    Raises:
        UserError: If the model's configuration cannot be read or does not go with the settings.
    """
    loaded = loaded or load_meta_model(settings.model)
    sampling = settings.sampling or loaded.card.sampling
    counts = counts_of(loaded, sampling, settings)
    cache = cache or FrameCache(frame_cache or supervision.parent / ".frames", sampling)
    taught = taught_clips(read_clips(supervision), read_samples(supervision))
    clips = [each.clip for each in taught]
    times = cache.times(clips, reporter, workers=(os.cpu_count() or 1) if len(clips) > _FEW_CLIPS else 0)
    plans = {
        each.clip.clip_id: _plan_clip(counts, sampling, each, times[each.clip.clip_id], settings) for each in taught
    }
    readable = [each for each in taught if not plans[each.clip.clip_id].problem]
    epoch = steps_in_all(len(readable), settings.model_copy(update={"epochs": 1.0})) if readable else 0
    shared = separate = 0
    for step in range(epoch):
        for visit in visits_of_step(readable, step, settings):
            prefix = plans[visit.clip.clip_id].prefix_tokens
            items = sum(item.tokens for item in counts.items(visit))
            shared += prefix + items
            separate += prefix * len(visit.items) + items
    whole = Plan(
        model=loaded.card.name,
        clips=tuple(plans.values()),
        max_length=settings.max_length,
        steps=steps_in_all(len(readable), settings) if readable else 0,
        steps_per_epoch=epoch,
        tokens_shared=shared,
        tokens_separate=separate,
        pairs_frames=loaded.family.pairs_frames,
        exact=counts.is_exact,
    )
    if not readable:
        return whole
    planned = Planned(
        config=loaded.model.config,
        clips=[plans[each.clip.clip_id] for each in readable],
        settings=settings,
        sampling=sampling,
        machine=machine or this_machine(settings),
        any_size=takes_any_size(loaded.family),
    )
    memory = planned.memory()
    return whole.model_copy(update={"memory": memory, "refused": "" if planned.fits() else refusal_of(planned, memory)})


def _plan_clip(
    counts: Counts, sampling: SamplingSettings, taught: TaughtClip, times_s: Times, settings: TrainSettings
) -> ClipPlan:
    clip = taught.clip
    seconds = round(clip.duration_s, 3)
    if isinstance(times_s, str):
        return ClipPlan(
            clip_id=clip.clip_id,
            frames=0,
            seconds=seconds,
            prefix_tokens=0,
            item_tokens=0,
            items=len(taught.items),
            problem=f"{clip.path}: {times_s}",
        )
    prefix = counts.prefix(times_s, sampling.height, sampling.width)
    items = counts.items(Visit(clip, taught.items))
    drawn = [items[place] for place in drawn_longest_first(taught.items, items, settings)]
    taken = [count for item, count in zip(taught.items, items, strict=True) if item.type in ALWAYS_INCLUDED]
    taken += drawn[: settings.samples_per_clip]
    return ClipPlan(
        clip_id=clip.clip_id,
        frames=len(times_s),
        seconds=seconds,
        prefix_tokens=prefix.tokens,
        video_tokens=prefix.video,
        item_tokens=sum(count.tokens for count in taken),
        learned_tokens=sum(count.learned for count in taken),
        drawn=tuple((count.tokens, count.learned) for count in drawn),
        items=len(taught.items),
        wanted=wanted_frames(clip.duration_s, sampling),
    )


def _span(values: list[int] | list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
