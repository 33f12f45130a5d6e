"""What a teacher writes about one clip: the description, then questions and reasoning from it, checked like all else.

Each sample that is wanted of a model is there: what it failed to write is a sample with its outcome, and with the
reason as a failed check. Only what nobody could write is missing instead, such as reasoning towards an event whose
time is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.dimensions import DimensionProfiles
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.samples import ClipSamples, unwritable
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_schemas import Description
from vlm_autodrive.supervision.teachers.asking import ask, ask_description, both, nothing_to_read
from vlm_autodrive.supervision.teachers.caption_samples import (
    reasoning_question_sample_of,
    thinking_sample_of,
    understanding_samples_of,
)
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
    questions_request,
    reasoning_question_request,
    reasoning_request,
    requests_for,
    thinking_request,
    understanding_request,
)


@dataclass(frozen=True)
class TeacherSamples(ClipSamples):
    """What a teacher, or rejection sampling, wrote about one clip.

    Attributes:
        replies: All its replies, in the order of the chain.
    """

    replies: tuple[TeacherReply, ...] = ()


async def teacher_samples(
    teacher: Teacher,
    facts: Facts,
    settings: SuperviseSettings,
    captioner: Teacher | None = None,
    profiles: DimensionProfiles | None = None,
) -> TeacherSamples:
    """Have everything written about one clip that a teacher writes.

    Args:
        teacher: Who writes.
        facts: The clip.
        settings: What is wanted.
        captioner: Who writes the description, where it is another model.
        profiles: For ``chain: paper``, what the clips of each class can be asked.

    Raises:
        UserError: If no request could ever succeed, or the budget is spent.
    """
    plan = requests_for(facts, settings, profiles or {})
    captioner = captioner or teacher
    write = _from_captions if settings.chain == "paper" else _from_description
    description, samples, drafts = await write(teacher, captioner, facts, settings, plan)
    if plan.description and description is not None:
        samples.insert(0, description_sample_of(facts, settings, captioner.name, description))
    replies = tuple(reply for draft in (description, *drafts) if draft is not None for reply in draft.replies)
    return TeacherSamples(tuple(samples), plan.missing, replies)


async def rejection_samples(sampler: RejectionSampler, facts: Facts, settings: SuperviseSettings) -> TeacherSamples:
    """Take the reasoning about one clip from rejection sampling."""
    missing = unwritable(facts, ["reasoning"])
    if missing:
        return TeacherSamples(missing=missing)
    sampled = await sampler.reasoning(facts)
    return TeacherSamples((sampled_reasoning(facts, settings, sampler.name, sampled),), {}, sampled.replies)


_Written = tuple[Draft | None, list[SFTSample], Sequence[Draft | None]]
"""The description, the samples that were made from it, and their drafts."""


async def _from_description(
    teacher: Teacher, captioner: Teacher, facts: Facts, settings: SuperviseSettings, plan: ClipRequests
) -> _Written:
    description = await ask_description(captioner, facts, settings) if plan.describe else None
    questions, reasoning = await both(
        _questions(teacher, facts, plan, description), _reasoning(teacher, facts, settings, plan, description)
    )
    samples = []
    if questions is not None:
        samples += question_samples_of(facts, settings, teacher.name, plan.slots, questions)
    if reasoning is not None:
        samples.append(reasoning_sample_of(facts, settings, teacher.name, reasoning))
    return description, samples, (questions, reasoning)


async def _questions(teacher: Teacher, facts: Facts, plan: ClipRequests, description: Draft | None) -> Draft | None:
    if not plan.slots or description is None:
        return None
    if not isinstance(description.answer, Description):
        return nothing_to_read(description)
    return await ask(teacher, questions_request(facts, plan.slots, description.answer))


async def _reasoning(
    teacher: Teacher, facts: Facts, settings: SuperviseSettings, plan: ClipRequests, description: Draft | None
) -> Draft | None:
    if not plan.reasoning:
        return None
    if settings.reasoning == "one_step":
        return await ask(teacher, reasoning_request(facts, settings, None))
    assert description is not None
    if not isinstance(description.answer, Description):
        return nothing_to_read(description)
    return await ask(teacher, reasoning_request(facts, settings, description.answer))


async def _from_captions(
    teacher: Teacher, captioner: Teacher, facts: Facts, settings: SuperviseSettings, plan: ClipRequests
) -> _Written:
    """The paper's chain: understanding from the structured caption alone, the rest from it and the description."""
    understanding, (description, question, thinking) = await both(
        _asked(teacher, understanding_request(facts, plan.understanding) if plan.understanding else None),
        _from_both_captions(teacher, captioner, facts, settings, plan),
    )
    samples = []
    if understanding is not None:
        samples += understanding_samples_of(facts, settings, teacher.name, plan.understanding, understanding)
    if question is not None:
        samples.append(reasoning_question_sample_of(facts, settings, teacher.name, question))
    if thinking is not None:
        samples.append(thinking_sample_of(facts, settings, teacher.name, thinking))
    return description, samples, (understanding, question, thinking)


async def _from_both_captions(
    teacher: Teacher, captioner: Teacher, facts: Facts, settings: SuperviseSettings, plan: ClipRequests
) -> tuple[Draft | None, Draft | None, Draft | None]:
    """The description, the reasoning question and the thinking trace, where they are wanted."""
    if not plan.describe:
        return None, None, None
    description = await ask_description(captioner, facts, settings)
    if not isinstance(description.answer, Description):
        missing = nothing_to_read(description)
        return description, missing if plan.reasoning_vqa else None, missing if plan.reasoning else None
    seen = description.answer
    question, thinking = await both(
        _asked(teacher, reasoning_question_request(facts, seen) if plan.reasoning_vqa else None),
        _asked(teacher, thinking_request(facts, seen) if plan.reasoning else None),
    )
    return description, question, thinking


async def _asked(teacher: Teacher, request: TeacherRequest | None) -> Draft | None:
    return await ask(teacher, request) if request else None
