"""The served teacher: any OpenAI-compatible endpoint."""

import base64
import io
import ipaddress
import os
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

import httpx
from PIL import Image

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.retrying import is_retried, wait_before
from vlm_autodrive.video.frames import Frames

_STOPPING = {
    401: "it refuses the key; name the right environment variable in served.api_key_env",
    403: "it refuses this key the use of the model",
    404: "it knows no such model or path; check served.base_url and served.model",
}


class ServedTeacher:
    """Asks an endpoint, several requests at a time."""

    def __init__(self, settings: ServedTeacherSettings) -> None:
        """Prepare to ask.

        Raises:
            UserError: If the endpoint is on another machine and that is not allowed, or the key is missing.
        """
        self._settings = settings
        self._url = settings.base_url.rstrip("/") + "/chat/completions"
        self.host = _checked_host(settings)
        self._key = _key(settings)
        self._stopped = threading.Event()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    def write(self, requests: Sequence[TeacherRequest]) -> Iterator[TeacherReply]:
        """Answer every request exactly once, as the answers arrive.

        Raises:
            UserError: If the endpoint cannot be reached, or refuses the key or the model.
        """
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._stopped.clear()
        # Proxies named in the environment are for the way out; a loopback endpoint needs none.
        with (
            httpx.Client(
                headers=headers, timeout=self._settings.timeout_s, trust_env=self._settings.allow_remote
            ) as client,
            ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="teacher") as pool,
        ):
            futures = [pool.submit(self._ask, client, request) for request in requests]
            handed: set[Future[TeacherReply]] = set()
            try:
                for future in as_completed(futures):
                    handed.add(future)
                    yield future.result()
            except UserError:
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                # What was in flight is paid for, and still handed over.
                for future in futures:
                    if future not in handed and not future.cancelled() and future.exception() is None:
                        yield future.result()
                raise
            finally:
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, client: httpx.Client, request: TeacherRequest) -> TeacherReply:
        try:
            body = self._body(request)
        except UserError as error:  # the clip's frames cannot be read
            return TeacherReply(request_id=request.request_id, outcome=Outcome.ERROR, reason=str(error))
        rng = random.Random()
        for attempt in range(1, self._settings.attempts + 1):
            response: httpx.Response | None = None
            try:
                response = client.post(self._url, json=body)
                problem = f"HTTP {response.status_code}"
            except httpx.ConnectError:
                problem = "it cannot be reached"
            except httpx.TransportError as error:
                problem = f"the connection failed ({type(error).__name__})"
            if response is not None and not is_retried(response):
                return self._read(request.request_id, response)
            if attempt == self._settings.attempts:
                break
            wait_s = wait_before(attempt, response, self._settings.longest_wait_s, rng)
            if wait_s is None:
                problem += ", and it asks to wait longer than served.longest_wait_s"
                break
            if self._stopped.wait(wait_s):
                break
        if response is None and problem == "it cannot be reached":
            self._stopped.set()
            raise UserError(f"the teacher at {self.host} cannot be reached; start it, or correct served.base_url.")
        return TeacherReply(
            request_id=request.request_id, outcome=Outcome.ERROR, reason=f"the teacher failed: {problem}"
        )

    def _read(self, request_id: str, response: httpx.Response) -> TeacherReply:
        if response.status_code in _STOPPING:
            self._stopped.set()
            raise UserError(
                f"the teacher at {self.host} says {response.status_code}: {_STOPPING[response.status_code]}."
            )
        if response.status_code != 200:
            reason = f"the teacher refuses the request: HTTP {response.status_code}"
            return TeacherReply(request_id=request_id, outcome=Outcome.ERROR, reason=reason)
        return _reply(request_id, response)

    def _body(self, request: TeacherRequest) -> dict[str, Any]:
        content: str | list[dict[str, Any]] = request.prompt.text
        if request.frames is not None:
            content = _with_frames(request.prompt.text, request.frames())
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": request.prompt.system},
            {"role": "user", "content": content},
        ]
        if request.answered is not None:
            written, wrong = request.answered
            messages += [{"role": "assistant", "content": written}, {"role": "user", "content": wrong}]
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            "max_tokens": self._settings.max_tokens,
            "temperature": self._settings.temperature,
        }
        if request.schema is not None:
            name, schema = request.schema
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}
        return body


def _reply(request_id: str, response: httpx.Response) -> TeacherReply:
    """Read a chat completion, whatever shape it has."""
    try:
        answer = response.json()
        choice = answer["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        text = message.get("content") or ""
        usage = answer.get("usage") or {}
        tokens = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        refusal = message.get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        reason = "what came back is no chat completion"
        return TeacherReply(request_id=request_id, outcome=Outcome.UNPARSEABLE, reason=reason)
    outcome, reason = Outcome.OK, ""
    if refusal or finish == "content_filter":
        outcome, reason = Outcome.REFUSED, "the teacher refused to answer"
    elif finish == "length":
        outcome, reason = Outcome.TRUNCATED, "the answer reached served.max_tokens"
    elif not text.strip():
        outcome, reason = Outcome.UNPARSEABLE, "the answer is empty"
    return TeacherReply(
        request_id=request_id,
        outcome=outcome,
        text=text,
        reason=reason,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
    )


def _with_frames(text: str, frames: Frames) -> list[dict[str, Any]]:
    """The frames first, each after its true time, then the text."""
    parts: list[dict[str, Any]] = []
    for pixels, time_s in zip(frames.pixels, frames.times_s, strict=True):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, format="JPEG", quality=85)
        data = base64.b64encode(stream.getvalue()).decode()
        parts.append({"type": "text", "text": f"The frame at t={time_s:.2f}:"})
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
    return [*parts, {"type": "text", "text": text}]


def _checked_host(settings: ServedTeacherSettings) -> str:
    try:
        url = httpx.URL(settings.base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError("served.base_url is no address; write it as http://127.0.0.1:8000/v1.")
    if not (settings.allow_remote or _is_loopback(url.host)):
        raise UserError(
            f"the teacher at {url.host} is not on this machine, and would be sent labels, metadata and frames; "
            "set served.allow_remote: true if that is wanted."
        )
    return url.host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(settings: ServedTeacherSettings) -> str:
    if not settings.api_key_env:
        return ""
    key = os.environ.get(settings.api_key_env, "")
    if not key:
        raise UserError(f"the environment variable {settings.api_key_env} is not set; put the teacher's key there.")
    return key
