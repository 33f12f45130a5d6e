"""A server that answered before and is gone: it is waited for, within a bound, and that is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from vlm_autodrive.progress import Reporter, format_seconds

_PROBE_S = 2.0


class Outage:
    """Waits, once for all requests that find the server gone, until it answers again.

    Args:
        is_there: Asks the server for anything.
        longest_s: How long it is waited for.
        who: The server, for messages.
        reporter: Told that it is gone, and that it is back.
    """

    def __init__(self, is_there: Callable[[], Awaitable[bool]], longest_s: float, who: str, reporter: Reporter) -> None:
        self._is_there = is_there
        self._longest_s = longest_s
        self._who = who
        self._reporter = reporter
        self._lock = asyncio.Lock()
        self._back_s = -float("inf")
        self._has_ended = False

    async def wait(self, sent_s: float) -> bool | None:
        """Wait until the server is back: whether it was gone; None if it is not back within the bound.

        Args:
            sent_s: When the request was sent that found it gone, on the monotonic clock.
        """
        async with self._lock:
            if self._has_ended or sent_s < self._back_s:
                return None if self._has_ended else True
            begun_s = time.monotonic()
            if await self._is_there():
                return False
            self._reporter.say(f"{self._who} is gone; waiting up to {format_seconds(self._longest_s)} for its return.")
            while not await self._is_there():
                if time.monotonic() - begun_s + _PROBE_S > self._longest_s:
                    self._has_ended = True
                    return None
                await asyncio.sleep(_PROBE_S)
            self._back_s = time.monotonic()
            self._reporter.say(f"{self._who} is back after {format_seconds(self._back_s - begun_s)}.")
            return True
