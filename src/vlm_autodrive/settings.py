"""The base class of all settings, dotted overrides, and suggestions for misspelt keys."""

import difflib
import inspect
import re
import types
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from vlm_autodrive.errors import UserError


class Settings(BaseModel):
    """Settings of one stage. Unknown keys are refused, values are checked, nothing is mutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


NOT_IN_KEY: Final = "not in the artefact's key"
"""Marks, by ``Annotated``, a field that does not change the result: workers, caches, how an endpoint is reached."""

IN_KEY_IF_SET: Final = "in the artefact's key if set"
"""Marks a field that came later, and is left out of the key while it is None, so that older results stay current."""

S = TypeVar("S", bound=Settings)

_LONGEST_DEFAULT = 48
_MOST_SUGGESTED = 3


def settings_in_key(settings: BaseModel) -> dict[str, Any]:
    """The plain values of those settings that decide a result: all but the fields marked ``NOT_IN_KEY``.

    Those marked ``IN_KEY_IF_SET`` are left out while they are None.
    """
    values = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if NOT_IN_KEY in field.metadata or (value is None and IN_KEY_IF_SET in field.metadata):
            values.pop(name, None)
        elif isinstance(value, BaseModel):
            values[name] = settings_in_key(value)
    return values


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
        problems = "; ".join(_explain(model, problem) for problem in error.errors())
        raise UserError(f"{where}: {problems}") from None


def parse_yaml(text: str, where: str) -> Any:
    """Read YAML, refusing duplicate keys.

    Args:
        text: The YAML.
        where: What it was read from, for messages.

    Raises:
        UserError: If it is not YAML, or a key is duplicate.
    """
    try:
        return yaml.load(text, _UniqueKeyLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UserError(f"{where}{line}: {getattr(error, 'problem', None) or 'this is no YAML'}.") from None


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Turn ``train.epochs=2`` and the like into nested values; the last one for a key holds.

    Raises:
        UserError: If a text is not ``key=value`` with a dotted key and a YAML value.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        parts = key.split(".")
        if not equals or not all(part.isidentifier() for part in parts):
            raise UserError(f"{text!r} is no setting; write it as key=value without blanks, such as train.epochs=2.")
        nested = parse_yaml(value, text)
        for part in reversed(parts):
            nested = {part: nested}
        values = merge_values(values, nested)
    return values


def merge_values(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` updated by ``changes``; nested mappings are merged, other values replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge_values(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


class _UniqueKeyLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} appears twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_WANTED = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "path": "a path"}
_BOUNDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}


def _explain(model: type[Settings], problem: ErrorDetails) -> str:
    """One problem that pydantic found, in plain words."""
    kind, location, given, context = problem["type"], problem["loc"], problem["input"], problem.get("ctx", {})
    dotted = ".".join(str(part) for part in location)
    if kind in ("tuple_type", "list_type"):
        return f"{dotted}: write a list in brackets, such as [{given}]"
    if kind == "extra_forbidden":
        return f"there is no setting {dotted}; {_nearest(model, location)}"
    of_type, _, fault = kind.partition("_")
    wanted = _WANTED.get(of_type) if fault in ("type", "parsing", "from_float") else None
    if kind == "literal_error":
        wanted = f"one of {context['expected']}"
    elif kind == "finite_number":
        wanted = "a finite number"
    for name, words in _BOUNDS.items():
        if name in context:
            bound = context[name]
            wanted = f"{words} {bound:g}" if isinstance(bound, float) else f"{words} {bound}"
    return f"{dotted} must be {wanted}, not {given!r}" if wanted is not None else f"{dotted}: {problem['msg']}"


def _nearest(model: type[Settings], location: tuple[int | str, ...]) -> str:
    """What an unknown key may mean: the same name in another section, or one that is spelt almost like it here."""
    name = str(location[-1])
    elsewhere = [key for key, _, _ in describe_settings(model) if key.rpartition(".")[2] == name]
    if 0 < len(elsewhere) <= _MOST_SUGGESTED:
        return f"did you mean {' or '.join(elsewhere)}?"
    known = [field.alias or name for name, field in _model_at(model, location[:-1]).model_fields.items()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(known)}."


def _model_at(model: type[Settings], location: tuple[int | str, ...]) -> type[Settings]:
    for part in location:
        field = next((f for name, f in model.model_fields.items() if (f.alias or name) == part), None)
        for candidate in _unpack(field.annotation) if field is not None else ():
            if isinstance(candidate, type) and issubclass(candidate, Settings):
                model = candidate
                break
    return model


def _unpack(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType, list, tuple):
        return get_args(annotation)
    return (annotation,)


def describe_settings(model: type[Settings]) -> list[tuple[str, str, str]]:
    """Key, default and meaning of every setting, nested ones dotted; the meaning is the docstring's."""
    meanings = {}
    for base in reversed(model.__mro__):
        meanings.update(_attribute_docs(base.__doc__ or ""))
    rows = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        nested = next((a for a in _unpack(field.annotation) if isinstance(a, type) and issubclass(a, Settings)), None)
        if nested is None or default is None:
            rows.append((key, "" if field.is_required() else _plain_yaml(default), meanings.get(name, "")))
        if nested is not None:
            rows += [(f"{key}.{inner}", value, meaning) for inner, value, meaning in describe_settings(nested)]
    return rows


def _attribute_docs(docstring: str) -> dict[str, str]:
    """The ``Attributes:`` of a Google docstring, by name, each on one line."""
    found: dict[str, str] = {}
    name = ""
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    for line in section.splitlines():
        if line and not line.startswith("    "):
            break
        entry = re.fullmatch(r"    (\w+)(?: \(.*?\))?: (.*)", line)
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif name and line.strip():
            found[name] += " " + line.strip()
    return {name: text.replace("``", "") for name, text in found.items()}


def _plain_yaml(value: Any) -> str:
    plain = TypeAdapter(Any).dump_python(value, mode="json")
    text = yaml.safe_dump(plain, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
    return text if len(text) <= _LONGEST_DEFAULT else text[: _LONGEST_DEFAULT - 4] + " ..."
