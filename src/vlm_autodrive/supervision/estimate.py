"""The estimate of a supervision run: requests, tokens and cost, before it starts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import iterate_clips
from vlm_autodrive.engines import (
    CostEstimate,
    EndpointNames,
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
from vlm_autodrive.supervision.settings import (
    CAPTIONER,
    TEACHER,
    CaptionerSettings,
    ServedTeacherSettings,
    SuperviseSettings,
)
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
    settings: ServedTeacherSettings,
    stand_in: Callable[[TeacherRequest], str],
    reporter: Reporter,
    names: EndpointNames = TEACHER,
) -> Iterator[PricedTeacher]:
    """Open a teacher that only names its price.

    Args:
        settings: The endpoint.
        stand_in: What might be written, where something else is made from it; empty text where nothing is.
        reporter: Told if kept replies had to be set aside.
        names: What messages call it and its settings.

    Raises:
        UserError: If the settings name no endpoint that may be asked.
    """
    url = endpoint_of(settings, names).url
    with open_database(cache_path(settings), f"{names.keys}cache", reporter) as database:
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


class FreeTeacher:
    """Stands in for a teacher in this process, which costs nothing."""

    name = "local"
    concurrency = 1

    def use(self) -> None:
        """Nothing."""

    def used(self) -> str:
        """Nothing."""
        return ""

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Reply with the stand-in for what would be written."""
        text = stand_in(request)
        outcome = Outcome.OK if text else Outcome.ERROR
        return TeacherReply(request_id=request.request_id, outcome=outcome, text=text, reason="not asked yet")


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


def stand_in(request: TeacherRequest) -> str:
    """What a model may write of a clip, where questions and reasoning are made from it."""
    if request.wanted != "description":
        return ""
    untold = {} if request.answer is Description else {"event": None, "cause": None}
    return _STAND_IN.model_copy(update=untold).model_dump_json()


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
    told = "light, weather, road and labels" if context.label else "light, weather and road, no labels"
    told += f", {', '.join(found.columns)}" if found.columns else ""
    return told + (f", {context.frames} frames each" if context.frames else ", no frames")


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
