"""The estimate of a supervision run: requests, tokens and cost, before it starts."""

from contextlib import ExitStack
from pathlib import Path

from vlm_autodrive.artifacts import iterate_clips
from vlm_autodrive.engines import CostEstimate, EndpointNames, budget_lines, endpoint_of, run_async, token_line
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.settings import (
    CAPTIONER,
    TEACHER,
    CaptionerSettings,
    ServedTeacherSettings,
    SuperviseSettings,
)
from vlm_autodrive.supervision.survey import ClipSetSurvey, survey_clips
from vlm_autodrive.supervision.teachers.chain import teacher_samples
from vlm_autodrive.supervision.teachers.priced import FreeTeacher, PricedTeacher, open_priced, stand_in
from vlm_autodrive.supervision.teachers.prompts import other_metadata
from vlm_autodrive.supervision.teachers.protocol import Teacher


class ModelEstimate(Record):
    """What lies before one model.

    Attributes:
        model: Its name.
        host: Where clips are sent to; empty if they stay in this process.
        asked: What the endpoint is asked; None where there is none.
    """

    model: str
    host: str = ""
    asked: CostEstimate | None = None


class SupervisionEstimate(Record):
    """What lies before a run.

    Attributes:
        clips: Clips that get samples.
        clips_without_samples: Clips that get none: of the test split, unusable, or of unknown kind.
        teacher: Who writes; the model ``rules`` where no model does.
        captioner: Who describes, where that is another model.
        columns: Columns of one's own metadata that are sent along.
    """

    clips: int
    clips_without_samples: int
    teacher: ModelEstimate
    captioner: ModelEstimate | None = None
    columns: tuple[str, ...] = ()


def estimate_supervision(clips: Path, settings: SuperviseSettings, reporter: Reporter = SILENT) -> SupervisionEstimate:
    """Go through a clip set as a run would, and ask nobody.

    Args:
        clips: A clip set.
        settings: What is wanted.
        reporter: Told if kept replies had to be set aside.

    Raises:
        UserError: If no clip can be supervised, or the endpoint may not be used.
    """
    survey = survey_clips(clips, settings)
    counts = {"clips": survey.supervised, "clips_without_samples": len(survey.unsupervised)}
    captioner = settings.captioner
    with ExitStack() as stack:
        teacher = _stand_in_for(settings, TEACHER, reporter, stack)
        describer = _stand_in_for(captioner, CAPTIONER, reporter, stack)
        columns: tuple[str, ...] = ()
        if isinstance(teacher, PricedTeacher) or isinstance(describer, PricedTeacher):
            columns = run_async(_go_through(clips, survey, settings, teacher or FreeTeacher(), describer))
        return SupervisionEstimate(
            **counts,
            teacher=_estimate_of(settings, TEACHER, teacher) or ModelEstimate(model="rules"),
            captioner=_estimate_of(captioner, CAPTIONER, describer),
            columns=columns,
        )


def _stand_in_for(
    which: SuperviseSettings | CaptionerSettings, names: EndpointNames, reporter: Reporter, stack: ExitStack
) -> Teacher | None:
    if which.teacher == "served":
        return stack.enter_context(open_priced(which.served, stand_in, reporter, names))
    return FreeTeacher() if which.teacher == "local" else None


def _estimate_of(
    which: SuperviseSettings | CaptionerSettings, names: EndpointNames, model: Teacher | None
) -> ModelEstimate | None:
    if isinstance(model, PricedTeacher):
        return ModelEstimate(model=model.name, host=endpoint_of(which.served, names).host, asked=model.estimate())
    return ModelEstimate(model=which.local.model) if which.teacher == "local" else None


async def _go_through(
    clips: Path, survey: ClipSetSurvey, settings: SuperviseSettings, teacher: Teacher, captioner: Teacher | None
) -> tuple[str, ...]:
    """Do with the models all that a run does, save for rejection sampling, which costs nothing.

    Returns:
        The columns of one's own metadata that they are told.
    """
    columns: set[str] = set()
    for clip in iterate_clips(clips):
        if clip.clip_id not in survey.unsupervised:
            facts = facts_of(clip, survey.taxonomy)
            columns |= set(other_metadata(facts)) if settings.context.label else set()
            await teacher_samples(teacher, facts, settings, captioner, survey.dimensions)
    return tuple(sorted(columns))


def estimate_lines(found: SupervisionEstimate, settings: SuperviseSettings) -> list[str]:
    """An estimate in words."""
    lines = [f"Clips: {found.clips:,} are supervised, {found.clips_without_samples:,} get no samples."]
    if found.captioner is not None:
        lines += _model_lines(found.captioner, settings.captioner.served, CAPTIONER.keys, _shown(found, settings))
        sent = "labels and metadata in words, and descriptions, no frames"
        return lines + _model_lines(found.teacher, settings.served, TEACHER.keys, sent)
    sent = _shown(found, settings)
    if settings.chain == "paper":
        sent = f"labels and metadata in words{'' if settings.describes_by_rules else f'; to describe, {sent}'}"
    return lines + _model_lines(found.teacher, settings.served, TEACHER.keys, sent)


def _shown(found: SupervisionEstimate, settings: SuperviseSettings) -> str:
    """What the model that describes is told and shown."""
    context = settings.context
    told = "incident metadata and labels" if context.label else "light, weather and road, no labels"
    told += f", {', '.join(found.columns)}" if found.columns else ""
    blurred = f", their {settings.blur} blurred" if settings.blur else ""
    return told + (f", {context.frames} frames each{blurred}" if context.frames else ", no frames")


def _model_lines(model: ModelEstimate, served: ServedTeacherSettings, keys: str, sent: str) -> list[str]:
    asked = model.asked
    if asked is None:
        return [f"{model.model} writes in this process: nothing is sent, and nothing is paid."]
    return [
        f"They go to {model.model} at {model.host}: {sent}, {asked.images:,} images in all. "
        f"{asked.requests:,} requests, {asked.in_cache:,} of them answered before.",
        f"{token_line(asked, served)}; tries and repairs come on top.",
        *budget_lines(asked, served, keys),
    ]
