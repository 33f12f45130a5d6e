"""Retry policy: which failures are retried, and after how long; the only layer of retries."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

_RETRIED = frozenset((408, 409, 425, 429))
_BUSY = frozenset((429, 503, 529))
_FIRST_WAIT_S = 1.0


def is_retried(status: int) -> bool:
    """Whether the same request may succeed later: never for 400, 401, 403, 404, 413 and 422."""
    return status in _RETRIED or status >= 500


def is_busy(status: int) -> bool:
    """Whether the endpoint had more to do than it bears."""
    return status in _BUSY


def wait_s(tries: int, longest_s: float) -> float:
    """Seconds to wait after so many tries if the server says nothing: doubling, with jitter.

    Requests that failed together do not come back together.
    """
    return min(_FIRST_WAIT_S * 2.0 ** (tries - 1), longest_s) * random.uniform(0.5, 1.0)


def asked_wait_s(response: httpx.Response) -> float | None:
    """Seconds to wait by a Retry-After header, a number or a date; None if it cannot be parsed."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:  # the header's dates are GMT
        until = until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0.0)
