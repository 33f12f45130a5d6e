"""What a job will take, before it is begun.

The rule for tokens: one for every three bytes of the request without its pictures, which is more than
English prose takes and about what JSON full of numbers does; and for a picture, one for each square of
28 pixels, as Qwen-VL counts, or 85 and 170 more for each tile of 512 pixels, as OpenAI counts, whichever
is more. Endpoints count otherwise: what counts in the end is what they report. A budget reserves a token
for every byte, which no endpoint passes for text; for pictures one that counts more than the rule can
pass a budget by what is in flight.
"""

import math
from collections.abc import Iterable

from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.budget import Cost, money_for
from vlm_autodrive.supervision.teachers.cache import ReplyCache, cache_path
from vlm_autodrive.supervision.teachers.chat import chat_body
from vlm_autodrive.supervision.teachers.database import open_database
from vlm_autodrive.supervision.teachers.endpoint import endpoint_of
from vlm_autodrive.supervision.teachers.protocol import Footage, TeacherRequest
from vlm_autodrive.video.container import VideoError
from vlm_autodrive.video.sampler import wanted_frames

_BYTES_PER_TOKEN = 3
_SQUARE, _TILE = 28, 512
_TIME_TOKENS = 16  # the words and the time before a picture


class Estimate(Record):
    """What asking some requests will take. A repair turn or a second try comes on top.

    Attributes:
        requests: How many were looked at.
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


def estimate(requests: Iterable[TeacherRequest], settings: ServedTeacherSettings, reporter: Reporter) -> Estimate:
    """Price requests without sending any.

    Args:
        requests: What is wanted.
        settings: The endpoint.
        reporter: Told if the cache had to be set aside.

    Raises:
        UserError: If the settings name no endpoint that may be asked.
    """
    url = endpoint_of(settings).url
    looked_at = in_cache = images = read = written = 0
    with open_database(cache_path(settings), reporter) as database:
        cache = ReplyCache(database, url, settings)
        for request in requests:
            looked_at += 1
            words = chat_body(settings, request)
            try:
                known = cache.load(cache.key(words, request.footage), request.request_id) is not None
            except VideoError:  # an error, which costs nothing
                continue
            if known:
                in_cache += 1
                continue
            images += _pictures(request.footage)
            read += math.ceil(len(words) / _BYTES_PER_TOKEN) + _picture_tokens(request.footage)
            written += settings.max_tokens
    return Estimate(
        requests=looked_at,
        in_cache=in_cache,
        images=images,
        prompt_tokens=read,
        completion_tokens=written,
        money=money_for(Cost(read, written), settings.price),
    )


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
