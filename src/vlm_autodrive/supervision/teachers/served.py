"""The served teacher: any OpenAI-compatible endpoint."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn
from weakref import WeakValueDictionary

import httpx

from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome, Record
from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.budget import Cost, Ledger, Spent, money_for
from vlm_autodrive.supervision.teachers.cache import ReplyCache, cache_path
from vlm_autodrive.supervision.teachers.chat import chat_body
from vlm_autodrive.supervision.teachers.completion import error_text, read_completion
from vlm_autodrive.supervision.teachers.concurrency import AdaptiveLimit
from vlm_autodrive.supervision.teachers.database import Database, open_database
from vlm_autodrive.supervision.teachers.endpoint import Endpoint, endpoint_of
from vlm_autodrive.supervision.teachers.estimate import most_cost
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.retrying import asked_wait_s, is_busy, is_retried, wait_s
from vlm_autodrive.video.container import VideoError
from vlm_autodrive.video.decode import read_frames

_STOPPING = {
    401: "it refuses the key; name the right environment variable in served.api_key_env",
    402: "it wants to be paid first",
    403: "it refuses this key the use of the model",
    404: "it knows no such model or path; check served.base_url and served.model",
}
_HINTS = (
    (re.compile("max_completion_tokens"), "it knows the bound by another name; set served.token_limit"),
    (re.compile("temperature"), "it chooses the temperature itself; set served.temperature: null"),
    (re.compile("response_format|json_schema|guided"), "it may not take JSON schemas; set served.json_schema: false"),
    (re.compile("HTTP 413|context|too (long|large)"), "show it fewer or smaller frames, or lower served.max_tokens"),
)
_UNREACHABLE = "it cannot be reached"
_LONGEST_QUOTE = 200


class TeacherUse(Record):
    """What this run of a served teacher took.

    Attributes:
        tries: HTTP requests.
        retries: Those among them that asked again after a failure.
        refused: Those that the endpoint was too busy for.
        from_cache: Requests answered without asking.
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
    of_job: Spent


@dataclass(frozen=True)
class _Asked:
    """A request as it is sent."""

    request_id: str
    key: str
    body: bytes
    most: Cost


@dataclass(frozen=True)
class _Tried:
    """What came of one try: the reply, or a problem that may pass."""

    reply: TeacherReply | None = None
    problem: str = ""
    wait_s: float | None = None


@asynccontextmanager
async def open_served(settings: ServedTeacherSettings, job: str, reporter: Reporter) -> AsyncIterator["ServedTeacher"]:
    """Open a served teacher. Leaving waits for the requests in flight, since they are paid for, and keeps the replies.

    Args:
        settings: The endpoint.
        job: What the budget is for, the same over all runs and processes that are to share it.
        reporter: Told if kept replies are damaged, and if leaving takes time.

    Raises:
        UserError: If the endpoint is on another machine and that is not allowed, the key is missing, or replies
            cannot be kept.
    """
    endpoint = endpoint_of(settings)
    with open_database(cache_path(settings), reporter) as database:
        async with endpoint.client(settings.most_at_once) as client:
            teacher = ServedTeacher(settings, endpoint, client, database, job)
            try:
                yield teacher
            finally:
                await teacher.finish(reporter)


