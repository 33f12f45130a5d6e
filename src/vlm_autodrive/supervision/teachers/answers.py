"""Reading the JSON that a teacher wrote."""

import json
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

A = TypeVar("A", bound=BaseModel)
_THOUGHTS = re.compile(r"^.*</think>", re.DOTALL)


def read_answer(text: str, model: type[A]) -> A | str:
    """The answer in a teacher's text, or in plain words why there is none.

    Thoughts before the answer and a code fence around it are tolerated; nothing else is guessed at.
    """
    body = _THOUGHTS.sub("", text).strip()
    begin, end = body.find("{"), body.rfind("}")
    if begin < 0 or end < begin:
        return "there is no JSON object"
    try:
        values = json.loads(body[begin : end + 1], object_pairs_hook=_without_duplicates, parse_constant=_refuse)
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'the object'}: {first['msg']}"
    except ValueError as error:
        return f"it is not valid JSON ({error})"


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")
