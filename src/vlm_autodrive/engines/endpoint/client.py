"""The client of one endpoint: equal requests are sent once, within a budget, with one layer of retries."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from vlm_autodrive.engines.endpoint.address import endpoint_of
from vlm_autodrive.engines.endpoint.attempt import UNREACHABLE, AttemptResult, AttemptSender, PreparedRequest
from vlm_autodrive.engines.endpoint.budget import Ledger
from vlm_autodrive.engines.endpoint.cache import ReplyCache, cache_path
from vlm_autodrive.engines.endpoint.chat import ChatRequest
from vlm_autodrive.engines.endpoint.completion import Completion
from vlm_autodrive.engines.endpoint.concurrency import AdaptiveLimit
from vlm_autodrive.engines.endpoint.database import Database, open_database
from vlm_autodrive.engines.endpoint.outage import Outage
from vlm_autodrive.engines.endpoint.refusals import Hint
from vlm_autodrive.engines.endpoint.retrying import wait_s
from vlm_autodrive.engines.endpoint.run_end import GO_ON, RunEnd
from vlm_autodrive.engines.endpoint.server import Server
from vlm_autodrive.engines.endpoint.settings import EndpointNames, EndpointSettings
from vlm_autodrive.engines.endpoint.usage import EndpointUsage, UsageCount
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter, format_seconds

_QUIET_S = 30.0
_CLAIM_POLL_S = 0.2
_IN_FLIGHT_ELSEWHERE = (
    "another run with the same cache has sent some of these requests; its replies are waited for, so that none is paid "
    "twice."
)


@asynccontextmanager
async def open_client(
    settings: EndpointSettings,
    names: EndpointNames,
    job: str,
    reporter: Reporter,
    *,
    kept_for: str | None,
    hints: Sequence[Hint] = (),
) -> AsyncIterator["EndpointClient"]:
    """Open a client. Leaving waits for the requests in flight, since they are paid for, and keeps the replies.

    Args:
        settings: The endpoint.
        names: How messages speak of it.
        job: What the budget is for, the same in all runs and processes with a common budget.
        reporter: Told if kept replies are damaged, and if the endpoint or leaving takes time.
        kept_for: The model whose replies are cached and given again to the same request; None to cache none.
        hints: What to say of refusals.

    Raises:
        UserError: If the endpoint is on another machine and that is not allowed, the key is missing, or replies
            cannot be kept.
    """
    endpoint = endpoint_of(settings, names)
    with open_database(cache_path(settings), f"{names.keys}cache", reporter) as database:
        cache = None if kept_for is None else ReplyCache(database, endpoint.url, kept_for)
        async with endpoint.client(settings.max_connections) as http:
            server = Server(settings, names, endpoint, http)
            client = EndpointClient(server, job, database, cache, hints, reporter)
            telling = asyncio.create_task(client.tell_of_waiting())
            try:
                yield client
            finally:
                telling.cancel()
                await client.finish()


class EndpointClient:
    """Sends requests to one endpoint; made by :func:`open_client`.

    Attributes:
        server: The server, to be asked what is not a chat completion.
        database: The file of its replies.
    """

    def __init__(
        self,
        server: Server,
        job: str,
        database: Database,
        cache: ReplyCache | None,
        hints: Sequence[Hint],
        reporter: Reporter,
    ) -> None:
        settings, called = server.settings, server.called
        self.server = server
        self.database = database
        self._settings = settings
        self._cache = cache
        self._reporter = reporter
        self._ledger = Ledger(database, job, settings, server.names)
        self._usage = UsageCount()
        self._run_end = RunEnd(called)
        self._outage = Outage(server.is_there, settings.max_outage_s, called[:1].upper() + called[1:], reporter)
        self._limit = AdaptiveLimit(settings.max_connections)
        self._sender = AttemptSender(
            server, self._limit, self._run_end, database, cache, self._ledger, self._usage, hints, reporter
        )
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_flight: dict[asyncio.Task[AttemptResult], str | None] = {}
        self._landed_count = 0
        self._told: set[str] = set()

    def use(self) -> EndpointUsage:
        """What was used since the client was opened."""
        return self._usage.total(self._settings.price, self._ledger.spent())

    def used(self) -> str:
        """Likewise in a few words."""
        return self.use().in_words()

    async def ask(self, request: ChatRequest) -> Completion:
        """Complete one request, from the cache or by the endpoint. A failure is a completion with outcome and reason.

        Raises:
            UserError: If no request could succeed, such as for a wrong key, or the budget is spent.
        """
        if self._cache is None:
            return await self._ask(None, request)
        key = self._cache.key(request.text_body, request.picture_key)
        async with self._asking.setdefault(key, asyncio.Lock()):  # equal requests are paid once
            kept = await self._load_or_claim(self._cache, key)
            if kept is not None:
                self._usage.from_cache += 1
                return kept
            try:
                return await self._ask(key, request)
            finally:
                self._release(self._cache, key)

    def tell_once(self, lines: Sequence[str]) -> None:
        """Say each line the first time that it is to be said."""
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                self._reporter.say(f"Of {self.server.called}: {line}")

    async def tell_of_waiting(self) -> None:
        """Say, ever less often, that requests are in flight while none comes back."""
        pause_s, landed = _QUIET_S, 0
        while True:
            await asyncio.sleep(pause_s)
            if self._landed_count != landed or not self._in_flight:
                pause_s, landed = _QUIET_S, self._landed_count
                continue
            self._reporter.say(
                f"{len(self._in_flight)} requests to {self.server.called} are under way and none came back for "
                f"{format_seconds(pause_s)}; each is waited for {format_seconds(self._sender.timeout.seconds)}."
            )
            pause_s *= 2

    async def finish(self) -> None:
        """Wait for the requests in flight."""
        if self._in_flight:
            self._reporter.say(f"Waiting for {len(self._in_flight)} requests in flight, which are paid for.")
            await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _load_or_claim(self, cache: ReplyCache, key: str) -> Completion | None:
        """The kept reply, for which another process may be waited; None where the request is this client's to send.

        Raises:
            UserError: If the run has ended while it was waited.
        """
        while not cache.claim(key):
            kept = cache.load(key)
            if kept is not None:
                return kept
            self.tell_once((_IN_FLIGHT_ELSEWHERE,))
            await self._run_end.wait(_CLAIM_POLL_S)
            self._run_end.check()
        return None

    def _release(self, cache: ReplyCache, key: str) -> None:
        """Release a claim, and that of a cancelled caller when its request has landed."""
        in_flight = next((task for task, of in self._in_flight.items() if of == key), None)
        if in_flight is None:
            cache.release(key)
        else:
            in_flight.add_done_callback(lambda _: cache.release(key))

    async def _ask(self, key: str | None, request: ChatRequest) -> Completion:
        body = request.text_body
        if request.body_with_pictures is not None and not self._run_end.why:
            body = await asyncio.to_thread(request.body_with_pictures)
        shows_frames = request.body_with_pictures is not None
        sent = PreparedRequest(key, body, request.max_usage, shows_frames, request.min_prompt_tokens)
        problem, tries, has_waited = "", 0, False
        while tries < self._settings.max_attempts:
            tried_s = time.monotonic()
            tried = await self._try_when_possible(sent)
            if tried.answer is not None:
                return tried.answer
            problem = tried.problem
            was_gone = await self._wait_for_return(tried_s, problem) if tried.is_gone else False
            tries += has_waited or not was_gone  # once, its absence costs no try
            has_waited = has_waited or was_gone
            if tries < self._settings.max_attempts:
                longest_s = self._settings.max_backoff_s
                await self._run_end.wait(wait_s(max(tries, 1), longest_s) if tried.wait_s is None else tried.wait_s)
                self._usage.retries += 1
        if problem == UNREACHABLE:
            self._run_end.end(
                f"{self.server.called} cannot be reached; start it, or correct {self.server.names.address}."
            )
        return self._run_end.give_up(f"{self.server.names.who} failed {tries} times: {problem}", counts=True)

    async def _wait_for_return(self, tried_s: float, problem: str) -> bool:
        """Whether a server that answered before was gone, and is back.

        Raises:
            UserError: If it does not come back.
        """
        if not self._run_end.has_answered or self._run_end.why:
            return False
        was_gone = await self._outage.wait(tried_s)
        if was_gone is None:
            longest = f"{self.server.names.keys}max_outage_s = {self._settings.max_outage_s:g}"
            gone = f"{self.server.called} is gone and did not come back within {longest}"
            self._run_end.end(f"{gone} ({problem}); {GO_ON}.")
        return was_gone

    async def _try_when_possible(self, sent: PreparedRequest) -> AttemptResult:
        """Try once, as soon as the endpoint bears it and the budget is sure to."""
        while True:
            entered_s = await self._limit.enter()
            try:
                self._run_end.check()
                reserved = self._ledger.reserve(sent.max_usage)
            except UserError:
                self._limit.leave()
                raise
            if reserved:
                break
            self._limit.leave()
            if not self._in_flight:
                self._run_end.end(self._ledger.why_spent(sent.max_usage))
            # What is in flight may take less than was reserved for it.
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        self._usage.tries += 1
        # A task of its own: should the caller be cancelled, the reply is still awaited and kept.
        task = asyncio.create_task(self._sender.send(sent, entered_s))
        self._in_flight[task] = sent.key
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[AttemptResult]) -> None:
        del self._in_flight[task]
        self._landed_count += 1
        if not task.cancelled():
            task.exception()  # looked at, also where the caller was cancelled
