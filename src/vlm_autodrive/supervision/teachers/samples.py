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
from vlm_autodrive.supervision.answers import Description
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.samples import ClipSamples, unwritable
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teachers.drafts import (
    Written,
    description_made,
    questions_made,
    reasoning_made,
    reasoning_sampled,
)
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.rejection_sampling import Student
from vlm_autodrive.supervision.teachers.requests import (
    Plan,
    description_request,
    plan_for,
    questions_request,
    reasoning_request,
    repair_request,
)

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True)
class TeacherSamples(ClipSamples):
    """What a teacher, or the student, wrote about one clip.

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
    plan = plan_for(facts, settings)
    described = await _ask(teacher, description_request(facts, settings)) if plan.describe else None
    asked, reasoned = await _both(
        _asked(teacher, facts, plan, described), _reasoned(teacher, facts, settings, plan, described)
    )
    samples = []
    if plan.description and described is not None:
        samples.append(description_made(facts, settings, teacher.name, described))
    if asked is not None:
        samples += questions_made(facts, settings, teacher.name, plan.slots, asked)
    if reasoned is not None:
        samples.append(reasoning_made(facts, settings, teacher.name, reasoned))
    replies = tuple(reply for part in (described, asked, reasoned) if part is not None for reply in part.replies)
    return TeacherSamples(tuple(samples), plan.missing, replies)


async def student_samples(student: Student, facts: Facts, settings: SuperviseSettings) -> TeacherSamples:
    """Have the reasoning about one clip sampled from the student."""
    missing = unwritable(facts, ["reasoning"])
    if missing:
        return TeacherSamples(missing=missing)
    sampled = await student.reasoning(facts)
    return TeacherSamples((reasoning_sampled(facts, settings, student.name, sampled),), {}, sampled.replies)


async def _asked(teacher: Teacher, facts: Facts, plan: Plan, described: Written | None) -> Written | None:
    if not plan.slots or described is None:
        return None
    if not isinstance(described.answer, Description):
        return _nothing_to_read(described)
    return await _ask(teacher, questions_request(facts, plan.slots, described.answer))


async def _reasoned(
    teacher: Teacher, facts: Facts, settings: SuperviseSettings, plan: Plan, described: Written | None
) -> Written | None:
    if not plan.reasoning:
        return None
    if settings.reasoning == "one_step":
        return await _ask(teacher, reasoning_request(facts, settings, None))
    assert described is not None
    if not isinstance(described.answer, Description):
        return _nothing_to_read(described)
    return await _ask(teacher, reasoning_request(facts, settings, described.answer))


def _nothing_to_read(described: Written) -> Written:
    """A text that was to be made from a description which is not there: never asked for."""
    return Written(described.outcome, None, "", f"the teacher wrote no description: {described.reason}")


async def _ask(teacher: Teacher, request: TeacherRequest) -> Written:
    """Ask for one text, and once more where the answer cannot be read."""
    reply = await teacher.write(request)
    written = _read(reply, request, Outcome.OK)
    if written.outcome is not Outcome.UNPARSEABLE or not reply.text.strip():
        return written
    again = repair_request(request, reply.text, written.reason)
    repaired = _read(await teacher.write(again), again, Outcome.REPAIRED)
    return replace(repaired, text=repaired.text or reply.text, replies=(reply, *repaired.replies))


def _read(reply: TeacherReply, request: TeacherRequest, good: Outcome) -> Written:
    if reply.outcome is not Outcome.OK:
        return Written(reply.outcome, None, reply.text, reply.reason or str(reply.outcome), (reply,))
    answer = read_answer(reply.text, request.answer)
    if isinstance(answer, str):
        return Written(Outcome.UNPARSEABLE, None, reply.text, answer, (reply,))
    return Written(good, answer, reply.text, "", (reply,))


async def _both(first: Coroutine[Any, Any, _A], second: Coroutine[Any, Any, _B]) -> tuple[_A, _B]:
    """Both side by side. If one fails the other still ends, since what it has under way is paid for."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results[0], results[1]
