"""Asking a teacher for one text, with one repair turn where its answer cannot be read, and for two side by side."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from vlm_autodrive.engines import read_answer
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.descriptions import describe
from vlm_autodrive.supervision.samples import rng_for
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_schemas import ThinkingAnswer
from vlm_autodrive.supervision.teachers.caption_samples import thoughts_of
from vlm_autodrive.supervision.teachers.drafts import Draft
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.requests import description_request, repair_request

_A = TypeVar("_A")
_B = TypeVar("_B")


async def ask(teacher: Teacher, request: TeacherRequest) -> Draft:
    """Ask for one text, and once more where the answer cannot be read."""
    reply = await teacher.write(request)
    draft = _read(reply, request, Outcome.OK)
    # A refusal or a truncated answer would come again; only what was written in a wrong form is worth a second turn.
    if draft.outcome is not Outcome.UNPARSEABLE or not reply.text.strip():
        return draft
    again = repair_request(request, reply.text, draft.reason)
    repaired = _read(await teacher.write(again), again, Outcome.REPAIRED)
    return replace(repaired, text=repaired.text or reply.text, replies=(reply, *repaired.replies))


async def ask_description(captioner: Teacher, facts: Facts, settings: SuperviseSettings) -> Draft:
    """Have a clip described, by the captioner or by rules."""
    if settings.describes_by_rules:
        answer = describe(facts, rng_for(settings.seed, facts.clip.clip_id, "description for a teacher"))
        return Draft(Outcome.OK, answer, "")
    return await ask(captioner, description_request(facts, settings))


def nothing_to_read(description: Draft) -> Draft:
    """A text that was to be made from a description which is not there: never asked for."""
    return Draft(description.outcome, None, "", f"the teacher wrote no description: {description.reason}")


async def both(first: Coroutine[Any, Any, _A], second: Coroutine[Any, Any, _B]) -> tuple[_A, _B]:
    """Both side by side. If one fails the other still ends, since what it has under way is paid for."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results[0], results[1]


def _read(reply: TeacherReply, request: TeacherRequest, good: Outcome) -> Draft:
    if reply.outcome is not Outcome.OK:
        return Draft(reply.outcome, None, reply.text, reply.reason or str(reply.outcome), (reply,))
    answer = read_answer(reply.text, request.answer)
    if isinstance(answer, str):
        return Draft(Outcome.UNPARSEABLE, None, reply.text, answer, (reply,))
    draft = Draft(good, answer, reply.text, "", (reply,))
    if isinstance(answer, ThinkingAnswer) and not thoughts_of(draft, answer):
        return replace(draft, outcome=Outcome.UNPARSEABLE, answer=None, reason="it gives a letter without any thoughts")
    return draft
