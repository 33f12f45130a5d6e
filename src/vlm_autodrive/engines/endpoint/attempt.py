"""One try of a request: it is sent, booked, and what came back is an answer, a failure, or a problem that may pass."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import httpx

from vlm_autodrive.engines.endpoint.budget import Ledger
from vlm_autodrive.engines.endpoint.cache import ReplyCache
from vlm_autodrive.engines.endpoint.completion import Completion, read_completion
from vlm_autodrive.engines.endpoint.concurrency import AdaptiveLimit
from vlm_autodrive.engines.endpoint.database import Database
from vlm_autodrive.engines.endpoint.refusals import Hint, advice_for, quoted, why_hopeless, why_unconnected
from vlm_autodrive.engines.endpoint.retrying import asked_wait_s, is_busy, is_retried
from vlm_autodrive.engines.endpoint.run_end import RunEnd
from vlm_autodrive.engines.endpoint.server import GATEWAY, Server
from vlm_autodrive.engines.endpoint.timeouts import AdaptiveTimeout
from vlm_autodrive.engines.endpoint.tokens import TokenUsage
from vlm_autodrive.engines.endpoint.usage import UsageCount
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome

CONTEXT_FULL = "the context was full"
UNREACHABLE = "it cannot be reached"
_TOLD_AFTER = 3
_NOTHING = TokenUsage(0, 0)


@dataclass(frozen=True)
class PreparedRequest:
    """A request as it is sent.

    Attributes:
        key: What its reply is kept under; None to keep none.
        body: The whole body.
        max_usage: The most tokens that one try can take.
        shows_frames: Whether it has pictures.
        min_prompt_tokens: The fewest prompt tokens of it if all of them arrived.
    """

    key: str | None
    body: bytes
    max_usage: TokenUsage
    shows_frames: bool
    min_prompt_tokens: int


@dataclass(frozen=True)
class AttemptResult:
    """What came of one try.

    Attributes:
        answer: The completion, be it a failed one; None for a problem that may pass.
        problem: That problem.
        wait_s: Seconds after which the server wants the next try; None if it says nothing.
        is_gone: Whether the server may be gone.
    """

    answer: Completion | None = None
    problem: str = ""
    wait_s: float | None = None
    is_gone: bool = False


class AttemptSender:
    """Sends each try that was let in and reserved, and books what it used.

    Args:
        server: Where requests go.
        limit: Told how each left.
        run_end: Told of answers and failures.
        database: The file of cache and ledger.
        cache: Keeps replies; None to keep none.
        ledger: Where tries are reserved.
        usage: Counts tokens and refusals.
        hints: What to say of refusals.
        reporter: Told if answers do not come in time.
    """

    def __init__(
        self,
        server: Server,
        limit: AdaptiveLimit,
        run_end: RunEnd,
        database: Database,
        cache: ReplyCache | None,
        ledger: Ledger,
        usage: UsageCount,
        hints: Sequence[Hint],
        reporter: Reporter,
    ) -> None:
        self.timeout = AdaptiveTimeout(server.settings.timeout_s)
        self._server, self._limit, self._run_end = server, limit, run_end
        self._database, self._cache, self._ledger = database, cache, ledger
        self._usage, self._hints, self._reporter = usage, hints, reporter

    async def send(self, sent: PreparedRequest, entered_s: float) -> AttemptResult:
        """Try once.

        Args:
            sent: The request, which is reserved in the ledger.
            entered_s: When the limit let it in.

        Raises:
            UserError: If no other request could succeed either.
        """
        sent_s, waited_s = time.monotonic(), self.timeout.seconds
        try:
            async with asyncio.timeout(waited_s):
                response = await self._server.http.post(self._server.endpoint.url, content=sent.body)
        except TimeoutError:
            self._limit.leave_timed_out(entered_s)
            self._usage.add(sent.max_usage)
            return self._timed_out(sent_s, waited_s)
        except httpx.RequestError as error:
            self._limit.leave()
            return self._broken(sent, error)
        except BaseException:
            self._limit.leave()
            raise
        if response.status_code == 200:
            self._limit.leave_taken(entered_s)
            self.timeout.answered(sent_s)
            return self._read(sent, response)
        return await self._refused(sent, entered_s, response)

    def _timed_out(self, sent_s: float, waited_s: float) -> AttemptResult:
        """After no answer in time: it may have been paid for, and stays in the ledger at its most."""
        self.timeout.expire(sent_s)
        keys, setting_s = self._server.names.keys, self._server.settings.timeout_s
        if self.timeout.expired == _TOLD_AFTER:
            self._reporter.say(
                f"{_TOLD_AFTER} requests to {self._server.called} had no answer in time, so fewer are sent at once and "
                f"each is waited for longer; if that goes on, raise {keys}timeout_s or lower {keys}max_connections."
            )
        longer = "" if waited_s == setting_s else f" (waited for {waited_s:.0f} s)"
        return AttemptResult(problem=f"no answer within {keys}timeout_s = {setting_s:g}{longer}")

    def _broken(self, sent: PreparedRequest, error: httpx.RequestError) -> AttemptResult:
        """After a broken connection: was it sent, then it may have been paid for, and stays in the ledger."""
        if isinstance(error, httpx.ConnectError):
            self._ledger.settle(sent.max_usage, _NOTHING)
            if why := why_unconnected(self._server, error):
                self._run_end.end(why)
            return AttemptResult(problem=UNREACHABLE, is_gone=True)
        self._usage.add(sent.max_usage)
        return AttemptResult(problem=f"the connection broke ({type(error).__name__})")

    async def _refused(self, sent: PreparedRequest, entered_s: float, response: httpx.Response) -> AttemptResult:
        status, longest_s = response.status_code, self._server.settings.max_backoff_s
        asked_s = asked_wait_s(response) if is_retried(status) else None
        too_long = asked_s is not None and asked_s > longest_s
        if is_busy(status):
            self._usage.refused += 1
            self._limit.leave_refused(entered_s, None if too_long else asked_s)
        else:
            self._limit.leave()
        self._ledger.settle(sent.max_usage, _NOTHING)
        if why := await why_hopeless(self._server, response, sent.body):
            self._run_end.end(why)
        if too_long:
            self._run_end.end(
                f"{self._server.called} says {status} and wants no request for {asked_s:.0f} s; start again then, or "
                f"raise {self._server.names.keys}max_backoff_s. All replies so far are kept."
            )
        problem = f"HTTP {quoted(self._server, response)}"
        if is_retried(status):
            return AttemptResult(problem=problem, wait_s=asked_s, is_gone=status in GATEWAY)
        advice = advice_for(problem, self._hints, shows_frames=sent.shows_frames)
        reason = f"{self._server.names.who} refuses the request: {problem}{advice}"
        return AttemptResult(self._run_end.give_up(reason, counts=False))

    def _read(self, sent: PreparedRequest, response: httpx.Response) -> AttemptResult:
        answer = read_completion(response.content, self._server.names)
        if answer is None:
            self._usage.add(sent.max_usage)
            said = self._server.said(response)
            return AttemptResult(problem="what came back is no chat completion" + (f" ({said})" if said else ""))
        hide = self._server.endpoint.hide_key
        answer = replace(answer, text=hide(answer.text), reasoning=hide(answer.reasoning))
        read, written = answer.prompt_tokens, answer.completion_tokens
        used = TokenUsage(
            sent.max_usage.prompt_tokens if read is None else read,
            sent.max_usage.completion_tokens if written is None else written,
        )
        is_short = written is not None and written < sent.max_usage.completion_tokens - 1
        if answer.outcome is Outcome.TRUNCATED and is_short:
            answer = replace(answer, reason=_context_full(sent, answer))
        has_arrived = read is None or read >= sent.min_prompt_tokens
        with self._database.together():
            self._ledger.settle(sent.max_usage, used)
            lasts = has_arrived and not answer.reason.startswith(CONTEXT_FULL)
            if self._cache is not None and sent.key is not None and lasts:
                self._cache.keep(sent.key, answer)
        self._usage.add(used)
        if not has_arrived:
            return AttemptResult(self._run_end.give_up(self._not_arrived(sent, answer), counts=True))
        if answer.outcome is Outcome.ERROR:
            return AttemptResult(problem=answer.reason)
        self._run_end.answered()
        return AttemptResult(answer)

    def _not_arrived(self, sent: PreparedRequest, answer: Completion) -> str:
        names = self._server.names
        return (
            f"the frames did not all arrive: {names.who} counted {answer.prompt_tokens} prompt tokens, and they take "
            f"{sent.min_prompt_tokens} at least; the server may cut its context or choose frames of its own, so raise "
            f"its context length or send frames in another form ({names.keys}min_tokens_per_frame: 0 if it counts "
            "frames otherwise)"
        )


def _context_full(sent: PreparedRequest, answer: Completion) -> str:
    cut = f"after {answer.completion_tokens} of {sent.max_usage.completion_tokens} tokens to write"
    fewer = " or show fewer or smaller frames" if sent.shows_frames else ""
    read = f", with {answer.prompt_tokens} read" if answer.prompt_tokens else ""
    return f"{CONTEXT_FULL} {cut}{read}; raise the server's context length{fewer}"
