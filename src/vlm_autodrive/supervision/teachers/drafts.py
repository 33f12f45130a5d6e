"""Drafts by teachers, and the samples made of them: one for each target and each question that was wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from vlm_autodrive.models import reasoning_prompt
from vlm_autodrive.records import Check, Outcome, SFTSample, StudentPrompt
from vlm_autodrive.supervision import student_prompts
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.facts import Facts, stated_times
from vlm_autodrive.supervision.multiple_choice import MultipleChoice, choice_sample
from vlm_autodrive.supervision.rules.descriptions import prose
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_schemas import Description, ReasoningAnswer, reasoning_text
from vlm_autodrive.supervision.teachers import prompts
from vlm_autodrive.supervision.teachers.protocol import TeacherReply
from vlm_autodrive.supervision.teachers.questions import QuestionsAnswer, QuestionSlot, question_and_answer
from vlm_autodrive.supervision.teachers.rejection_sampling import SampledTrace

DRAFT_CHECK = "draft"  # the check that says why there is no target
_NEAR_S = 0.5


@dataclass(frozen=True)
class Draft:
    """What a teacher wrote in answer to one request, before it becomes a sample.

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


def description_sample_of(facts: Facts, settings: SuperviseSettings, teacher: str, draft: Draft) -> SFTSample:
    """The sample of a description."""
    answer = draft.answer
    sample = make_sample(
        facts,
        "description",
        "description",
        student_prompts.prompt_for("description", rng_for(settings.seed, facts.clip.clip_id, "description")),
        prose(answer) if isinstance(answer, Description) else draft.text,
        teacher=teacher,
        teacher_prompt_version=prompts.VERSION,
        teacher_inputs=prompts.context_sources(facts, settings.context),
        replies=reply_ids(draft.replies),
        outcome=draft.outcome,
    )
    return with_checks(sample, facts, settings, draft.reason)


def question_samples_of(
    facts: Facts, settings: SuperviseSettings, teacher: str, slots: Sequence[QuestionSlot], draft: Draft
) -> list[SFTSample]:
    """One sample for each question that was wanted; without question and answer where it was not rightly written."""
    samples = []
    for slot in slots:
        found: tuple[str, str] | MultipleChoice | str = draft.reason
        if isinstance(draft.answer, QuestionsAnswer):
            found = question_and_answer(slot, draft.answer, facts, settings.seed)
        reason = found if isinstance(found, str) else ""
        topic = f"teacher_{slot.topic.name}"
        origin: dict[str, Any] = {
            "number": slot.repeat,
            "teacher": teacher,
            "teacher_prompt_version": prompts.VERSION,
            "teacher_inputs": ("description",),
            "replies": reply_ids(draft.replies),
            "outcome": Outcome.UNPARSEABLE if reason and draft.answer is not None else draft.outcome,
        }
        if isinstance(found, MultipleChoice):
            sample = choice_sample(facts, topic, found, **origin)
        else:
            question, answer = ("", "") if isinstance(found, str) else found
            prompt = StudentPrompt(text=question, version=student_prompts.VERSION)
            sample = make_sample(facts, "vqa", topic, prompt, answer, **origin)
        samples.append(with_checks(sample, facts, settings, reason))
    return samples


def reasoning_sample_of(facts: Facts, settings: SuperviseSettings, teacher: str, draft: Draft) -> SFTSample:
    """The sample of a teacher's reasoning."""
    answer = draft.answer
    sample = make_sample(
        facts,
        "reasoning",
        "reasoning",
        reasoning_prompt(facts.taxonomy),
        reasoning_text(_timed(answer, facts, settings)) if isinstance(answer, ReasoningAnswer) else draft.text,
        teacher=teacher,
        teacher_prompt_version=prompts.VERSION,
        teacher_inputs=_reasoned_from(facts, settings),
        replies=reply_ids(draft.replies),
        outcome=draft.outcome,
    )
    return with_checks(sample, facts, settings, draft.reason)


def sampled_reasoning(facts: Facts, settings: SuperviseSettings, model: str, sampled: SampledTrace) -> SFTSample:
    """The reasoning sample of rejection sampling: the right trace, else rejected, with all that was tried."""
    prompt = reasoning_prompt(facts.taxonomy)
    sample = make_sample(
        facts,
        "reasoning",
        "reasoning",
        prompt,
        sampled.target,
        teacher=model,
        teacher_prompt_version=prompt.version,
        teacher_inputs=("frames",),
        replies=reply_ids(sampled.replies if sampled.reason else sampled.replies[-1:]),
        outcome=sampled.outcome,
    )
    return with_checks(sample, facts, settings, sampled.reason)


def with_checks(sample: SFTSample, facts: Facts, settings: SuperviseSettings, reason: str) -> SFTSample:
    """The sample with its checks, the first of which says why there is no target, if there is a reason."""
    times = stated_times(settings.seed, facts.clip.clip_id, facts.clip.duration_s)
    sample = checked(sample, facts, times)
    if not reason:
        return sample
    return sample.model_copy(update={"checks": (Check(name=DRAFT_CHECK, passed=False, message=reason), *sample.checks)})


def _timed(answer: ReasoningAnswer, facts: Facts, settings: SuperviseSettings) -> ReasoningAnswer:
    """A blind teacher reads the event's second off frames: near enough, the label's own stands in the answer."""
    said, wanted = answer.event_time_s, facts.clip.event_time_s
    if settings.context.label or said is None or wanted is None or abs(said - wanted) > _NEAR_S:
        return answer
    return answer.model_copy(update={"event_time_s": wanted})


def _reasoned_from(facts: Facts, settings: SuperviseSettings) -> tuple[str, ...]:
    if settings.reasoning == "one_step":
        return prompts.context_sources(facts, settings.context)
    return ("label", "description") if settings.context.label else ("description",)


def reply_ids(replies: Sequence[TeacherReply]) -> tuple[str, ...]:
    """The ids by which a sample names the replies that it was made from."""
    return tuple(reply.request_id for reply in replies)
