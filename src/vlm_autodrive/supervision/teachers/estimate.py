"""What a job will take, before it is begun.

The rule for tokens: one for every three bytes of the request without its pictures, which is more than
English prose takes and about what JSON full of numbers does; and for a picture, one for each square of
28 pixels, as Qwen-VL counts, or 85 and 170 more for each tile of 512 pixels, as OpenAI counts, whichever
is more. Endpoints count otherwise: what counts in the end is what they report. A budget reserves a token
for every byte, which no endpoint passes for text; for pictures one that counts more than the rule can
pass a budget by what is in flight.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome, Record
from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.budget import Cost, money_for
from vlm_autodrive.supervision.teachers.cache import ReplyCache, cache_path
from vlm_autodrive.supervision.teachers.chat import chat_body
from vlm_autodrive.supervision.teachers.database import open_database
from vlm_autodrive.supervision.teachers.endpoint import endpoint_of
from vlm_autodrive.supervision.teachers.protocol import Footage, TeacherReply, TeacherRequest
from vlm_autodrive.video.container import VideoError
from vlm_autodrive.video.sampler import wanted_frames

_BYTES_PER_TOKEN = 3
_SQUARE, _TILE = 28, 512
_TIME_TOKENS = 16  # the words and the time before a picture


class Estimate(Record):
    """What a job will take. A repair turn or a second try comes on top.

    Attributes:
        requests: How many there are.
        in_cache: Those that are answered from the cache; what follows is about the others.
        images: Frames that are sent.
        prompt_tokens: Tokens read, by the rule of this module.
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
        self, settings: ServedTeacherSettings, cache: ReplyCache, stand_in: Callable[[TeacherRequest], str]
    ) -> None:
        self._settings = settings
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
            kept = self._cache.load(self._cache.key(words, request.footage), request.request_id)
        except VideoError as error:  # which costs nothing
            return TeacherReply(request_id=request.request_id, outcome=Outcome.ERROR, reason=error.reason)
        if kept is not None:
            self._in_cache += 1
            return kept
        self._images += _pictures(request.footage)
        self._read += math.ceil(len(words) / _BYTES_PER_TOKEN) + _picture_tokens(request.footage)
        self._written += self._settings.max_tokens
        text = self._stand_in(request)
        outcome = Outcome.OK if text else Outcome.ERROR
        return TeacherReply(request_id=request.request_id, outcome=outcome, text=text, reason="not asked yet")

    def estimate(self) -> Estimate:
        """What all that was wanted so far will take."""
        return Estimate(
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
    url = endpoint_of(settings).url
    with open_database(cache_path(settings), reporter) as database:
        yield PricedTeacher(settings, ReplyCache(database, url, settings), stand_in)


def most_cost(words: bytes, footage: Footage | None, max_tokens: int) -> Cost:
    """The most that one try can take: no token is shorter than a byte.

    Args:
        words: The body without frames.
        footage: What is shown beside it.
        max_tokens: Most tokens of the answer.
    """
    return Cost(len(words) + _picture_tokens(footage), max_tokens)


def _pictures(footage: Footage | None) -> int:
    return 0 if footage is None else wanted_frames(footage.end_s - footage.start_s, footage.sampling)


def _picture_tokens(footage: Footage | None) -> int:
    if footage is None:
        return 0
    height, width = footage.sampling.height, footage.sampling.width
    squares = math.ceil(height / _SQUARE) * math.ceil(width / _SQUARE)
    tiles = 85 + 170 * math.ceil(height / _TILE) * math.ceil(width / _TILE)
    return _pictures(footage) * (max(squares, tiles) + _TIME_TOKENS)
