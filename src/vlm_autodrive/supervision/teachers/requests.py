"""The requests to a teacher about one clip."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from vlm_autodrive.records import SupervisionType
from vlm_autodrive.supervision.dimensions import DimensionProfiles, DimensionSlot, dimension_slots
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.captions import structured_caption
from vlm_autodrive.supervision.rules.descriptions import prose
from vlm_autodrive.supervision.samples import unwritable
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_schemas import (
    BlindDescription,
    Description,
    ReasoningQuestion,
    reasoning_shape,
    thinking_shape,
    understanding_shape,
)
from vlm_autodrive.supervision.teachers import prompts, prompts_from_captions
from vlm_autodrive.supervision.teachers.protocol import TeacherRequest, TeacherVideo
from vlm_autodrive.supervision.teachers.questions import QuestionsAnswer, QuestionSlot, slots_for
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE, SamplingSettings

_QUESTIONS = 4  # of each clip, from its description


@dataclass(frozen=True)
class ClipRequests:
    """What is to be written about one clip.

    Attributes:
        description: Whether a description becomes a sample.
        slots: The questions that a model is asked for.
        understanding: The understanding questions that it is asked for.
        reasoning_vqa: Whether a reasoning question is made.
        reasoning: Whether reasoning is made.
        describe: Whether a description is needed, for itself or for what is made from it.
        missing: For each type that is wanted and that nobody could write, why not.
    """

    description: bool = False
    slots: tuple[QuestionSlot, ...] = ()
    understanding: tuple[DimensionSlot, ...] = ()
    reasoning_vqa: bool = False
    reasoning: bool = False
    describe: bool = False
    missing: dict[SupervisionType, str] = field(default_factory=dict)


def requests_for(facts: Facts, settings: SuperviseSettings, profiles: DimensionProfiles) -> ClipRequests:
    """What a teacher is to write about one clip.

    Args:
        facts: The clip.
        settings: What is wanted.
        profiles: What the clips of each class can be asked.
    """
    missing = unwritable(facts, settings.teacher_types)
    shown = [type_ for type_ in settings.teacher_types if type_ not in missing]
    description, reasoning = "description" in shown, "reasoning" in shown
    if settings.chain == "paper":
        asked = dimension_slots(facts, settings.seed, settings.teacher_questions, profiles) if "vqa" in shown else ()
        hard = "reasoning_vqa" in shown
        return ClipRequests(description, (), asked, hard, reasoning, description or hard or reasoning, missing)
    wanted = _QUESTIONS if settings.teacher_questions is None else settings.teacher_questions
    slots = slots_for(facts, settings.seed, wanted) if "vqa" in shown else ()
    from_it = bool(slots) or (reasoning and settings.reasoning == "two_steps")
    return ClipRequests(description, slots, (), False, reasoning, description or from_it, missing)


def description_request(facts: Facts, settings: SuperviseSettings) -> TeacherRequest:
    """Ask for a description."""
    return TeacherRequest(
        request_id=f"{facts.clip.clip_id}/description",
        wanted="description",
        facts=facts,
        prompt=prompts.description_prompt(facts, settings.context),
        answer=Description if settings.context.label else BlindDescription,
        footage=_footage(facts, settings),
    )


def questions_request(facts: Facts, slots: tuple[QuestionSlot, ...], description: Description) -> TeacherRequest:
    """Ask a model for questions from a description."""
    return TeacherRequest(
        request_id=f"{facts.clip.clip_id}/questions",
        wanted="questions",
        facts=facts,
        prompt=prompts.questions_prompt(facts, description, slots),
        answer=QuestionsAnswer,
    )


def reasoning_request(facts: Facts, settings: SuperviseSettings, description: Description | None) -> TeacherRequest:
    """Ask for reasoning: from a description, or in one step from what the teacher is told and shown."""
    return TeacherRequest(
        request_id=f"{facts.clip.clip_id}/reasoning",
        wanted="reasoning",
        facts=facts,
        prompt=prompts.reasoning_prompt(facts, settings.context, description),
        answer=reasoning_shape(facts.taxonomy.codes),
        footage=None if description is not None else _footage(facts, settings),
    )


def understanding_request(facts: Facts, slots: tuple[DimensionSlot, ...]) -> TeacherRequest:
    """Ask for understanding questions from the structured caption."""
    return TeacherRequest(
        request_id=f"{facts.clip.clip_id}/understanding",
        wanted="understanding",
        facts=facts,
        prompt=prompts_from_captions.understanding_prompt(facts, structured_caption(facts), slots),
        answer=understanding_shape(tuple(slot.dimension.name for slot in slots)),
    )


def reasoning_question_request(facts: Facts, description: Description) -> TeacherRequest:
    """Ask for a question of several steps from structured caption and description."""
    return TeacherRequest(
        request_id=f"{facts.clip.clip_id}/reasoning_vqa",
        wanted="reasoning_vqa",
        facts=facts,
        prompt=prompts_from_captions.reasoning_question_prompt(facts, structured_caption(facts), prose(description)),
        answer=ReasoningQuestion,
    )


def thinking_request(facts: Facts, description: Description) -> TeacherRequest:
    """Ask the verdict question from structured caption and description, to be thought about."""
    return TeacherRequest(
        request_id=f"{facts.clip.clip_id}/reasoning",
        wanted="thinking",
        facts=facts,
        prompt=prompts_from_captions.thinking_prompt(facts, structured_caption(facts), prose(description)),
        answer=thinking_shape(facts.taxonomy.codes),
    )


def repair_request(request: TeacherRequest, text: str, reason: str) -> TeacherRequest:
    """Ask for the same again, telling what was wrong with the answer."""
    answered = (text, prompts.repair_text(reason))
    return replace(request, request_id=f"{request.request_id}/repair", answered=answered)


def _footage(facts: Facts, settings: SuperviseSettings) -> TeacherVideo | None:
    context = settings.context
    if not context.frames:
        return None
    frames = context.frames + context.frames % TEMPORAL_PATCH_SIZE
    sampling = SamplingSettings(
        n_frames=frames,
        max_frames=frames,
        height=context.frame_height,
        width=context.frame_width,
        draw_timestamps=context.draw_timestamps,
    )
    clip = facts.clip
    as_video = context.frames_as == "video"
    return TeacherVideo(Path(clip.path), clip.start_s, clip.end_s, sampling, as_video, clip.video_stream, settings.blur)
