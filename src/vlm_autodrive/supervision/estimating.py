"""What a supervision run will ask, send and cost, before it is begun."""

from pathlib import Path

from vlm_autodrive.artifacts import iterate_clips
from vlm_autodrive.engines import endpoint_of, run_async
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.supervision.answers import Description, Happening, NamedEvent
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.looking_ahead import Ahead, look_ahead
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_settings import TEACHER
from vlm_autodrive.supervision.teachers.estimate import CostEstimate, open_priced
from vlm_autodrive.supervision.teachers.prompts import other_metadata
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherRequest
from vlm_autodrive.supervision.teaching import teacher_samples

_STAND_IN = Description(  # about as long as models write
    scene="bright daylight in clear weather on an urban road with two lanes in each direction",
    ego_motion="the ego vehicle drives at a steady speed in the right lane and then slows down to a stop",
    road_users=("a white van ahead in the same lane", "a red car from the left", "a pedestrian on the pavement"),
    happenings=tuple(
        Happening(time_s=time_s, what="a red car from the left leaves its lane and moves towards the ego vehicle")
        for time_s in (1.2, 2.4, 3.6, 4.8, 6.0)
    ),
    event=NamedEvent(kind="near-collision with a red car", time_s=4.8),
    cause="the red car's driver changed lanes without looking at what came from behind",
    ego_response="brakes hard and steers away to the right",
)


class SupervisionEstimate(Record):
    """What lies before a run.

    Attributes:
        clips: Clips that get items.
        clips_without_items: Clips that get none: of the test split, unusable, or of unknown kind.
        teacher: Who writes: ``rules``, or the model's name.
        host: Where clips are sent to; empty if they stay in this process.
        columns: Columns of one's own metadata that are sent along.
        asked: What the endpoint is asked; None where there is none.
    """

    clips: int
    clips_without_items: int
    teacher: str
    host: str = ""
    columns: tuple[str, ...] = ()
    asked: CostEstimate | None = None


def estimate_supervision(clips: Path, settings: SuperviseSettings, reporter: Reporter = SILENT) -> SupervisionEstimate:
    """Go through a clip set as a run would, and ask nobody.

    Args:
        clips: A clip set.
        settings: What is wanted.
        reporter: Told if kept replies had to be set aside.

    Raises:
        UserError: If no clip can be supervised, or the endpoint may not be used.
    """
    ahead = look_ahead(clips, settings)
    counts = {"clips": ahead.supervised, "clips_without_items": len(ahead.unsupervised)}
    if settings.teacher != "served":
        name = settings.local.model if settings.teacher == "local" else "rules"
        return SupervisionEstimate(**counts, teacher=name)
    with open_priced(settings.served, stand_in, reporter) as teacher:
        columns = run_async(_go_through(clips, ahead, settings, teacher))
        asked = teacher.estimate()
    host = endpoint_of(settings.served, TEACHER).host
    return SupervisionEstimate(**counts, teacher=settings.served.model, host=host, columns=columns, asked=asked)


async def _go_through(clips: Path, ahead: Ahead, settings: SuperviseSettings, teacher: Teacher) -> tuple[str, ...]:
    """Do with the teacher all that a run does, save for what the student writes, which costs nothing.

    Returns:
        The columns of one's own metadata that it is told.
    """
    columns: set[str] = set()
    for clip in iterate_clips(clips):
        if clip.clip_id not in ahead.unsupervised:
            facts = facts_of(clip, ahead.taxonomy)
            columns |= set(other_metadata(facts)) if settings.sees.label else set()
            await teacher_samples(teacher, facts, settings)
    return tuple(sorted(columns))


def stand_in(request: TeacherRequest) -> str:
    """What a model may write of a clip, where questions and reasoning are made from it."""
    if request.wanted != "description":
        return ""
    untold = {} if request.answer is Description else {"event": None, "cause": None}
    return _STAND_IN.model_copy(update=untold).model_dump_json()


def estimate_lines(found: SupervisionEstimate, settings: SuperviseSettings) -> list[str]:
    """An estimate in words."""
    lines = [f"Clips: {found.clips:,} are supervised, {found.clips_without_items:,} get no items."]
    asked = found.asked
    if asked is None:
        return [*lines, f"{found.teacher} writes in this process: nothing is sent, and nothing is paid."]
    sees = settings.sees
    told = "light, weather, road and labels" if sees.label else "light, weather and road, no labels"
    told += f", {', '.join(found.columns)}" if found.columns else ""
    shown = f"{sees.frames} frames each" if sees.frames else "no frames"
    lines.append(
        f"They go to {found.teacher} at {found.host}: {told}, {shown}, {asked.images:,} images in all. "
        f"{asked.requests:,} requests, {asked.in_cache:,} of them answered before."
    )
    price = settings.served.price
    priced = price.prompt_per_million > 0 or price.completion_per_million > 0
    money = f", at most {asked.money:,.2f} at the prices given" if priced else ""
    lines.append(
        f"About {asked.prompt_tokens:,} tokens are read and at most {asked.completion_tokens:,} written{money}; "
        "tries and repairs come on top."
    )
    return lines + _over_budget(asked, settings)


def _over_budget(asked: CostEstimate, settings: SuperviseSettings) -> list[str]:
    budget = settings.served.budget
    bounds = (
        ("requests", budget.requests, asked.requests - asked.in_cache),
        ("tokens", budget.tokens, asked.prompt_tokens + asked.completion_tokens),
        ("money", budget.money, asked.money),
    )
    return [
        f"That may pass served.budget.{name} ({most:,}): the run then stops, and goes on when it is raised."
        for name, most, wanted in bounds
        if most is not None and wanted > most
    ]
