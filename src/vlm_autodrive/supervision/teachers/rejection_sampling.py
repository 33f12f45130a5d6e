"""Rejection sampling: the student answers without the label, and its right reasoning traces are kept."""

import asyncio
import random
import threading
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.engines import Engine, InferenceRequest, InferenceResponse, parse_reasoning
from vlm_autodrive.models import format_reasoning, reasoning_prompt
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.settings import RejectionSamplingSettings
from vlm_autodrive.supervision.teachers.protocol import KeptReplies, TeacherReply
from vlm_autodrive.video import Frames, VideoError, read_frames


@dataclass(frozen=True)
class SampledTrace:
    """What came of rejection sampling for one clip.

    Attributes:
        outcome: Of the trace that is kept, or of the last one if none is right.
        target: The right trace with the label's own time of the event; else the last text.
        reason: Why none is right; empty if one is.
        replies: All that was sampled, in order. A right one is the last.
    """

    outcome: Outcome
    target: str
    reason: str
    replies: tuple[TeacherReply, ...]


def open_rejection_sampler(
    settings: RejectionSamplingSettings, seed: int, kept: KeptReplies | None = None
) -> "RejectionSampler":
    """Load the student.

    Args:
        settings: Which it is, and how it samples.
        seed: Of sampling.
        kept: What it wrote in an earlier run, and where what it writes is kept.

    Raises:
        UserError: If it cannot be loaded.
    """
    from vlm_autodrive.engines import load_engine

    return RejectionSampler(load_engine(settings.model), settings, seed, kept)


class RejectionSampler:
    """Samples reasoning from the model that is to be trained, one clip at a time."""

    def __init__(
        self, engine: Engine, settings: RejectionSamplingSettings, seed: int, kept: KeptReplies | None = None
    ) -> None:
        self._engine = engine
        self._kept = kept
        self._settings = settings
        self._seed = seed
        self._one_at_a_time = threading.Lock()

    @property
    def name(self) -> str:
        """As it stands in supervision samples."""
        return self._engine.name

    async def reasoning(self, facts: Facts) -> SampledTrace:
        """Ask until a trace is right or the samples are spent. The model is told nothing but the student's question."""
        return await asyncio.to_thread(self._sampled, facts)

    def _sampled(self, facts: Facts) -> SampledTrace:
        clip, request_id = facts.clip, f"{facts.clip.clip_id}/reasoning"
        try:
            sampling = self._engine.sampling
            frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, sampling, stream=clip.video_stream)
        except VideoError as error:
            reply = TeacherReply(request_id=f"{request_id}/sample1", outcome=Outcome.ERROR, reason=str(error))
            return SampledTrace(Outcome.ERROR, "", str(error), (reply,))
        replies: list[TeacherReply] = []
        for number in range(1, self._settings.samples + 1):
            answer = self._answer(frames, facts, number, f"{request_id}/sample{number}")
            outcome, target, wrong = judge_trace(answer, facts, self._settings.time_tolerance_s)
            replies.append(
                TeacherReply(request_id=f"{request_id}/sample{number}", outcome=outcome, text=answer.text, reason=wrong)
            )
            if not wrong:
                return SampledTrace(outcome, target, "", tuple(replies))
        reason = f"none of {len(replies)} traces came out right; of the last, {replies[-1].reason}"
        return SampledTrace(replies[-1].outcome, replies[-1].text, reason, tuple(replies))

    def _answer(self, frames: Frames, facts: Facts, number: int, request_id: str) -> InferenceResponse:
        """As the student answered in an earlier run, or answers now."""
        kept = self._kept.get(request_id) if self._kept else None
        if kept is not None:
            return InferenceResponse(kept.outcome, kept.text, reason=kept.reason)
        answer = self._ask(frames, facts, number)
        if self._kept:
            raw = TeacherReply(request_id=request_id, outcome=answer.outcome, text=answer.text, reason=answer.reason)
            self._kept.keep(raw)
        return answer

    def _ask(self, frames: Frames, facts: Facts, number: int) -> InferenceResponse:
        question = InferenceRequest(
            prompt=reasoning_prompt(facts.taxonomy).text,
            max_new_tokens=self._settings.max_tokens,
            temperature=self._settings.temperature,
            seed=random.Random(f"{self._seed}:{facts.clip.clip_id}:sample {number}").getrandbits(63),
            thinking=True,
        )
        with self._one_at_a_time:
            return self._engine.generate([frames], [question])[0][0]


def judge_trace(answer: InferenceResponse, facts: Facts, tolerance_s: float) -> tuple[Outcome, str, str]:
    """Outcome of a trace, the target made of it, and why it is not right; empty if it is.

    A right trace ends in the label's class, and gives the event's time nearly. Its thoughts are used for training
    as they are, followed by the time that the label has.
    """
    if answer.outcome is not Outcome.OK:
        return answer.outcome, answer.text, answer.reason
    read = parse_reasoning(answer.text, facts.taxonomy, facts.clip.duration_s)
    if read.outcome is not Outcome.OK or read.event_class is None:
        return Outcome.UNPARSEABLE, answer.text, read.reason
    if read.event_class != facts.label.name:
        return Outcome.OK, answer.text, f"the verdict is {facts.taxonomy.by_name(read.event_class).label}"
    wanted = facts.clip.event_time_s if facts.label.is_event else None
    if wanted is not None:
        if read.event_time_s is None:
            return Outcome.OK, answer.text, "no time of the event is given"
        if abs(read.event_time_s - wanted) > tolerance_s:
            return Outcome.OK, answer.text, f"the event is said to be at {read.event_time_s:.1f} s"
    return Outcome.OK, format_reasoning(read.trace, facts.label.code, wanted), ""
