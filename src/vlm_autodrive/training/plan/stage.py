"""The plan of a training run: token counts of every clip, and whether it fits into memory."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.models import LoadedModel, load_meta_model
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.training.plan.clip_costs import ClipCost, new_places, supervised_places
from vlm_autodrive.training.plan.counting import (
    CHARACTERS_PER_TOKEN,
    TokenCounter,
    drawn_longest_first,
    make_token_counter,
    takes_any_size,
)
from vlm_autodrive.training.plan.fitting import PlanCandidate, refusal_of
from vlm_autodrive.training.plan.machines import Machine, this_machine
from vlm_autodrive.training.plan.memory import MemoryEstimate
from vlm_autodrive.training.sampler import TrainClip, TrainExample, examples_of_step, join_samples, total_steps
from vlm_autodrive.training.settings import ALWAYS_INCLUDED, TrainSettings
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE, FrameCache, SamplingSettings, Times, target_frame_count

_SHOWN = 5
_FEW_CLIPS = 64  # so few are looked at before the first worker process has begun


class TrainingPlan(Record):
    """What a training run would do.

    Attributes:
        model: The model's name.
        clips: One entry for each clip that has samples in the train split.
        max_length: The longest sequence that is accepted.
        steps: Steps in all.
        steps_per_epoch: Steps in one pass over the clips.
        tokens_shared: Tokens of the first epoch's steps with shared prefixes.
        tokens_separate: The same steps with a sequence for every sample, as other frameworks train.
        pairs_frames: Whether the model takes frames in pairs; InternVL takes them one by one.
        exact: Whether tokens were counted by the model's own processor, or estimated without it.
        memory: The peak memory; None if no clip can be trained on.
        refused: Why it does not fit, with the settings that would make it; empty if it fits.
    """

    model: str
    clips: tuple[ClipCost, ...]
    max_length: int
    steps: int
    steps_per_epoch: int = 0
    tokens_shared: int
    tokens_separate: int
    pairs_frames: bool = True
    exact: bool = True
    memory: MemoryEstimate | None = None
    refused: str = ""

    @property
    def too_long(self) -> list[ClipCost]:
        """Clips whose sequence is longer than accepted."""
        return [clip for clip in self.clips if clip.sequence_tokens > self.max_length]

    @property
    def unreadable(self) -> list[ClipCost]:
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
        if self.unreadable and not self.readable_ids():
            first = self.unreadable[0]
            return f"none of the {len(self.clips)} clips can be read; the first is {first.clip_id}: {first.problem}."
        if not self.readable_ids():
            return "the train split has no clip with accepted samples; look at the supervision's summary."
        return self.refused

    def lines(self) -> list[str]:
        """The plan in plain lines."""
        if not self.readable_ids():
            return [self.refusal()]
        readable = [clip for clip in self.clips if not clip.problem]
        lengths = [clip.sequence_tokens for clip in readable]
        lines = [
            f"{self.model}: {len(readable)} clips, {sum(clip.samples for clip in readable)} samples, "
            f"{self.steps} steps, {self.steps_per_epoch} an epoch",
            f"frames a clip: {_span([clip.frames for clip in readable])}; "
            f"seconds: {_span([clip.seconds for clip in readable])}",
            f"tokens: prefix {_span([clip.prefix_tokens for clip in readable])}, "
            f"samples {_span([clip.sample_tokens for clip in readable])}, sequence {_span(lengths)} "
            f"of at most {self.max_length}",
            f"one epoch: {self.tokens_shared:,} tokens with shared prefixes, {self.tokens_separate:,} with a "
            f"sequence for every sample ({self.tokens_separate / max(self.tokens_shared, 1):.1f} times as many)",
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
        lines.append("longest sequences: " + ", ".join(f"{clip.clip_id} {clip.sequence_tokens}" for clip in longest))
        lines.append("everything fits" if self.fits else self.refusal())
        return lines

    def _sparse_lines(self, clips: Sequence[ClipCost]) -> list[str]:
        """What becomes of clips that hold fewer frames than asked for, or an odd number."""
        lines = []
        short = [clip for clip in clips if clip.frames < clip.wanted]
        if short:
            shown = ", ".join(f"{clip.clip_id} {clip.frames} of {clip.wanted}" for clip in short[:_SHOWN])
            lines.append(
                f"{len(short)} clips hold fewer frames than asked for, and give each once at its true time: {shown}"
            )
        odd = [clip for clip in clips if self.pairs_frames and clip.frames % TEMPORAL_PATCH_SIZE]
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
    reporter: Reporter = TERMINAL,
    *,
    frame_cache: Path | None = None,
    loaded: LoadedModel | None = None,
    cache: FrameCache | None = None,
    machine: Machine | None = None,
) -> TrainingPlan:
    """Count what training on a supervision set would take.

    No weights are loaded: a configuration is enough. Where the model's tokenizer is missing, too, the tokens of
    text are estimated from their characters. And no frames are decoded: the videos' packets have their times.

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
    counter = make_token_counter(loaded, sampling, settings)
    cache = cache or FrameCache(frame_cache or supervision.parent / ".frames", sampling)
    clips = join_samples(read_clips(supervision), read_samples(supervision))
    times = cache.times(
        [each.clip for each in clips], reporter, workers=(os.cpu_count() or 1) if len(clips) > _FEW_CLIPS else 0
    )
    plans = {
        each.clip.clip_id: _clip_cost(counter, sampling, each, times[each.clip.clip_id], settings) for each in clips
    }
    readable = [each for each in clips if not plans[each.clip.clip_id].problem]
    epoch = total_steps(len(readable), settings.model_copy(update={"epochs": 1.0})) if readable else 0
    shared = separate = 0
    novelty = 0.0
    machine = machine or this_machine(settings)
    beside = settings.micro_batch_size or math.ceil(min(settings.batch_size, len(readable)) / machine.processes)
    for step in range(epoch):
        places = []
        for example in examples_of_step(readable, step, settings):
            prefix = plans[example.clip.clip_id].prefix_tokens
            lengths = counter.samples(example)
            samples = sum(sample.tokens for sample in lengths)
            shared += prefix + samples
            separate += prefix * len(example.samples) + samples
            places.append(supervised_places(prefix, lengths))
        passes = [places[begin : begin + beside] for begin in range(0, len(places), beside)]
        novelty = max([novelty, *map(new_places, passes)])
    result = TrainingPlan(
        model=loaded.card.name,
        clips=tuple(plans.values()),
        max_length=settings.max_length,
        steps=total_steps(len(readable), settings) if readable else 0,
        steps_per_epoch=epoch,
        tokens_shared=shared,
        tokens_separate=separate,
        pairs_frames=loaded.family.pairs_frames,
        exact=counter.is_exact,
    )
    if not readable:
        return result
    candidate = PlanCandidate(
        config=loaded.model.config,
        clips=[plans[each.clip.clip_id] for each in readable],
        settings=settings,
        sampling=sampling,
        machine=machine,
        any_size=takes_any_size(loaded.family),
        novelty=novelty,
    )
    memory = candidate.memory()
    refused = "" if candidate.fits() else refusal_of(candidate, memory)
    return result.model_copy(update={"memory": memory, "refused": refused})


