"""The estimate of a supervision run: requests, tokens and cost, before it starts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import iterate_clips
from vlm_autodrive.engines import (
    CostEstimate,
    ReplyCache,
    TokenUsage,
    budget_lines,
    cache_path,
    endpoint_of,
    money_for,
    open_database,
    run_async,
    text_tokens,
    token_line,
)
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Outcome, Record
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.settings import TEACHER, ServedTeacherSettings, SuperviseSettings
from vlm_autodrive.supervision.survey import ClipSetSurvey, survey_clips
from vlm_autodrive.supervision.teacher_schemas import Description, Happening, NamedEvent
from vlm_autodrive.supervision.teachers.chain import teacher_samples
from vlm_autodrive.supervision.teachers.prompts import other_metadata
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.served import (
    VideoIdentities,
    chat_body,
    reply_of,
    shown_pictures,
    shown_tokens,
)
from vlm_autodrive.video import VideoError


class PricedTeacher:
    """Stands in for a served teacher: hands out replies that are kept, prices what is not, and asks nobody."""

    concurrency = 1

    def __init__(
        self,
        settings: ServedTeacherSettings,
        cache: ReplyCache,
        footage: VideoIdentities,
        stand_in: Callable[[TeacherRequest], str],
    ) -> None:
        self._settings = settings
        self._footage = footage
        self._cache = cache
        self._stand_in = stand_in
        self._requests = self._in_cache = self._images = self._read = self._written = 0

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    def use(self) -> None:
        """Nothing."""

    def used(self) -> str:
        """Nothing."""
        return ""

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Reply as it was replied before, or with the stand-in for what would be written."""
        self._requests += 1
        words = chat_body(self._settings, request)
        try:
            kept = self._cache.load(self._cache.key(words, self._footage.of(request.footage)))
        except VideoError as error:  # which costs nothing
            return TeacherReply(request_id=request.request_id, outcome=Outcome.ERROR, reason=error.reason)
        if kept is not None:
            self._in_cache += 1
            return reply_of(request, kept)
        self._images += shown_pictures(request.footage)
        self._read += text_tokens(words) + shown_tokens(request.footage)
        self._written += self._settings.max_tokens
        text = self._stand_in(request)
        outcome = Outcome.OK if text else Outcome.ERROR
        return TeacherReply(request_id=request.request_id, outcome=outcome, text=text, reason="not asked yet")

    def estimate(self) -> CostEstimate:
        """What all that was wanted so far will take."""
        return CostEstimate(
            requests=self._requests,
            in_cache=self._in_cache,
            images=self._images,
            prompt_tokens=self._read,
            completion_tokens=self._written,
            money=money_for(TokenUsage(self._read, self._written), self._settings.price),
        )


@contextmanager
def open_priced(
    settings: ServedTeacherSettings, stand_in: Callable[[TeacherRequest], str], reporter: Reporter
) -> Iterator[PricedTeacher]:
    """Open a teacher that only names its price.

    Args:
        settings: The endpoint.
        stand_in: What might be written, where something else is made from it; empty text where nothing is.
        reporter: Told if kept replies had to be set aside.

    Raises:
        UserError: If the settings name no endpoint that may be asked.
    """
    url = endpoint_of(settings, TEACHER).url
    with open_database(cache_path(settings), f"{TEACHER.keys}cache", reporter) as database:
        cache = ReplyCache(database, url, settings.model)
        yield PricedTeacher(settings, cache, VideoIdentities(database), stand_in)


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
        clips: Clips that get samples.
        clips_without_samples: Clips that get none: of the test split, unusable, or of unknown kind.
        teacher: Who writes: ``rules``, or the model's name.
        host: Where clips are sent to; empty if they stay in this process.
        columns: Columns of one's own metadata that are sent along.
        asked: What the endpoint is asked; None where there is none.
    """

    clips: int
    clips_without_samples: int
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
    survey = survey_clips(clips, settings)
    counts = {"clips": survey.supervised, "clips_without_samples": len(survey.unsupervised)}
    if settings.teacher != "served":
        name = settings.local.model if settings.teacher == "local" else "rules"
        return SupervisionEstimate(**counts, teacher=name)
    with open_priced(settings.served, stand_in, reporter) as teacher:
        columns = run_async(_go_through(clips, survey, settings, teacher))
        asked = teacher.estimate()
    host = endpoint_of(settings.served, TEACHER).host
    return SupervisionEstimate(**counts, teacher=settings.served.model, host=host, columns=columns, asked=asked)


async def _go_through(
    clips: Path, survey: ClipSetSurvey, settings: SuperviseSettings, teacher: Teacher
) -> tuple[str, ...]:
    """Do with the teacher all that a run does, save for rejection sampling, which costs nothing.

    Returns:
        The columns of one's own metadata that it is told.
    """
    columns: set[str] = set()
    for clip in iterate_clips(clips):
        if clip.clip_id not in survey.unsupervised:
            facts = facts_of(clip, survey.taxonomy)
            columns |= set(other_metadata(facts)) if settings.context.label else set()
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
    lines = [f"Clips: {found.clips:,} are supervised, {found.clips_without_samples:,} get no samples."]
    asked = found.asked
    if asked is None:
        return [*lines, f"{found.teacher} writes in this process: nothing is sent, and nothing is paid."]
    context = settings.context
    told = "light, weather, road and labels" if context.label else "light, weather and road, no labels"
    told += f", {', '.join(found.columns)}" if found.columns else ""
    shown = f"{context.frames} frames each" if context.frames else "no frames"
    lines.append(
        f"They go to {found.teacher} at {found.host}: {told}, {shown}, {asked.images:,} images in all. "
        f"{asked.requests:,} requests, {asked.in_cache:,} of them answered before."
    )
    lines.append(f"{token_line(asked, settings.served)}; tries and repairs come on top.")
    return lines + budget_lines(asked, settings.served, TEACHER.keys)
