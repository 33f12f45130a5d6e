"""Descriptions and reasoning by a served teacher: asked, read, repaired once, and checked like all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from vlm_autodrive.models.prompts import format_reasoning, reasoning_prompt
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, Kind, Outcome, StudentPrompt, SupervisionItem, Taxonomy, TeacherPrompt
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.facts import Facts, facts_of, stated_times
from vlm_autodrive.supervision.items import make_item, rng_for
from vlm_autodrive.supervision.settings import ServedTeacherSettings, SuperviseSettings
from vlm_autodrive.supervision.student_prompts import prompt_for
from vlm_autodrive.supervision.teachers import prompts
from vlm_autodrive.supervision.teachers.answers import A, read_answer
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.replies import write_all
from vlm_autodrive.supervision.teachers.served import ServedTeacher
from vlm_autodrive.video.decode import read_frames
from vlm_autodrive.video.frames import Frames, SamplingSettings

SERVED_KINDS: tuple[Kind, ...] = ("description", "reasoning")


@dataclass(frozen=True)
class Taught:
    """What the teacher made for one clip, and for each kind that it did not make, why not."""

    items: tuple[SupervisionItem, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What became of one text: the answer if there is one, and the last that the teacher wrote."""

    outcome: Outcome
    answer: BaseModel | None
    raw: str
    reason: str


def teach(
    clips: Sequence[Clip],
    taxonomy: Taxonomy,
    settings: SuperviseSettings,
    kinds: Sequence[Kind],
    folder: Path,
    reporter: Reporter,
) -> dict[str, Taught]:
    """Have the served teacher write descriptions, and reasoning from them.

    Args:
        clips: The clips.
        taxonomy: The classes.
        settings: What is wanted.
        kinds: Which of the two kinds.
        folder: Where replies are kept, so that a run that was killed goes on without asking again.
        reporter: Told beforehand what will be sent, and of the progress.

    Returns:
        For each clip, by id, what was made.

    Raises:
        UserError: If the endpoint cannot be used.
    """
    teacher = ServedTeacher(settings.served)
    images = f"{settings.served.frames} frames each" if settings.served.frames else "no frames"
    reporter.say(
        f"{len(clips)} clips go to {settings.served.model} at {teacher.host}: metadata, labels and {images}, "
        f"{len(clips) * settings.served.frames} images in all."
    )
    facts = {clip.clip_id: facts_of(clip, taxonomy) for clip in clips}
    described = _write(
        teacher,
        "description",
        {clip_id: prompts.description_prompt(f) for clip_id, f in facts.items()},
        prompts.DescriptionAnswer,
        {clip.clip_id: clip for clip in clips} if settings.served.frames else {},
        settings.served,
        folder,
        reporter,
    )
    reasoned: dict[str, Written] = {}
    if "reasoning" in kinds:
        asked = {
            clip_id: prompts.reasoning_request(facts[clip_id], written.answer.description)
            for clip_id, written in described.items()
            if isinstance(written.answer, prompts.DescriptionAnswer)
        }
        reasoned = _write(teacher, "reasoning", asked, prompts.ReasoningAnswer, {}, settings.served, folder, reporter)
    return {
        clip_id: _taught(facts[clip_id], described[clip_id], reasoned.get(clip_id), kinds, settings, teacher.name)
        for clip_id in facts
    }


def _write(
    teacher: Teacher,
    what: str,
    asked: Mapping[str, TeacherPrompt],
    model: type[A],
    shown: Mapping[str, Clip],
    settings: ServedTeacherSettings,
    folder: Path,
    reporter: Reporter,
) -> dict[str, Written]:
    """Ask for one text for each clip, and once more where the answer cannot be read."""
    schema = (what, model.model_json_schema())

    def request(clip_id: str, turn: str, answered: tuple[str, str] | None = None) -> TeacherRequest:
        frames = partial(_frames, shown[clip_id], settings) if clip_id in shown else None
        name = f"{clip_id}/{what}/{turn}/{asked[clip_id].version}"
        return TeacherRequest(name, asked[clip_id], frames, schema, answered)

    first = {clip_id: request(clip_id, "first") for clip_id in asked}
    replies = write_all(teacher, list(first.values()), folder, reporter, f"Asking for {what}")
    written = {clip_id: _read(replies[r.request_id], model, Outcome.OK) for clip_id, r in first.items()}
    again = {
        clip_id: request(clip_id, "repair", (w.raw, prompts.repair_text(w.reason)))
        for clip_id, w in written.items()
        if w.outcome is Outcome.UNPARSEABLE and w.raw.strip()
    }
    if again:
        replies = write_all(teacher, list(again.values()), folder, reporter, f"Asking for {what} again")
        written |= {clip_id: _read(replies[r.request_id], model, Outcome.REPAIRED) for clip_id, r in again.items()}
    return written


def _read(reply: TeacherReply, model: type[A], good: Outcome) -> Written:
    if reply.outcome is not Outcome.OK:
        return Written(reply.outcome, None, reply.text, reply.reason)
    answer = read_answer(reply.text, model)
    if isinstance(answer, str):
        return Written(Outcome.UNPARSEABLE, None, reply.text, answer)
    return Written(good, answer, reply.text, "")


def _taught(
    facts: Facts,
    described: Written,
    reasoned: Written | None,
    kinds: Sequence[Kind],
    settings: SuperviseSettings,
    teacher: str,
) -> Taught:
    items: list[SupervisionItem] = []
    missing: dict[str, str] = {}
    if "description" in kinds:
        prompt = prompt_for("description", rng_for(settings.seed, facts.clip.clip_id, "description"))
        items.append(_item(facts, "description", prompt, described, teacher))
    if reasoned is not None:
        items.append(_item(facts, "reasoning", reasoning_prompt(facts.taxonomy), reasoned, teacher))
    elif "reasoning" in kinds:
        missing["reasoning"] = f"the teacher wrote no description ({described.outcome})"
    times = stated_times(settings.seed, facts.clip.clip_id, facts.clip.duration_s)
    return Taught(tuple(checked(item, facts, times) for item in items), missing)


def _item(facts: Facts, kind: Kind, prompt: StudentPrompt, written: Written, teacher: str) -> SupervisionItem:
    return make_item(
        facts,
        kind,
        kind,
        prompt,
        _target(written),
        teacher=teacher,
        teacher_prompt_version=prompts.VERSION,
        outcome=written.outcome,
    )


def _target(written: Written) -> str:
    """The text to teach; of a failure, what the teacher wrote, so that a person can look at it."""
    answer = written.answer
    if isinstance(answer, prompts.DescriptionAnswer):
        return " ".join(answer.description.split())
    if isinstance(answer, prompts.ReasoningAnswer):
        thoughts = "\n".join(" ".join(step.split()) for step in answer.steps)
        return format_reasoning(thoughts, answer.verdict.strip(), answer.event_time_s)
    return written.raw


def _frames(clip: Clip, settings: ServedTeacherSettings) -> Frames:
    wanted = settings.frames + settings.frames % 2
    sampling = SamplingSettings(
        fps=wanted / clip.duration_s, max_frames=wanted, height=settings.frame_height, width=settings.frame_width
    )
    return read_frames(Path(clip.path), clip.start_s, clip.end_s, sampling)
