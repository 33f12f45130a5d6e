"""What a job will take, before it is begun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vlm_autodrive.engines import (
    Cost,
    ReplyCache,
    cache_path,
    endpoint_of,
    money_for,
    open_database,
    picture_tokens,
    text_tokens,
)
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome, Record
from vlm_autodrive.supervision.teacher_settings import TEACHER, ServedTeacherSettings
from vlm_autodrive.supervision.teachers.chat import chat_body, reply_of
from vlm_autodrive.supervision.teachers.footage import FootageIdentities
from vlm_autodrive.supervision.teachers.protocol import Footage, TeacherReply, TeacherRequest
from vlm_autodrive.video import VideoError, wanted_frames


class CostEstimate(Record):
    """What a job will take. A repair turn or a second try comes on top.

    Attributes:
        requests: How many there are.
        in_cache: Those that are answered from the cache; what follows is about the others.
        images: Frames that are sent.
        prompt_tokens: Tokens read, by the rule of ``engines.endpoint.tokens``.
        completion_tokens: Tokens written at most.
        money: At most, at the prices of the settings.
    """

    requests: int
    in_cache: int
    images: int
    prompt_tokens: int
    completion_tokens: int
    money: float


class PricedTeacher:
    """Stands in for a served teacher: hands out replies that are kept, prices what is not, and asks nobody."""

    at_once = 1

    def __init__(
        self,
        settings: ServedTeacherSettings,
        cache: ReplyCache,
        footage: FootageIdentities,
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
        self._images += _pictures(request.footage)
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
            money=money_for(Cost(self._read, self._written), self._settings.price),
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
        yield PricedTeacher(settings, cache, FootageIdentities(database), stand_in)


def shown_tokens(footage: Footage | None) -> int:
    """Tokens of the frames of footage; none for none."""
    if footage is None:
        return 0
    return picture_tokens(_pictures(footage), footage.sampling.height, footage.sampling.width)


def _pictures(footage: Footage | None) -> int:
    return 0 if footage is None else wanted_frames(footage.end_s - footage.start_s, footage.sampling)
