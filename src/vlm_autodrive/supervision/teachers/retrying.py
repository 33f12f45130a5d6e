"""When a request is tried again, and after how long: the only layer of retries."""

import random
from email.utils import parsedate_to_datetime
from time import time

import httpx

_RETRIED = (408, 409, 425, 429)
_FIRST_WAIT_S = 0.5


def is_retried(response: httpx.Response) -> bool:
    """Whether the same request may succeed later: never for 400, 401, 403 and 404."""
    return response.status_code in _RETRIED or response.status_code >= 500


def wait_before(attempt: int, response: httpx.Response | None, longest_s: float, rng: random.Random) -> float | None:
    """Seconds to wait before another attempt; None if the server asks for more patience than is allowed.

    Args:
        attempt: Tries made so far.
        response: The last answer; None if there was none.
        longest_s: The most that is waited.
        rng: For jitter, so that parallel requests do not come back all at once.
    """
    asked = _asked_wait(response)
    if asked is not None:
        return None if asked > longest_s else asked * (1 + 0.1 * rng.random())
    return min(_FIRST_WAIT_S * 2.0 ** (attempt - 1), longest_s) * rng.uniform(0.5, 1.0)


def _asked_wait(response: httpx.Response | None) -> float | None:
    """What Retry-After says, in seconds, be it a number or a date."""
    value: str | None = response.headers.get("retry-after") if response is not None else None
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time(), 0.0)
    except ValueError:
        return None
