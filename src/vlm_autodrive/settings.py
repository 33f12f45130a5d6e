"""The base of every settings model, and how a misspelt key is answered."""

import difflib
import types
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from vlm_autodrive.errors import UserError


class Settings(BaseModel):
    """Settings of one stage. Unknown keys are refused, values are checked, nothing is mutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


def parse_settings(model: type[S], values: dict[str, Any], where: str) -> S:
    """Build ``model`` from plain values.

    Args:
        model: The settings model.
        values: Nested plain values, as read from YAML.
        where: What the values were read from, for messages.

    Raises:
        UserError: On an unknown key (naming the nearest right one) or a bad value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = (_explain(model, problem["type"], problem["loc"], problem["msg"]) for problem in error.errors())
        raise UserError(f"{where}: " + "; ".join(problems)) from None


def _explain(model: type[Settings], kind: str, location: tuple[int | str, ...], message: str) -> str:
    dotted = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"{dotted}: {message}"
    known = list(_model_at(model, location[:-1]).model_fields)
    nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"the keys here are {', '.join(known)}."
    return f"there is no setting {dotted}; {hint}"


def _model_at(model: type[Settings], location: tuple[int | str, ...]) -> type[Settings]:
    for part in location:
        field = model.model_fields.get(str(part))
        for candidate in _unpack(field.annotation) if field is not None else ():
            if isinstance(candidate, type) and issubclass(candidate, Settings):
                model = candidate
                break
    return model


def _unpack(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType, list, tuple):
        return get_args(annotation)
    return (annotation,)
