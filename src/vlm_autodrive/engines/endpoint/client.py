"""The client of one endpoint: adaptive concurrency, one layer of retries, a hard budget."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn
from weakref import WeakValueDictionary

import httpx

from vlm_autodrive.engines.endpoint.address import Endpoint, endpoint_of
from vlm_autodrive.engines.endpoint.budget import JobUsage, Ledger, money_for
from vlm_autodrive.engines.endpoint.cache import ReplyCache, cache_path
from vlm_autodrive.engines.endpoint.completion import Completion, error_text, failed, read_completion
from vlm_autodrive.engines.endpoint.concurrency import AdaptiveLimit
from vlm_autodrive.engines.endpoint.database import Database, open_database
from vlm_autodrive.engines.endpoint.outage import Outage
from vlm_autodrive.engines.endpoint.retrying import asked_wait_s, is_busy, is_retried, wait_s
from vlm_autodrive.engines.endpoint.settings import EndpointNames, EndpointSettings
from vlm_autodrive.engines.endpoint.timeouts import AdaptiveTimeout
from vlm_autodrive.engines.endpoint.tokens import TokenUsage
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter, format_seconds
from vlm_autodrive.records import Outcome, Record

_STOPPING = {
    401: "it refuses the key; name the right environment variable in {keys}api_key_env",
    402: "it wants to be paid first",
    403: "it refuses this key the use of the model",
}
_ELSEWHERE = "it sends elsewhere; name the final address in {address}"
CONTEXT_FULL = "the context was full"
_UNREACHABLE = "it cannot be reached"
_LONGEST_QUOTE = 200
_FAILED_IN_A_ROW = 8  # requests that each used up their tries; then the endpoint is taken for dead
_GO_ON = "what was answered is kept, so put it right and run the same command again to go on"
_WRONG_SCHEME = re.compile("HTTP request (was sent )?to (an )?HTTPS")  # as Go's server and nginx say it
_NO_MODEL = re.compile(r"(?i)\bmodel\b.{0,80}\b(not exist|not found|unknown|unsupported)|(unknown|no such) model")
_LISTED = 5
_GATEWAY = frozenset((502, 504))  # a proxy's word for a server that is gone
_TOLD_AFTER = 3
_QUIET_S = 30.0
_PROBE_TIMEOUT_S = 10.0
_CLAIM_POLL_S = 0.2
_IN_FLIGHT_ELSEWHERE = (
    "another run with the same cache has sent some of these requests; its replies are waited for, so that none is paid "
    "twice."
)


class Hint(NamedTuple):
    """What to do about a refused request.

    Attributes:
        sign: A pattern in what the endpoint says.
        advice: What to do then.
        of_frames: Whether that helps only a request that shows frames.
    """

    sign: str
    advice: str
    of_frames: bool = False


class EndpointUsage(Record):
    """What this run took of an endpoint.

    Attributes:
        tries: HTTP requests.
        retries: Those among them that repeated a failed one.
        refused: Those that the endpoint was too busy for.
        from_cache: Requests answered from the cache.
        prompt_tokens: As the endpoint counted them; where it does not, the most it can have been.
        completion_tokens: Likewise.
        money: At the prices of the settings.
        of_job: What the job has used over all its runs.
    """

    tries: int
    retries: int
    refused: int
    from_cache: int
    prompt_tokens: int
    completion_tokens: int
    money: float
    of_job: JobUsage


@dataclass(frozen=True)
class ChatRequest:
    """A request for a chat completion.

    Attributes:
        text_body: The body without pictures, or whole if there are none.
        max_usage: The most tokens that one try can take.
        picture_key: What tells the pictures from others; empty for none.
        body_with_pictures: Makes the body with its pictures, which takes time and is done only where it is sent.
        min_prompt_tokens: The fewest prompt tokens of a request whose pictures all arrived.
    """

    text_body: bytes
    max_usage: TokenUsage
    picture_key: str = ""
    body_with_pictures: Callable[[], bytes] | None = None
    min_prompt_tokens: int = 0


@dataclass(frozen=True)
class _PreparedRequest:
    key: str | None
    body: bytes
    max_usage: TokenUsage
    shows_frames: bool
    min_prompt_tokens: int


@dataclass(frozen=True)
class _AttemptResult:
    """What came of one try: the answer, or a problem that may pass."""

    answer: Completion | None = None
    problem: str = ""
    wait_s: float | None = None
    is_gone: bool = False


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
        ledger = Ledger(database, job, settings, names)
        async with endpoint.client(settings.max_connections) as http:
            client = EndpointClient(settings, names, endpoint, http, database, cache, ledger, hints, reporter)
            telling = asyncio.create_task(client.tell_of_waiting())
            try:
                yield client
            finally:
                telling.cancel()
                await client.finish()


class EndpointClient:
    """Sends requests to one endpoint; made by :func:`open_client`."""

    def __init__(
        self,
        settings: EndpointSettings,
        names: EndpointNames,
        endpoint: Endpoint,
        http: httpx.AsyncClient,
        database: Database,
        cache: ReplyCache | None,
        ledger: Ledger,
        hints: Sequence[Hint],
        reporter: Reporter,
    ) -> None:
        self._settings = settings
        self._names = names
        self._endpoint = endpoint
        self._http = http
        self._cache = cache
        self._ledger = ledger
        self._hints = hints
        self._reporter = reporter
        who = f"{names.who} at {endpoint.host}"
        self._outage = Outage(self._is_there, settings.max_outage_s, who[:1].upper() + who[1:], reporter)
        self._timeout = AdaptiveTimeout(settings.timeout_s)
        self.database = database
        self._limit = AdaptiveLimit(settings.max_connections)
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_flight: dict[asyncio.Task[_AttemptResult], str | None] = {}
        self._stopped = asyncio.Event()
        self._why_stopped = ""
        self._has_answered = False
        self._failed_in_a_row = 0
        self._landed_count = 0
        self._told: set[str] = set()
        self._tries = self._retries = self._refused = self._from_cache = 0
        self._used = TokenUsage(0, 0)

    def use(self) -> EndpointUsage:
        """What was used since the client was opened."""
        return EndpointUsage(
            tries=self._tries,
            retries=self._retries,
            refused=self._refused,
            from_cache=self._from_cache,
            prompt_tokens=self._used.prompt_tokens,
            completion_tokens=self._used.completion_tokens,
            money=money_for(self._used, self._settings.price),
            of_job=self._ledger.spent(),
        )

    def used(self) -> str:
        """Likewise in a few words."""
        use = self.use()
        tokens = use.prompt_tokens + use.completion_tokens
        kept = f", {use.from_cache:,} answered from the cache" if use.from_cache else ""
        money = f", {use.money:,.2f} paid" if use.money else ""
        all_runs = f", {use.of_job.requests:,} requests over all runs" if use.of_job.requests > use.tries else ""
        return f"{use.tries:,} requests{kept}, {tokens:,} tokens{money}{all_runs}"

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
                self._from_cache += 1
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
                self._reporter.say(f"Of {self._names.who} at {self._endpoint.host}: {line}")

    async def token_ids(self, model: str, text: str) -> list[int]:
        """The tokens of a text by the ``/tokenize`` of vLLM or llama.cpp's server; empty if there is none."""
        url = f"{self._endpoint.models_url.removesuffix('/models').removesuffix('/v1')}/tokenize"
        words = {"model": model, "prompt": text, "content": text, "add_special_tokens": False}
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                found = (await self._http.post(url, content=json.dumps(words))).json()["tokens"]
            return [token for token in found if isinstance(token, int)]
        except (httpx.RequestError, TimeoutError, ValueError, LookupError, TypeError):
            return []

    async def listed_models(self, url: str = "") -> list[dict[str, Any]]:
        """The models that the endpoint lists; empty if it lists none.

        Args:
            url: Where the list is; empty for where the settings' address has it.
        """
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                listed = (await self._http.get(url or self._endpoint.models_url)).json()["data"]
            return [model for model in listed if isinstance(model["id"], str)]
        except (httpx.RequestError, TimeoutError, ValueError, LookupError, TypeError):
            return []

    async def tell_of_waiting(self) -> None:
        """Say, ever less often, that requests are in flight while none comes back."""
        pause_s, landed = _QUIET_S, 0
        while True:
            await asyncio.sleep(pause_s)
            if self._landed_count != landed or not self._in_flight:
                pause_s, landed = _QUIET_S, self._landed_count
                continue
            self._reporter.say(
                f"{len(self._in_flight)} requests to {self._names.who} at {self._endpoint.host} are under way and none "
                f"came back for {format_seconds(pause_s)}; each is waited for {format_seconds(self._timeout.seconds)}."
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
            await self._wait(_CLAIM_POLL_S)
            if self._why_stopped:
                self._end(self._why_stopped)
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
        if request.body_with_pictures is not None and not self._why_stopped:
            body = await asyncio.to_thread(request.body_with_pictures)
        shows_frames = request.body_with_pictures is not None
        sent = _PreparedRequest(key, body, request.max_usage, shows_frames, request.min_prompt_tokens)
        who, host = self._names.who, self._endpoint.host
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
                await self._wait(wait_s(max(tries, 1), longest_s) if tried.wait_s is None else tried.wait_s)
                self._retries += 1
        if problem == _UNREACHABLE:
            self._end(f"{who} at {host} cannot be reached; start it, or correct {self._names.address}.")
        return self._gave_up(f"{who} failed {tries} times: {problem}", counts=True)

    async def _wait_for_return(self, tried_s: float, problem: str) -> bool:
        """Whether a server that answered before was gone, and is back.

        Raises:
            UserError: If it does not come back.
        """
        if not self._has_answered or self._why_stopped:
            return False
        was_gone = await self._outage.wait(tried_s)
        if was_gone is None:
            longest = f"{self._names.keys}max_outage_s = {self._settings.max_outage_s:g}"
            gone = f"{self._names.who} at {self._endpoint.host} is gone and did not come back within {longest}"
            self._end(f"{gone} ({problem}); {_GO_ON}.")
        return was_gone

    def _gave_up(self, reason: str, *, counts: bool) -> Completion:
        """A failed completion. Too many in a row end the run; of refused requests (not ``counts``) only from the first.

        Raises:
            UserError: If nothing else came of the endpoint for so many requests.
        """
        if counts or not self._has_answered:
            self._failed_in_a_row += 1
        if self._failed_in_a_row >= _FAILED_IN_A_ROW:
            in_a_row = f"{self._failed_in_a_row} requests failed in a row, the last one: {reason}"
            self._end(f"{self._names.who} at {self._endpoint.host} gets no more requests, as {in_a_row}; {_GO_ON}.")
        return failed(reason)

    async def _try_when_possible(self, sent: _PreparedRequest) -> _AttemptResult:
        """Try once, as soon as the endpoint bears it and the budget is sure to."""
        while True:
            entered_s = await self._limit.enter()
            if self._why_stopped:
                self._limit.leave()
                self._end(self._why_stopped)
            try:
                reserved = self._ledger.reserve(sent.max_usage)
            except UserError:
                self._limit.leave()
                raise
            if reserved:
                break
            self._limit.leave()
            if not self._in_flight:
                self._end(self._ledger.why_spent(sent.max_usage))
            # What is in flight may take less than was reserved for it.
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        self._tries += 1
        # A task of its own: should the caller be cancelled, the reply is still awaited and kept.
        task = asyncio.create_task(self._try(sent, entered_s))
        self._in_flight[task] = sent.key
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[_AttemptResult]) -> None:
        del self._in_flight[task]
        self._landed_count += 1
        if not task.cancelled():
            task.exception()  # looked at, also where the caller was cancelled

    async def _try(self, sent: _PreparedRequest, entered_s: float) -> _AttemptResult:
        sent_s, waited_s = time.monotonic(), self._timeout.seconds
        try:
            async with asyncio.timeout(waited_s):
                response = await self._http.post(self._endpoint.url, content=sent.body)
        except TimeoutError:
            self._limit.leave_timed_out(entered_s)
            self._count(sent.max_usage)
            return self._timed_out(sent_s, waited_s)
        except httpx.RequestError as error:
            self._limit.leave()
            return self._failed_try(sent, error)
        except BaseException:
            self._limit.leave()
            raise
        status = response.status_code
        asked_s = asked_wait_s(response) if is_retried(status) else None
        too_long = asked_s is not None and asked_s > self._settings.max_backoff_s
        if is_busy(status):
            self._refused += 1
            self._limit.leave_refused(entered_s, None if too_long else asked_s)
        elif status == 200:
            self._limit.leave_taken(entered_s)
            self._timeout.answered(sent_s)
        else:
            self._limit.leave()
        if status == 200:
            return self._read(sent, response)
        self._ledger.settle(sent.max_usage, TokenUsage(0, 0))
        who, host, said = self._names.who, self._endpoint.host, self._said(response)
        used_up = b"insufficient_quota" in response.content
        quoted = f"{status} ({said})" if said else f"{status}"
        if _WRONG_SCHEME.search(said):
            self._end(f"{who} at {host} wants TLS; write https:// in {self._names.address}.")
        if status in (404, 405) or (status == 400 and _NO_MODEL.search(said)):
            self._end(f"{who} at {host} says {quoted}: {await self._why_not_found(sent)}.")
        if status in _STOPPING or response.is_redirect or used_up:
            hint = _STOPPING.get(status, _ELSEWHERE).format_map(self._names._asdict())
            hint = "the account is used up" if used_up else hint
            self._end(f"{who} at {host} says {quoted}: {hint}.")
        if too_long:
            self._end(
                f"{who} at {host} says {status} and wants no request for {asked_s:.0f} s; start again then, or raise "
                f"{self._names.keys}max_backoff_s. All replies so far are kept."
            )
        problem = f"HTTP {status}" + (f" ({said})" if said else "")
        if is_retried(status):
            return _AttemptResult(problem=problem, wait_s=asked_s, is_gone=status in _GATEWAY)
        fitting = (h for h in self._hints if re.search(h.sign, problem) and (sent.shows_frames or not h.of_frames))
        advice = next((f"; {hint.advice}" for hint in fitting), "")
        reason = f"{who} refuses the request: {problem}{advice}"
        return _AttemptResult(self._gave_up(reason, counts=False))

    async def _why_not_found(self, sent: _PreparedRequest) -> str:
        """What a 404 means: a model of another name, an address without ``/v1``, or neither."""
        address, listed = self._names.address, [model["id"] for model in await self.listed_models()]
        model = json.loads(sent.body).get("model")
        if listed and model not in listed:
            return f"it serves {', '.join(listed[:_LISTED])}, and not {model}; name one of those in {self._names.model}"
        base = self._endpoint.models_url.removesuffix("/models")
        if not listed and await self.listed_models(f"{base}/v1/models"):
            return f"its address ends in /v1; write {base}/v1 in {address}"
        return f"it knows no such model or path; check {address}, which often ends in /v1, and {self._names.model}"

    def _timed_out(self, sent_s: float, waited_s: float) -> _AttemptResult:
        """After no answer in time: it may have been paid for, and stays in the ledger at its most."""
        self._timeout.expire(sent_s)
        keys = self._names.keys
        if self._timeout.expired == _TOLD_AFTER:
            self._reporter.say(
                f"{_TOLD_AFTER} requests to {self._names.who} at {self._endpoint.host} had no answer in time, so fewer "
                f"are sent at once and each is waited for longer; if that goes on, raise {keys}timeout_s or lower "
                f"{keys}max_connections."
            )
        longer = "" if waited_s == self._settings.timeout_s else f" (waited for {waited_s:.0f} s)"
        return _AttemptResult(problem=f"no answer within {keys}timeout_s = {self._settings.timeout_s:g}{longer}")

    def _failed_try(self, sent: _PreparedRequest, error: httpx.RequestError) -> _AttemptResult:
        """After a broken connection: was it sent, then it may have been paid for, and stays in the ledger."""
        if isinstance(error, httpx.ConnectError):
            self._ledger.settle(sent.max_usage, TokenUsage(0, 0))
            problem = _tls_problem(error)
            if isinstance(problem, ssl.SSLCertVerificationError):
                self._end(f"the certificate of {self._endpoint.host} cannot be trusted; correct {self._names.address}.")
            if problem is not None:
                who = f"{self._names.who} at {self._endpoint.host}"
                self._end(f"{who} speaks no TLS ({problem.reason}); write http:// in {self._names.address}.")
            return _AttemptResult(problem=_UNREACHABLE, is_gone=True)
        self._count(sent.max_usage)
        return _AttemptResult(problem=f"the connection broke ({type(error).__name__})")

    async def _is_there(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                status = (await self._http.get(self._endpoint.models_url)).status_code
            return status not in _GATEWAY and status != 503  # which llama.cpp's server says while it loads
        except (httpx.RequestError, TimeoutError):
            return False

    def _read(self, sent: _PreparedRequest, response: httpx.Response) -> _AttemptResult:
        answer = read_completion(response.content, self._names)
        if answer is None:
            self._count(sent.max_usage)
            said = self._said(response)
            return _AttemptResult(problem="what came back is no chat completion" + (f" ({said})" if said else ""))
        hide = self._endpoint.hide_key
        answer = replace(answer, text=hide(answer.text), reasoning=hide(answer.reasoning))
        read, written = answer.prompt_tokens, answer.completion_tokens
        used = TokenUsage(
            sent.max_usage.prompt_tokens if read is None else read,
            sent.max_usage.completion_tokens if written is None else written,
        )
        is_short = written is not None and written < sent.max_usage.completion_tokens - 1
        if answer.outcome is Outcome.TRUNCATED and is_short:
            answer = replace(answer, reason=self._context_full(sent, answer))
        has_arrived = read is None or read >= sent.min_prompt_tokens
        with self.database.together():
            self._ledger.settle(sent.max_usage, used)
            lasts = has_arrived and not answer.reason.startswith(CONTEXT_FULL)
            if self._cache is not None and sent.key is not None and lasts:
                self._cache.keep(sent.key, answer)
        self._count(used)
        if not has_arrived:
            return _AttemptResult(self._gave_up(self._not_arrived(sent, answer), counts=True))
        if answer.outcome is Outcome.ERROR:
            return _AttemptResult(problem=answer.reason)
        self._has_answered, self._failed_in_a_row = True, 0
        return _AttemptResult(answer)

    def _not_arrived(self, sent: _PreparedRequest, answer: Completion) -> str:
        return (
            f"the frames did not all arrive: {self._names.who} counted {answer.prompt_tokens} prompt tokens, and they "
            f"take {sent.min_prompt_tokens} at least; the server may cut its context or choose frames of its own, so "
            f"raise its context length or send frames in another form ({self._names.keys}min_tokens_per_frame: 0 if it "
            "counts frames otherwise)"
        )

    def _context_full(self, sent: _PreparedRequest, answer: Completion) -> str:
        cut = f"after {answer.completion_tokens} of {sent.max_usage.completion_tokens} tokens to write"
        fewer = " or show fewer or smaller frames" if sent.shows_frames else ""
        read = f", with {answer.prompt_tokens} read" if answer.prompt_tokens else ""
        return f"{CONTEXT_FULL} {cut}{read}; raise the server's context length{fewer}"

    def _said(self, response: httpx.Response) -> str:
        said = self._endpoint.hide_key(error_text(response.content))
        return said if len(said) <= _LONGEST_QUOTE else said[: _LONGEST_QUOTE - 4] + " ..."

    def _count(self, used: TokenUsage) -> None:
        self._used = TokenUsage(
            self._used.prompt_tokens + used.prompt_tokens, self._used.completion_tokens + used.completion_tokens
        )

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    def _end(self, why: str) -> NoReturn:
        """Send no more requests, and end the run, which can be resumed later.

        Raises:
            UserError: Always.
        """
        self._why_stopped = self._why_stopped or why
        self._stopped.set()
        raise UserError(self._why_stopped)


def _tls_problem(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
