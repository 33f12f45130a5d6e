"""Parsing of chat completions in any of the shapes that servers return."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlm_autodrive.engines.endpoint.settings import EndpointNames
from vlm_autodrive.records import Outcome

_MAX_TOKENS = 10**9  # a larger count is no count
_WHOLE = ("stop", "eos", "eos_token", "stop_sequence", "end_turn")
_MAX_LOGPROB = 1e-3  # rounding aside they are never above 0; this keeps NaN and infinity out as well


@dataclass(frozen=True)
class TokenLogprobs:
    """One place of a text.

    Attributes:
        written: The token that stands there.
        logprobs: Log-probabilities of the likeliest tokens, by their text, with the one that was written.
    """

    written: str
    logprobs: dict[str, float]


@dataclass(frozen=True)
class Completion:
    """What an endpoint answered.

    Attributes:
        outcome: ``ok``, ``truncated``, ``refused`` or ``unparseable``; ``error`` where nothing was answered.
        text: All that was written.
        reasoning: The chain of thought, where the server returns it apart from the text.
        reason: Why it is not ``ok``.
        prompt_tokens: As the endpoint counted them; None if it does not.
        completion_tokens: Likewise.
        places: The places of the text with their log-probabilities; empty if the endpoint gives none.
        model: The model that the endpoint says has answered; empty if it says nothing.
    """

    outcome: Outcome
    text: str = ""
    reasoning: str = ""
    reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    places: tuple[TokenLogprobs, ...] = ()
    model: str = ""


def failed(reason: str) -> Completion:
    """No answer at all."""
    return Completion(Outcome.ERROR, reason=reason)


def read_completion(content: bytes, names: EndpointNames) -> Completion | None:
    """Read the body of an answer with status 200; None if it is no chat completion at all.

    One that did not come to its end by itself, or holds none to choose, has the outcome ``error``.
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        return None
    usage = _mapping(answer.get("usage"))
    tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    choice = _mapping(answer["choices"][0]) if answer["choices"] else {}
    message = _mapping(choice.get("message"))
    text, refusal = _written(message.get("content"))
    refusal = _plain(message.get("refusal")) or refusal
    reasoning = _plain(message.get("reasoning_content")) or _plain(message.get("reasoning"))
    outcome, reason = _outcome(choice, text, refusal, reasoning, names)
    places, model = _places(choice.get("logprobs")), _plain(answer.get("model"))
    return Completion(outcome, text or refusal, reasoning, reason, *tokens, places, model)


def error_text(content: bytes) -> str:
    """What an endpoint says in an answer that is an error, on one line; nothing where it is a web page."""
    text = content.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = text
    for name in ("error", "message", "detail"):
        if isinstance(answer, dict) and name in answer:
            answer = answer[name]
    said = answer if isinstance(answer, str) else json.dumps(answer)
    return "" if said.lstrip().startswith("<") else " ".join(_plain(said).split())


def _outcome(
    choice: dict[str, Any], text: str, refusal: str, reasoning: str, names: EndpointNames
) -> tuple[Outcome, str]:
    finish = choice.get("finish_reason")
    if refusal or finish == "content_filter":
        return Outcome.REFUSED, f"{names.who} refused to answer"
    if finish in ("length", "max_tokens"):
        return Outcome.TRUNCATED, f"the answer reached {names.keys}max_tokens"
    if not choice:
        return Outcome.ERROR, "the endpoint gave no answer to choose"
    if finish not in _WHOLE:
        return Outcome.ERROR, f"the answer did not come to its end (finish_reason {json.dumps(finish)})"
    if not text.strip():
        return Outcome.UNPARSEABLE, "there is reasoning, but no answer" if reasoning else "the answer is empty"
    return Outcome.OK, ""


def _written(content: object) -> tuple[str, str]:
    """Text and refusal of a message's content: a string, a list of parts, or nothing."""
    if not isinstance(content, list):
        return _plain(content), ""
    parts = [_mapping(part) for part in content]
    return "".join(_plain(part.get("text")) for part in parts), "".join(_plain(part.get("refusal")) for part in parts)


def _places(logprobs: object) -> tuple[TokenLogprobs, ...]:
    """Tokens with the same text, which a vocabulary may hold, are one here: their probabilities are added."""
    content = _mapping(logprobs).get("content")
    places = []
    for one in content if isinstance(content, list) else ():
        written = _mapping(one)
        top = written.get("top_logprobs")
        rows = [_mapping(row) for row in top] if isinstance(top, list) else []
        if written.get("token") not in [row.get("token") for row in rows]:
            rows.append(written)
        listed: dict[str, float] = {}
        for row in rows:
            token, value = _plain(row.get("token")), row.get("logprob")
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= _MAX_LOGPROB:
                listed[token] = float(np.logaddexp(listed[token], value)) if token in listed else float(value)
        places.append(TokenLogprobs(_plain(written.get("token")), listed))
    return tuple(places)


def _plain(value: object) -> str:
    """A string that can be written to a file: halves of surrogate pairs, which JSON can hold, cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS else None
