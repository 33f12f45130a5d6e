"""The end of a run before all is answered: where no request could succeed, or none does."""

import asyncio
from typing import NoReturn

from vlm_autodrive.engines.endpoint.completion import Completion, failed
from vlm_autodrive.errors import UserError

GO_ON = "what was answered is kept, so put it right and run the same command again to go on"
_FAILED_IN_A_ROW = 8  # requests that each used up their tries; then the endpoint is taken for dead


class RunEnd:
    """Whether requests are still sent, for all of one client's.

    Attributes:
        why: Why no more are; empty while they are.
        has_answered: Whether the server has ever answered.
    """

    def __init__(self, server: str) -> None:
        """Begin a run at a server, by what messages call it."""
        self.why = ""
        self.has_answered = False
        self._server = server
        self._failed_in_a_row = 0
        self._ended = asyncio.Event()

    def end(self, why: str) -> NoReturn:
        """Send no more requests, and end the run, which can be resumed later.

        Raises:
            UserError: Always.
        """
        self.why = self.why or why
        self._ended.set()
        raise UserError(self.why)

    def check(self) -> None:
        """Go on only if the run does.

        Raises:
            UserError: If it has ended.
        """
        if self.why:
            raise UserError(self.why)

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until the run ends."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return

    def answered(self) -> None:
        """Learn of an answer."""
        self.has_answered, self._failed_in_a_row = True, 0

    def give_up(self, reason: str, *, counts: bool) -> Completion:
        """A failed completion. Too many in a row end the run; of refused requests (not ``counts``) only from the first.

        Raises:
            UserError: If nothing else came of the endpoint for so many requests.
        """
        if counts or not self.has_answered:
            self._failed_in_a_row += 1
        if self._failed_in_a_row >= _FAILED_IN_A_ROW:
            in_a_row = f"{self._failed_in_a_row} requests failed in a row, the last one: {reason}"
            self.end(f"{self._server} gets no more requests, as {in_a_row}; {GO_ON}.")
        return failed(reason)
