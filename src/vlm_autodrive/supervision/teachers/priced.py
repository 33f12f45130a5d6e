"""Teachers that stand in for others in a dry run: they price what would be asked, and ask nobody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vlm_autodrive.engines import (
    CostEstimate,
    EndpointNames,
    ReplyCache,
    TokenUsage,
    cache_path,
    endpoint_of,
    money_for,
    open_database,
    text_tokens,
)
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.settings import TEACHER, ServedTeacherSettings
from vlm_autodrive.supervision.teacher_schemas import Description, Happening, NamedEvent
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
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


def stand_in(request: TeacherRequest) -> str:
    """What a model may write of a clip, where questions and reasoning are made from it."""
    if request.wanted != "description":
        return ""
    untold = {} if request.answer is Description else {"event": None, "cause": None}
    return _STAND_IN.model_copy(update=untold).model_dump_json()


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
