"""What a refused request means, and what to do about it."""

import json
import re
import ssl
from collections.abc import Sequence
from typing import NamedTuple

import httpx

from vlm_autodrive.engines.endpoint.server import Server

_STOPPING = {
    401: "it refuses the key; name the right environment variable in {keys}api_key_env",
    402: "it wants to be paid first",
    403: "it refuses this key the use of the model",
}
_ELSEWHERE = "it sends elsewhere; name the final address in {address}"
_WRONG_SCHEME = re.compile("HTTP request (was sent )?to (an )?HTTPS")  # as Go's server and nginx say it
_NO_MODEL = re.compile(r"(?i)\bmodel\b.{0,80}\b(not exist|not found|unknown|unsupported)|(unknown|no such) model")
_LISTED = 5


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


def quoted(server: Server, response: httpx.Response) -> str:
    """The status of a response, with the server's own words."""
    said = server.said(response)
    return f"{response.status_code} ({said})" if said else f"{response.status_code}"


async def why_hopeless(server: Server, response: httpx.Response, body: bytes) -> str:
    """Why no other request could succeed either, as a sentence; empty if one could."""
    names, status, said = server.names, response.status_code, server.said(response)
    if _WRONG_SCHEME.search(said):
        return f"{server.called} wants TLS; write https:// in {names.address}."
    begun = f"{server.called} says {quoted(server, response)}"
    if status in (404, 405) or (status == 400 and _NO_MODEL.search(said)):
        return f"{begun}: {await _why_not_found(server, body)}."
    if b"insufficient_quota" in response.content:
        return f"{begun}: the account is used up."
    if status in _STOPPING or response.is_redirect:
        return f"{begun}: {_STOPPING.get(status, _ELSEWHERE).format_map(names._asdict())}."
    return ""


def why_unconnected(server: Server, error: httpx.ConnectError) -> str:
    """Why no connection can ever be made, as a sentence; empty if one may be later."""
    problem, names = _tls_problem(error), server.names
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"the certificate of {server.endpoint.host} cannot be trusted; correct {names.address}."
    if problem is not None:
        return f"{server.called} speaks no TLS ({problem.reason}); write http:// in {names.address}."
    return ""


def advice_for(problem: str, hints: Sequence[Hint], *, shows_frames: bool) -> str:
    """What to do about a problem, to be added to it; empty if no hint fits."""
    fitting = (hint for hint in hints if re.search(hint.sign, problem) and (shows_frames or not hint.of_frames))
    return next((f"; {hint.advice}" for hint in fitting), "")


async def _why_not_found(server: Server, body: bytes) -> str:
    """What a 404 means: a model of another name, an address without ``/v1``, or neither."""
    names, listed = server.names, [model["id"] for model in await server.listed_models()]
    model = json.loads(body).get("model")
    if listed and model not in listed:
        return f"it serves {', '.join(listed[:_LISTED])}, and not {model}; name one of those in {names.model}"
    base = server.endpoint.models_url.removesuffix("/models")
    if not listed and await server.listed_models(f"{base}/v1/models"):
        return f"its address ends in /v1; write {base}/v1 in {names.address}"
    return f"it knows no such model or path; check {names.address}, which often ends in /v1, and {names.model}"


def _tls_problem(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
