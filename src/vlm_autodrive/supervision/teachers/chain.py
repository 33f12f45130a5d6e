"""What a teacher writes about one clip: the description, then questions and reasoning from it, checked like all else.

Each sample that is wanted of a model is there: what it failed to write is a sample with its outcome, and with the
reason as a failed check. Only what nobody could write is missing instead, such as reasoning towards an event whose
time is not known.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from vlm_autodrive.engines import read_answer
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.samples import ClipSamples, unwritable
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_schemas import Description
from vlm_autodrive.supervision.teachers.drafts import (
    Draft,
    description_sample_of,
    question_samples_of,
    reasoning_sample_of,
    sampled_reasoning,
)
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.rejection_sampling import RejectionSampler
from vlm_autodrive.supervision.teachers.requests import (
    ClipRequests,
    description_request,
    questions_request,
    reasoning_request,
    repair_request,
    requests_for,
)

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True)
class TeacherSamples(ClipSamples):
    """What a teacher, or rejection sampling, wrote about one clip.

    Attributes:
        replies: All its replies, in the order of the chain.
    """

    replies: tuple[TeacherReply, ...] = ()


async def teacher_samples(teacher: Teacher, facts: Facts, settings: SuperviseSettings) -> TeacherSamples:
    """Have everything written about one clip that a teacher writes.

    Args:
        teacher: Who writes.
        facts: The clip.
        settings: What is wanted.

    Raises:
        UserError: If no request could ever succeed, or the budget is spent.
    """
    plan = requests_for(facts, settings)
    description = await _ask(teacher, description_request(facts, settings)) if plan.describe else None
    questions, reasoning = await _both(
        _questions(teacher, facts, plan, description), _reasoning(teacher, facts, settings, plan, description)
    )
    samples = []
    if plan.description and description is not None:
        samples.append(description_sample_of(facts, settings, teacher.name, description))
    if questions is not None:
        samples += question_samples_of(facts, settings, teacher.name, plan.slots, questions)
    if reasoning is not None:
        samples.append(reasoning_sample_of(facts, settings, teacher.name, reasoning))
    replies = tuple(reply for part in (description, questions, reasoning) if part is not None for reply in part.replies)
    return TeacherSamples(tuple(samples), plan.missing, replies)


async def rejection_samples(sampler: RejectionSampler, facts: Facts, settings: SuperviseSettings) -> TeacherSamples:
    """Take the reasoning about one clip from rejection sampling."""
    missing = unwritable(facts, ["reasoning"])
    if missing:
        return TeacherSamples(missing=missing)
    sampled = await sampler.reasoning(facts)
    return TeacherSamples((sampled_reasoning(facts, settings, sampler.name, sampled),), {}, sampled.replies)


async def _questions(teacher: Teacher, facts: Facts, plan: ClipRequests, description: Draft | None) -> Draft | None:
    if not plan.slots or description is None:
        return None
    if not isinstance(description.answer, Description):
        return _nothing_to_read(description)
    return await _ask(teacher, questions_request(facts, plan.slots, description.answer))


async def _reasoning(
    teacher: Teacher, facts: Facts, settings: SuperviseSettings, plan: ClipRequests, description: Draft | None
) -> Draft | None:
    if not plan.reasoning:
        return None
    if settings.reasoning == "one_step":
        return await _ask(teacher, reasoning_request(facts, settings, None))
    assert description is not None
    if not isinstance(description.answer, Description):
        return _nothing_to_read(description)
    return await _ask(teacher, reasoning_request(facts, settings, description.answer))


def _nothing_to_read(description: Draft) -> Draft:
    """A text that was to be made from a description which is not there: never asked for."""
    return Draft(description.outcome, None, "", f"the teacher wrote no description: {description.reason}")


async def _ask(teacher: Teacher, request: TeacherRequest) -> Draft:
    """Ask for one text, and once more where the answer cannot be read."""
    reply = await teacher.write(request)
    draft = _read(reply, request, Outcome.OK)
    # A refusal or a truncated answer would come again; only what was written in a wrong form is worth a second turn.
    if draft.outcome is not Outcome.UNPARSEABLE or not reply.text.strip():
        return draft
    again = repair_request(request, reply.text, draft.reason)
    repaired = _read(await teacher.write(again), again, Outcome.REPAIRED)
    return replace(repaired, text=repaired.text or reply.text, replies=(reply, *repaired.replies))


def _read(reply: TeacherReply, request: TeacherRequest, good: Outcome) -> Draft:
    if reply.outcome is not Outcome.OK:
        return Draft(reply.outcome, None, reply.text, reply.reason or str(reply.outcome), (reply,))
    answer = read_answer(reply.text, request.answer)
    if isinstance(answer, str):
        return Draft(Outcome.UNPARSEABLE, None, reply.text, answer, (reply,))
    return Draft(good, answer, reply.text, "", (reply,))


async def _both(first: Coroutine[Any, Any, _A], second: Coroutine[Any, Any, _B]) -> tuple[_A, _B]:
    """Both side by side. If one fails the other still ends, since what it has under way is paid for."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results[0], results[1]
