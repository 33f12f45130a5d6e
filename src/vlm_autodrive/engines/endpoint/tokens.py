"""Upper bounds on the tokens of a request, before it is sent.

The rule is one token for every three bytes of a request without its pictures, which is more than English prose takes
and about what JSON full of numbers does. For a picture it is one token for each square of 28 pixels, as Qwen-VL
counts, or 85 and 170 more for each tile of 512 pixels, as OpenAI counts, whichever is more. Endpoints count otherwise:
what counts in the end is what they report. A budget reserves a token for every byte of text, which no endpoint passes;
for pictures one that counts more than the rule can pass a budget by what is in flight.
"""

import math
from typing import NamedTuple

_BYTES_PER_TOKEN = 3
_SQUARE, _TILE = 28, 512
_TIME_TOKENS = 16  # the words and the time before a picture


class TokenUsage(NamedTuple):
    """Tokens of one try."""

    prompt_tokens: int
    completion_tokens: int


def text_tokens(words: bytes) -> int:
    """Tokens of a body without pictures, as an estimate."""
    return math.ceil(len(words) / _BYTES_PER_TOKEN)


def picture_tokens(count: int, height: int, width: int) -> int:
    """Tokens of ``count`` pictures of this many pixels, with their times."""
    squares = math.ceil(height / _SQUARE) * math.ceil(width / _SQUARE)
    tiles = 85 + 170 * math.ceil(height / _TILE) * math.ceil(width / _TILE)
    return count * (max(squares, tiles) + _TIME_TOKENS)


def max_usage(words: bytes, shown_tokens: int, max_tokens: int) -> TokenUsage:
    """The most that one try can take: no token is shorter than a byte.

    Args:
        words: The body without pictures.
        shown_tokens: Tokens of the pictures.
        max_tokens: Most tokens of the answer.
    """
    return TokenUsage(len(words) + shown_tokens, max_tokens)


def least_picture_tokens(pictures: int, height: int, width: int, per_picture: float) -> int:
    """The fewest tokens that pictures take if they arrived.

    A model that merges two frames and 32 x 32 pixels into one token, as Qwen3-VL does, takes four times as many where
    the server does not make them smaller.

    Args:
        pictures: How many there are.
        height: Their height in pixels.
        width: Their width.
        per_picture: An upper bound of what is demanded of each, since models with few tokens per picture exist.
    """
    return int(pictures * min(per_picture, height * width / (8 * 32 * 32)))