class ServedTeacher:
    """Asks an endpoint; made by :func:`open_served`."""

    def __init__(
        self,
        settings: ServedTeacherSettings,
        endpoint: Endpoint,
        client: httpx.AsyncClient,
        database: Database,
        job: str,
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._client = client
        self._database = database
        self._cache = ReplyCache(database, endpoint.url, settings)
        self._ledger = Ledger(database, job, settings)
        self._limit = AdaptiveLimit(settings.most_at_once)
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_flight: set[asyncio.Task[_Tried]] = set()
        self._stopped = asyncio.Event()
        self._why_stopped = ""
        self._tries = self._retries = self._refused = self._from_cache = 0
        self._used = Cost(0, 0)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def at_once(self) -> int:
        """The most that may ever be in flight; how many are is found out."""
        return self._settings.most_at_once

    def use(self) -> TeacherUse:
        """What was used since the teacher was opened."""
        return TeacherUse(
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
        """What was used since the teacher was opened, in a few words."""
        use = self.use()
        tokens = use.prompt_tokens + use.completion_tokens
        kept = f", {use.from_cache:,} answered from the cache" if use.from_cache else ""
        money = f", {use.money:,.2f} paid" if use.money else ""
        all_runs = f", {use.of_job.requests:,} requests over all runs" if use.of_job.requests > use.tries else ""
        return f"{use.tries:,} requests{kept}, {tokens:,} tokens{money}{all_runs}"

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Answer one request, from the cache or by asking. What fails is a reply with its outcome and reason.

        Raises:
            UserError: If no request could succeed, such as for a wrong key, or the budget is spent.
        """
        words = chat_body(self._settings, request)
        try:
            if request.footage is not None:
                await self._cache.look_at(request.footage)
            key = self._cache.key(words, request.footage)
            async with self._asking.setdefault(key, asyncio.Lock()):  # the same asked twice is paid once
                kept = self._cache.load(key, request.request_id)
                if kept is not None:
                    self._from_cache += 1
                    return kept
                body = words if request.footage is None else await asyncio.to_thread(self._with_frames, request)
                most = most_cost(words, request.footage, self._settings.max_tokens)
                return await self._ask(_Asked(request.request_id, key, body, most))
        except VideoError as error:
            return _failed(request.request_id, f"its frames cannot be read: {error.reason}")

    async def finish(self, reporter: Reporter) -> None:
        """Wait for what is in flight."""
        if self._in_flight:
            reporter.say(f"Waiting for {len(self._in_flight)} requests in flight, which are paid for.")
            await asyncio.gather(*self._in_flight, return_exceptions=True)

    def _with_frames(self, request: TeacherRequest) -> bytes:
        footage = request.footage
        assert footage is not None
        frames = read_frames(footage.path, footage.start_s, footage.end_s, footage.sampling)
        return chat_body(self._settings, request, frames)

    async def _ask(self, asked: _Asked) -> TeacherReply:
        problem = ""
        for tries in range(1, self._settings.attempts + 1):
            tried = await self._try_when_possible(asked)
            if tried.reply is not None:
                return tried.reply
            problem = tried.problem
            if tries < self._settings.attempts:
                longest_s = self._settings.longest_wait_s
                await self._wait(wait_s(tries, longest_s) if tried.wait_s is None else tried.wait_s)
                self._retries += 1
        if problem == _UNREACHABLE:
            self._stop(f"the teacher at {self._endpoint.host} cannot be reached; start it, or correct served.base_url.")
        return _failed(asked.request_id, f"the teacher failed {self._settings.attempts} times: {problem}")

    async def _try_when_possible(self, asked: _Asked) -> _Tried:
        """Try once, as soon as the endpoint bears it and the budget is sure to."""
        while True:
            entered_s = await self._limit.enter()
            if self._why_stopped:
                self._limit.leave()
                raise UserError(self._why_stopped)
            try:
                reserved = self._ledger.reserve(asked.most)
            except UserError:
                self._limit.leave()
                raise
            if reserved:
                break
            self._limit.leave()
            if not self._in_flight:
                self._stop(self._ledger.why_spent(asked.most))
            # What is in flight may take less than was reserved for it.
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        self._tries += 1
        # A task of its own: should the caller be cancelled, the reply is still awaited and kept.
        task = asyncio.create_task(self._try(asked, entered_s))
        self._in_flight.add(task)
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[_Tried]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also where the caller was cancelled

    async def _try(self, asked: _Asked, entered_s: float) -> _Tried:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                response = await self._client.post(self._endpoint.url, content=asked.body)
        except (httpx.RequestError, TimeoutError) as error:
            self._limit.leave()
            return self._failed_try(asked, error)
        except BaseException:
            self._limit.leave()
            raise
        status = response.status_code
        asked_s = asked_wait_s(response) if is_retried(status) else None
        too_long = asked_s is not None and asked_s > self._settings.longest_wait_s
        if is_busy(status):
            self._refused += 1
            self._limit.leave_refused(entered_s, None if too_long else asked_s)
        elif status == 200:
            self._limit.leave_taken(entered_s)
        else:
            self._limit.leave()
        if status == 200:
            return _Tried(self._read(asked, response))
        self._ledger.settle(asked.most, Cost(0, 0))
        said = self._said(response)
        used_up = b"insufficient_quota" in response.content
        if status in _STOPPING or response.is_redirect or used_up:
            hint = _STOPPING.get(status, "it sends elsewhere; name the final address in served.base_url")
            hint = "the account is used up" if used_up else hint
            self._stop(f"the teacher at {self._endpoint.host} says {status}: {hint}.")
        if too_long:
            self._stop(
                f"the teacher at {self._endpoint.host} says {status} and wants no request for {asked_s:.0f} s; start "
                "again then, or raise served.longest_wait_s. All replies so far are kept."
            )
        problem = f"HTTP {status}" + (f" ({said})" if said else "")
        if is_retried(status):
            return _Tried(problem=problem, wait_s=asked_s)
        hints = [hint for sign, hint in _HINTS if sign.search(problem)]
        reason = "; ".join((f"the teacher refuses the request: {problem}", *hints[:1]))
        return _Tried(_failed(asked.request_id, reason))

    def _failed_try(self, asked: _Asked, error: httpx.RequestError | TimeoutError) -> _Tried:
        """After no answer: was it sent, then it may have been paid for, and stays in the ledger at its most."""
        if isinstance(error, httpx.ConnectError):
            self._ledger.settle(asked.most, Cost(0, 0))
            if _is_untrusted(error):
                self._stop(f"the certificate of {self._endpoint.host} cannot be trusted; correct served.base_url.")
            return _Tried(problem=_UNREACHABLE)
        self._count(asked.most)
        if isinstance(error, TimeoutError):
            return _Tried(problem=f"no answer within served.timeout_s = {self._settings.timeout_s:g}")
        return _Tried(problem=f"the connection broke ({type(error).__name__})")

    def _read(self, asked: _Asked, response: httpx.Response) -> TeacherReply:
        answer = read_completion(response.content)
        if answer is None:
            self._count(asked.most)
            said = self._said(response)
            return _failed(asked.request_id, "what came back is no chat completion" + (f" ({said})" if said else ""))
        hide = self._endpoint.hide_key
        reply = TeacherReply(
            request_id=asked.request_id,
            outcome=answer.outcome,
            text=hide(answer.text),
            thoughts=hide(answer.thoughts),
            reason=answer.reason,
            prompt_tokens=answer.prompt_tokens or 0,
            completion_tokens=answer.completion_tokens or 0,
        )
        read, written = answer.prompt_tokens, answer.completion_tokens
        used = Cost(
            asked.most.prompt_tokens if read is None else read,
            asked.most.completion_tokens if written is None else written,
        )
        with self._database.together():
            self._ledger.settle(asked.most, used)
            self._cache.keep(asked.key, reply)
        self._count(used)
        return reply

    def _said(self, response: httpx.Response) -> str:
        said = self._endpoint.hide_key(error_text(response.content))
        return said if len(said) <= _LONGEST_QUOTE else said[: _LONGEST_QUOTE - 4] + " ..."

    def _count(self, used: Cost) -> None:
        self._used = Cost(
            self._used.prompt_tokens + used.prompt_tokens, self._used.completion_tokens + used.completion_tokens
        )

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    def _stop(self, why: str) -> NoReturn:
        """Let nothing more be asked: no request could succeed."""
        self._why_stopped = self._why_stopped or why
        self._stopped.set()
        raise UserError(self._why_stopped)


def _failed(request_id: str, reason: str) -> TeacherReply:
    return TeacherReply(request_id=request_id, outcome=Outcome.ERROR, reason=reason)


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
