"""Structured answers: requests for JSON that follows a schema, what they cost, and reading the JSON that comes back.

Nothing is guessed: an answer that is not beyond doubt has a reason instead.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from vlm_autodrive.engines.endpoint.chat import body_of
from vlm_autodrive.engines.endpoint.refusals import Hint
from vlm_autodrive.engines.endpoint.settings import EndpointSettings, StructuredSettings
from vlm_autodrive.records import Record, first_problem

A = TypeVar("A", bound=BaseModel)
_THINK = re.compile(r"<\s*(/?)\s*think(?:ing)?\s*>", re.IGNORECASE)


class CostEstimate(Record):
    """What a job's requests will take. A repair turn or a second try comes on top.

    Attributes:
        requests: How many there are.
        in_cache: Those that are answered from the cache; what follows is about the others.
        images: Frames that are sent.
        prompt_tokens: Tokens read, by the rule of ``engines.endpoint.tokens``.
        completion_tokens: Tokens written at most.
        money: At most, at the prices of the settings.
    """

    requests: int
    in_cache: int
    images: int = 0
    prompt_tokens: int
    completion_tokens: int
    money: float


def structured_body(
    settings: StructuredSettings, messages: Sequence[dict[str, Any]], name: str, answer: type[BaseModel]
) -> bytes:
    """The body of a request for JSON.

    Args:
        settings: The endpoint.
        messages: The conversation.
        name: Of the schema.
        answer: The shape of the answer. Its JSON schema, class names and docstrings included, is sent along.
    """
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": list(messages),
        settings.token_limit: settings.max_tokens,
    }
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    if settings.json_schema:
        schema = {"name": name, "schema": _schema(answer)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body_of(body)


def structured_hints(keys: str) -> tuple[Hint, ...]:
    """What to change where an endpoint refuses a request: a pattern of its message, and the setting.

    Args:
        keys: What the names of the settings begin with, such as ``served.``.
    """
    return (
        Hint("max_completion_tokens", f"it knows the bound by another name; set {keys}token_limit"),
        Hint("temperature", f"it chooses the temperature itself; set {keys}temperature: null"),
        Hint("response_format|json_schema|guided", f"it may not take JSON schemas; set {keys}json_schema: false"),
    )


def token_line(estimate: CostEstimate, settings: EndpointSettings) -> str:
    """Tokens, and money where there are prices, as a clause without a full stop."""
    priced = settings.price.prompt_per_million > 0 or settings.price.completion_per_million > 0
    money = f", at most {estimate.money:,.2f} at the prices given" if priced else ""
    return f"About {estimate.prompt_tokens:,} tokens are read and at most {estimate.completion_tokens:,} written{money}"


def budget_lines(estimate: CostEstimate, settings: EndpointSettings, keys: str) -> list[str]:
    """One line for each bound of the budget that an estimate may pass; empty if the budget suffices.

    Args:
        estimate: What the job's requests will take.
        settings: The endpoint, with the budget.
        keys: What the names of the settings begin with, such as ``served.``.
    """
    budget = settings.budget
    bounds = (
        ("requests", budget.requests, estimate.requests - estimate.in_cache),
        ("tokens", budget.tokens, estimate.prompt_tokens + estimate.completion_tokens),
        ("money", budget.money, estimate.money),
    )
    return [
        f"That may pass {keys}budget.{name} ({most:,}): the run then stops, and goes on when it is raised."
        for name, most, wanted in bounds
        if most is not None and wanted > most
    ]


@cache
def _schema(answer: type[BaseModel]) -> dict[str, Any]:
    return answer.model_json_schema()


def read_answer(text: str, model: type[A]) -> A | str:
    """The answer in a text, or in plain words why there is none.

    Thoughts before the answer, a code fence around it and prose beside it are tolerated. Two objects, a key that
    appears twice, a key too many, and a value of another type than was asked for are not.
    """
    body = _without_thoughts(text)
    if body is None:
        return "its thoughts do not end"
    begin = body.find("{")
    if begin < 0:
        return "there is no JSON object"
    if body[:begin].rstrip().endswith("["):
        return "it is a list, not one JSON object"
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    try:
        values, end = decoder.raw_decode(body, begin)
    except ValueError as error:
        return f"it is not valid JSON ({error})"
    except RecursionError:
        return "it is not valid JSON (nested too deeply)"
    if "{" in body[end:]:
        return "there is more than one JSON object"
    return _validated(values, model)


def _validated(values: Any, model: type[A]) -> A | str:
    """By way of JSON text, in which half a character (a lone surrogate) is refused, and a list is a tuple."""
    try:
        return model.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        place, problem = first_problem(error)
        return f"{place or 'the object'}: {problem}"


def _without_thoughts(text: str) -> str | None:
    """The text after the last reasoning block; None if that block does not end.

    Servers and templates may keep the opening tag to themselves, or repeat it.
    """
    tags = list(_THINK.finditer(text))
    if not tags:
        return text
    return text[tags[-1].end() :] if tags[-1].group(1) else None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key appears twice")
    return values


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")
