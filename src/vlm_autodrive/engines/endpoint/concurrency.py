"""Adaptive concurrency: the number of requests in flight follows the endpoint's rate limits.

The limit doubles each round trip until the endpoint first refuses, and from then on rises by one each
round trip, and by more the longer there was no refusal: the endpoint may bear more than it did. A
refusal lowers it by a tenth, once for all requests of a round trip, so that a burst of refusals does
not bring it down to nothing; after a burst it doubles again up to where it was. A request that has no
answer in time halves it likewise: the server drops its work, and as many would be too many again.
"""

import asyncio
import random
import time
from collections import deque
from contextlib import suppress

_FIRST_LIMIT = 16
_CUT = 0.9
_CUT_BY_TIMEOUT = 0.5


class AdaptiveLimit:
    """Lets requests in, one :meth:`enter` and one of the ways to leave for each.

    Attributes:
        limit: How many may be in flight now.
        in_flight: How many are.
    """

    def __init__(self, most: int) -> None:
        """Never let in more than ``most`` at once."""
        self.limit = float(min(most, _FIRST_LIMIT))
        self.in_flight = 0
        self._most = float(most)
        self._doubles_below = self._most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._round_trip_s = 0.0
        self._cut_s = -float("inf")
        self._taken_since_cut = True
        self._not_before_s = 0.0

    async def enter(self) -> float:
        """Wait for a place, and until no server asks for patience. Returns the moment, to be given on leaving."""
        if self._waiting or self.in_flight >= int(self.limit):
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.cancelled():
                    with suppress(ValueError):  # whoever left just now may have passed it over
                        self._waiting.remove(place)
                else:  # the place was given just now
                    self.leave()
                raise
        else:
            self.in_flight += 1
        try:
            while (wait_s := self._not_before_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s * (1 + 0.1 * random.random()))
        except asyncio.CancelledError:
            self.leave()
            raise
        return time.monotonic()

    def leave(self) -> None:
        """Release the place without a change of the limit."""
        self.in_flight -= 1
        while self._waiting and self.in_flight < int(self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def leave_taken(self, entered_s: float) -> None:
        """Give the place back after the endpoint took the request."""
        now_s = time.monotonic()
        trip_s = now_s - entered_s
        self._round_trip_s += (trip_s - self._round_trip_s) * (0.2 if self._round_trip_s else 1.0)
        self._taken_since_cut = True
        if self._waiting:  # else the limit was not what held requests back
            rise = 1.0
            if self.limit >= self._doubles_below:
                trips = (now_s - self._cut_s) / max(self._round_trip_s, 1e-3)
                rise = max(1.0, trips / 2) / self.limit
            self.limit = min(self._most, self.limit + rise)
        self.leave()

    def leave_refused(self, entered_s: float, wait_s: float | None) -> None:
        """Give the place back after the endpoint was too busy; nobody enters for ``wait_s`` if it asked for that."""
        now_s = time.monotonic()
        if now_s >= self._cut_s + self._round_trip_s:
            self._lower(entered_s, _CUT)
        if wait_s is not None:
            self._not_before_s = max(self._not_before_s, now_s + wait_s)
        self.leave()

    def leave_timed_out(self, entered_s: float) -> None:
        """Give the place back after no answer came in time."""
        self._lower(entered_s, _CUT_BY_TIMEOUT)
        self.leave()

    def _lower(self, entered_s: float, cut: float) -> None:
        """Once for all requests that were sent before it was lowered."""
        if entered_s < self._cut_s:
            return
        if self._taken_since_cut:
            self._doubles_below = max(1.0, self.limit * cut)
        self.limit = max(1.0, self.limit * cut)
        self._cut_s, self._taken_since_cut = time.monotonic(), False
