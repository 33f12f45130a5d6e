"""The plan: what every clip costs and whether it fits, told before anything is trained."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.encoding import Encoder
from vlm_autodrive.models.loading import LoadedModel, load_model
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.stores import read_clips, read_items
from vlm_autodrive.training.batching import item_tokens
from vlm_autodrive.training.prefix_sharing import IGNORED, share_prefix
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.visits import TaughtClip, Visit, steps_in_all, taught_clips, visits_of_step
from vlm_autodrive.video.frame_cache import FrameCache
from vlm_autodrive.video.frames import FRAMES_PER_TOKEN
from vlm_autodrive.video.probe import VideoError
from vlm_autodrive.video.sampler import wanted_frames

_SHOWN = 5


class ClipPlan(Record):
    """What one clip costs, with all of its items in one row.

    Attributes:
        clip_id: The clip.
        frames: Frames that the model will see.
        wanted: Frames that the sampling asks for; more than ``frames`` where the video has fewer to give.
        seconds: Length of the window.
        prefix_tokens: Tokens of system prompt and video, computed once.
        item_tokens: Tokens of all its items together.
        items: How many items it has.
        problem: Why it cannot be trained on; empty if it can.
    """

    clip_id: str
    frames: int
    seconds: float
    prefix_tokens: int
    item_tokens: int
    items: int
    wanted: int = 0
    problem: str = ""

    @property
    def row_tokens(self) -> int:
        """Length of its row."""
        return self.prefix_tokens + self.item_tokens


class Plan(Record):
    """What a training run would do.

    Attributes:
        model: The model's name.
        clips: One entry for each clip that has items in the train split.
        max_row_tokens: The longest row that is accepted.
        steps: Steps in all.
        tokens_shared: Tokens of the first epoch's steps with each prefix computed once.
        tokens_separate: The same steps with a row for every item, as other frameworks train.
    """

    model: str
    clips: tuple[ClipPlan, ...]
    max_row_tokens: int
    steps: int
    tokens_shared: int
    tokens_separate: int

    @property
    def too_long(self) -> list[ClipPlan]:
        """Clips whose row is longer than accepted."""
        return [clip for clip in self.clips if clip.row_tokens > self.max_row_tokens]

    @property
    def unreadable(self) -> list[ClipPlan]:
        """Clips whose frames cannot be read; they are left out, and named."""
        return [clip for clip in self.clips if clip.problem]

    @property
    def fits(self) -> bool:
        """Whether training may begin."""
        return bool(self.readable_ids()) and not self.too_long

    def readable_ids(self) -> set[str]:
        """Ids of the clips that will be trained on."""
        return {clip.clip_id for clip in self.clips if not clip.problem}

    def refusal(self) -> str:
        """Why training may not begin, and what to do."""
        if not self.readable_ids():
            return (
                "there is no readable clip with accepted items in the train split; look at the supervision's summary."
            )
        longest = max(clip.row_tokens for clip in self.clips)
        return (
            f"{len(self.too_long)} of {len(self.clips)} clips do not fit into max_row_tokens={self.max_row_tokens}; "
            f"the longest row has {longest} tokens: raise max_row_tokens to {longest}, or lower sampling.fps, "
            f"sampling.height and sampling.width, or the items per clip."
        )

    def lines(self) -> list[str]:
        """The plan in plain lines."""
        if not self.readable_ids():
            return [self.refusal()]
        readable = [clip for clip in self.clips if not clip.problem]
        rows = np.array([clip.row_tokens for clip in readable])
        lines = [
            f"{self.model}: {len(readable)} clips, {sum(clip.items for clip in readable)} items, {self.steps} steps",
            f"frames a clip: {_span([clip.frames for clip in readable])}; "
            f"seconds: {_span([clip.seconds for clip in readable])}",
            f"tokens: prefix {_span([clip.prefix_tokens for clip in readable])}, "
            f"items {_span([clip.item_tokens for clip in readable])}, row {_span(rows.tolist())} "
            f"of at most {self.max_row_tokens}",
            f"one epoch: {self.tokens_shared:,} tokens with shared prefixes, {self.tokens_separate:,} with a row "
            f"for every item ({self.tokens_separate / max(self.tokens_shared, 1):.1f} times as many)",
        ]
        lines += _sparse_lines(readable)
        lines += [f"left out, cannot be read: {clip.clip_id}: {clip.problem}" for clip in self.unreadable]
        longest = sorted(readable, key=lambda clip: clip.row_tokens, reverse=True)[:_SHOWN]
        lines.append("longest rows: " + ", ".join(f"{clip.clip_id} {clip.row_tokens}" for clip in longest))
        lines.append("everything fits" if self.fits else self.refusal())
        return lines


def plan(
    supervision: Path,
    settings: TrainSettings,
    reporter: Reporter = SILENT,
    *,
    frame_cache: Path | None = None,
    loaded: LoadedModel | None = None,
    cache: FrameCache | None = None,
) -> Plan:
    """Count what training on a supervision set would take.

    Args:
        supervision: The supervision set.
        settings: How it would be trained.
        reporter: Told of progress.
        frame_cache: Folder of decoded frames; beside ``supervision`` by default.
        loaded: The model, if it is loaded already.
        cache: The frame cache, if it is open already.
    """
    loaded = loaded or load_model(settings.model)
    sampling = settings.sampling or loaded.card.sampling
    encoder = Encoder(loaded)
    encoder.check_size(sampling.height, sampling.width, sampling.token_pixels)
    cache = cache or FrameCache(frame_cache or supervision.parent / ".frames", sampling)
    taught = taught_clips(read_clips(supervision), read_items(supervision))
    cache.fill([each.clip for each in taught], reporter, workers=os.cpu_count() or 1)
    plans: dict[str, ClipPlan] = {}
    for each in taught:
        plans[each.clip.clip_id] = _plan_clip(encoder, cache, each, settings)
    readable = [each for each in taught if not plans[each.clip.clip_id].problem]
    shared = separate = 0
    for step in range(steps_in_all(len(readable), settings.model_copy(update={"epochs": 1.0})) if readable else 0):
        for visit in visits_of_step(readable, step, settings):
            prefix = plans[visit.clip.clip_id].prefix_tokens
            items = sum(len(item.question) + len(item.target) for item in item_tokens(encoder, visit, settings))
            shared += prefix + items
            separate += prefix * len(visit.items) + items
    return Plan(
        model=loaded.card.name,
        clips=tuple(plans.values()),
        max_row_tokens=settings.max_row_tokens,
        steps=steps_in_all(len(readable), settings) if readable else 0,
        tokens_shared=shared,
        tokens_separate=separate,
    )


def _plan_clip(encoder: Encoder, cache: FrameCache, taught: TaughtClip, settings: TrainSettings) -> ClipPlan:
    clip = taught.clip
    seconds = round(clip.duration_s, 3)
    try:
        frames = cache.get(clip)
    except VideoError as error:
        return ClipPlan(
            clip_id=clip.clip_id,
            frames=0,
            seconds=seconds,
            prefix_tokens=0,
            item_tokens=0,
            items=len(taught.items),
            problem=str(error),
        )
    height, width = frames.pixels.shape[1:3]
    tokens = item_tokens(encoder, Visit(clip, taught.items), settings)
    return ClipPlan(
        clip_id=clip.clip_id,
        frames=len(frames.times_s),
        seconds=seconds,
        prefix_tokens=len(encoder.prefix(frames.times_s, height, width).input_ids),
        item_tokens=sum(len(item.question) + len(item.target) for item in tokens),
        items=len(taught.items),
        wanted=wanted_frames(clip.duration_s, cache.sampling),
    )


def _sparse_lines(clips: Sequence[ClipPlan]) -> list[str]:
    """What becomes of clips that hold fewer frames than asked for, or an odd number."""
    lines = []
    short = [clip for clip in clips if clip.frames < clip.wanted]
    if short:
        shown = ", ".join(f"{clip.clip_id} {clip.frames} of {clip.wanted}" for clip in short[:_SHOWN])
        lines.append(
            f"{len(short)} clips hold fewer frames than asked for, and give each once at its true time: {shown}"
        )
    odd = [clip for clip in clips if clip.frames % FRAMES_PER_TOKEN]
    if odd:
        shown = ", ".join(f"{clip.clip_id} {clip.frames}" for clip in odd[:_SHOWN])
        lines.append(
            f"{len(odd)} clips have an odd number of frames, so that the model's processor pairs the last with "
            f"itself: {shown}"
        )
    return lines


def show_clip(supervision: Path, settings: TrainSettings, clip_id: str, *, frame_cache: Path | None = None) -> str:
    """The label mask of one clip: each token of its row, those that are learned in ``[[...]]``.

    Raises:
        UserError: If the clip has no accepted items in the train split.
    """
    loaded = load_model(settings.model)
    encoder = Encoder(loaded)
    cache = FrameCache(frame_cache or supervision.parent / ".frames", settings.sampling or loaded.card.sampling)
    taught = [t for t in taught_clips(read_clips(supervision), read_items(supervision)) if t.clip.clip_id == clip_id]
    if not taught:
        raise UserError(f"clip {clip_id} has no accepted items in the train split of {supervision}.")
    frames = cache.get(taught[0].clip)
    height, width = frames.pixels.shape[1:3]
    visit = Visit(taught[0].clip, taught[0].items)
    row = share_prefix(encoder.prefix(frames.times_s, height, width), item_tokens(encoder, visit, settings))
    pieces = []
    for segment in range(int(row.segments.max()) + 1):
        here = row.segments == segment
        ids, learned = row.input_ids[here].tolist(), (row.labels[here] != IGNORED).tolist()
        given = loaded.processor.tokenizer.decode([i for i, learn in zip(ids, learned, strict=True) if not learn])
        target = loaded.processor.tokenizer.decode([i for i, learn in zip(ids, learned, strict=True) if learn])
        heading = (
            "prefix, seen by every item" if segment == 0 else f"item {segment}: {visit.items[segment - 1].item_id}"
        )
        pieces.append(
            f"--- {heading} ({len(ids)} tokens, {sum(learned)} learned)\n{given}" + (f"[[{target}]]" if target else "")
        )
    return "\n".join(pieces)


def _span(values: list[int] | list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
