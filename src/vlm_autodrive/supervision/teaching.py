"""What a teacher writes about one clip: the description, then questions and reasoning from it, checked like all else.

Each text that is wanted of a model gives exactly one item, a question likewise: what it failed to write is an item
with its outcome, and with the reason as a failed check. Only what nobody could write is missing instead: reasoning
towards an event whose time is not known, and what the teacher by rules does not know.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from vlm_autodrive.engines import read_answer
from vlm_autodrive.records import Outcome, SFTSample
from vlm_autodrive.supervision.descriptions import Description
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.items import RULES
from vlm_autodrive.supervision.requests import (
    Plan,
    description_request,
    plan_for,
    questions_request,
    reasoning_request,
    repair_request,
)
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.student import Sampled, Student
from vlm_autodrive.supervision.written import (
    Written,
    description_made,
    questions_made,
    reasoning_made,
    reasoning_sampled,
)

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True)
class Taught:
    """What was made of one clip.

    Attributes:
        items: Its items, each with its checks.
        missing: For each kind that was wanted and that nobody could write, why not.
        replies: All that a model wrote for it, in the order of the chain; nothing of the teacher by rules.
    """

    items: tuple[SFTSample, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    replies: tuple[TeacherReply, ...] = ()


async def taught(teacher: Teacher, facts: Facts, settings: SuperviseSettings, student: Student | None = None) -> Taught:
    """Have everything written about one clip that a teacher writes.

    Args:
        teacher: Who writes.
        facts: The clip.
        settings: What is wanted.
        student: Who writes the reasoning instead, where the settings say so.

    Raises:
        UserError: If no request could ever succeed, or the budget is spent.
    """
    by_rules = teacher.name == RULES
    plan = plan_for(facts, settings, by_rules=by_rules)
    described = None
    if plan.describe:
        described = await _ask(teacher, description_request(facts, settings, by_rules=by_rules))
    asked, reasoned = await _both(
        _asked(teacher, facts, plan, described), _reasoned(teacher, facts, settings, plan, described, student)
    )
    items, missing = [], dict(plan.missing)
    if plan.description and described is not None:
        if by_rules and described.answer is None:
            missing["description"] = described.reason
        else:
            items.append(description_made(facts, settings, teacher.name, described))
    if asked is not None:
        items += questions_made(facts, settings, teacher.name, plan.slots, asked)
    if isinstance(reasoned, Sampled) and student is not None:
        items.append(reasoning_sampled(facts, settings, student.name, reasoned))
    elif isinstance(reasoned, Written):
        if by_rules and reasoned.answer is None:
            missing["reasoning"] = reasoned.reason
        else:
            items.append(reasoning_made(facts, settings, teacher.name, reasoned))
    parts = (described, asked, reasoned)
    replies = tuple(
        reply
        for part in parts
        if part is not None and not (by_rules and isinstance(part, Written))
        for reply in part.replies
    )
    return Taught(tuple(items), missing, replies)


async def _asked(teacher: Teacher, facts: Facts, plan: Plan, described: Written | None) -> Written | None:
    if not plan.slots or described is None:
        return None
    if not isinstance(described.answer, Description):
        return _nothing_to_read(described)
    return await _ask(teacher, questions_request(facts, plan.slots, described.answer))


async def _reasoned(
    teacher: Teacher,
    facts: Facts,
    settings: SuperviseSettings,
    plan: Plan,
    described: Written | None,
    student: Student | None,
) -> Written | Sampled | None:
    if not plan.reasoning:
        return None
    if settings.reasoning == "student":
        if student is None:
            raise ValueError("reasoning: student needs the student")
        return await student.reasoning(facts)
    by_rules = teacher.name == RULES
    if by_rules or settings.reasoning == "one_step":
        return await _ask(teacher, reasoning_request(facts, settings, None, by_rules=by_rules))
    assert described is not None
    if not isinstance(described.answer, Description):
        return _nothing_to_read(described)
    return await _ask(teacher, reasoning_request(facts, settings, described.answer, by_rules=False))


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