def _clip_cost(
    counter: TokenCounter, sampling: SamplingSettings, train_clip: TrainClip, times_s: Times, settings: TrainSettings
) -> ClipCost:
    clip = train_clip.clip
    seconds = round(clip.duration_s, 3)
    if isinstance(times_s, str):
        return ClipCost(
            clip_id=clip.clip_id,
            frames=0,
            seconds=seconds,
            prefix_tokens=0,
            sample_tokens=0,
            samples=len(train_clip.samples),
            problem=f"{clip.path}: {times_s}",
        )
    prefix = counter.prefix(times_s, sampling.height, sampling.width)
    samples = counter.samples(TrainExample(clip, train_clip.samples))
    drawn = [samples[place] for place in drawn_longest_first(train_clip.samples, samples, settings)]
    taken = [count for sample, count in zip(train_clip.samples, samples, strict=True) if sample.type in ALWAYS_INCLUDED]
    taken += drawn[: settings.samples_per_clip]
    return ClipCost(
        clip_id=clip.clip_id,
        frames=len(times_s),
        seconds=seconds,
        prefix_tokens=prefix.tokens,
        video_tokens=prefix.video,
        sample_tokens=sum(count.tokens for count in taken),
        supervised_tokens=sum(count.supervised for count in taken),
        drawn=tuple((count.tokens, count.supervised) for count in drawn),
        samples=len(train_clip.samples),
        wanted=target_frame_count(clip.duration_s, sampling),
    )


def _span(values: list[int] | list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
