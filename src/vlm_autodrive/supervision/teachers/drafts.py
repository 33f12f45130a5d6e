"""From what a teacher wrote about a clip to items: one for each text and each question that was wanted of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from vlm_autodrive.models import reasoning_prompt
from vlm_autodrive.records import Check, Outcome, SFTSample, StudentPrompt
from vlm_autodrive.supervision import student_prompts
from vlm_autodrive.supervision.answers import Description, ReasoningAnswer, reasoning_text
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.facts import Facts, stated_times
from vlm_autodrive.supervision.rules.descriptions import prose
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teachers import prompts
from vlm_autodrive.supervision.teachers.protocol import TeacherReply
from vlm_autodrive.supervision.teachers.questions import QuestionsAnswer, Slot, worded
from vlm_autodrive.supervision.teachers.rejection_sampling import Sampled

WRITTEN = "written"  # the check that says why a text is not there
_NEAR_S = 0.5


@dataclass(frozen=True)
class Written:
    """What became of one text.

    Attributes:
        outcome: How it ended.
        answer: The text, read; None if there is none to read.
        text: The last that the teacher wrote.
        reason: Why there is no answer; empty if there is one.
        replies: The teacher's replies, the repair turn included.
    """

    outcome: Outcome
    answer: BaseModel | None
    text: str
    reason: str = ""
    replies: tuple[TeacherReply, ...] = ()


def description_made(facts: Facts, settings: SuperviseSettings, teacher: str, written: Written) -> SFTSample:
    """The item of a description."""
    answer = written.answer
    item = make_sample(
        facts,
        "description",
        "description",
        student_prompts.prompt_for("description", rng_for(settings.seed, facts.clip.clip_id, "description")),
        prose(answer) if isinstance(answer, Description) else written.text,
        teacher=teacher,
        teacher_prompt_version=prompts.VERSION,
        teacher_inputs=prompts.told_of(facts, settings.sees),
        replies=_ids(written.replies),
        outcome=written.outcome,
    )
    return _with_checks(item, facts, settings, written.reason)


def questions_made(
    facts: Facts, settings: SuperviseSettings, teacher: str, slots: Sequence[Slot], written: Written
) -> list[SFTSample]:
    """One item for each question that was wanted; without question and answer where it was not rightly written."""
    items = []
    for slot in slots:
        outcome, question, answer, reason = written.outcome, "", "", written.reason
        if isinstance(written.answer, QuestionsAnswer):
            pair = worded(slot, written.answer, facts, settings.seed)
            if isinstance(pair, str):
                outcome, reason = Outcome.UNPARSEABLE, pair
            else:
                question, answer = pair
        item = make_sample(
            facts,
            "vqa",
            f"teacher_{slot.topic.name}",
            StudentPrompt(text=question, version=student_prompts.VERSION),
            answer,
            number=slot.repeat,
            teacher=teacher,
            teacher_prompt_version=prompts.VERSION,
            teacher_inputs=("description",),
            replies=_ids(written.replies),
            outcome=outcome,
        )
        items.append(_with_checks(item, facts, settings, reason))
    return items


def reasoning_made(facts: Facts, settings: SuperviseSettings, teacher: str, written: Written) -> SFTSample:
    """The item of a teacher's reasoning."""
    answer = written.answer
    item = make_sample(
        facts,
        "reasoning",
        "reasoning",
        reasoning_prompt(facts.taxonomy),
        reasoning_text(_timed(answer, facts, settings)) if isinstance(answer, ReasoningAnswer) else written.text,
        teacher=teacher,
        teacher_prompt_version=prompts.VERSION,
        teacher_inputs=_reasoned_from(facts, settings),
        replies=_ids(written.replies),
        outcome=written.outcome,
    )
    return _with_checks(item, facts, settings, written.reason)


def reasoning_sampled(facts: Facts, settings: SuperviseSettings, student: str, sampled: Sampled) -> SFTSample:
    """The item of the student's own reasoning: made from its right trace, else rejected, with all that it tried."""
    prompt = reasoning_prompt(facts.taxonomy)
    item = make_sample(
        facts,
        "reasoning",
        "reasoning",
        prompt,
        sampled.target,
        teacher=student,
        teacher_prompt_version=prompt.version,
        teacher_inputs=("frames",),
        replies=_ids(sampled.replies if sampled.reason else sampled.replies[-1:]),
        outcome=sampled.outcome,
    )
    return _with_checks(item, facts, settings, sampled.reason)


def _with_checks(item: SFTSample, facts: Facts, settings: SuperviseSettings, reason: str) -> SFTSample:
    times = stated_times(settings.seed, facts.clip.clip_id, facts.clip.duration_s)
    item = checked(item, facts, times)
    if not reason:
        return item
    return item.model_copy(update={"checks": (Check(name=WRITTEN, passed=False, message=reason), *item.checks)})


def _timed(answer: ReasoningAnswer, facts: Facts, settings: SuperviseSettings) -> ReasoningAnswer:
    """A blind teacher reads the event's second off frames: near enough, the label's own stands in the answer."""
    said, wanted = answer.event_time_s, facts.clip.event_time_s
    if settings.sees.label or said is None or wanted is None or abs(said - wanted) > _NEAR_S:
        return answer
    return answer.model_copy(update={"event_time_s": wanted})


def _reasoned_from(facts: Facts, settings: SuperviseSettings) -> tuple[str, ...]:
    if settings.reasoning == "one_step":
        return prompts.told_of(facts, settings.sees)
    return ("label", "description") if settings.sees.label else ("description",)


def _ids(replies: Sequence[TeacherReply]) -> tuple[str, ...]:
    return tuple(reply.request_id for reply in replies)
