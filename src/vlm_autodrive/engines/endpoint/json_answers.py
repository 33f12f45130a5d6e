"""Reading the JSON that a model wrote. Nothing is guessed: what is not beyond doubt has a reason instead."""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

A = TypeVar("A", bound=BaseModel)
_THINK = re.compile(r"<\s*(/?)\s*think(?:ing)?\s*>", re.IGNORECASE)


def read_answer(text: str, model: type[A]) -> A | str:
    """The answer in a text, or in plain words why there is none.

    Thoughts before the answer, a code fence around it and prose beside it are tolerated. Two objects, a key that
    stands twice, a key too many, and a value of another type than was asked for are not.
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
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place or 'the object'}: {first['msg']}"


def _without_thoughts(text: str) -> str | None:
    """What stands behind the last thought; None if the last thought does not end.

    Servers and templates may keep the opening tag to themselves, or repeat it.
    """
    tags = list(_THINK.finditer(text))
    if not tags:
        return text
    return text[tags[-1].end() :] if tags[-1].group(1) else None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")
