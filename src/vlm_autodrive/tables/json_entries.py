"""Annotation files in JSON, entry by entry; an entry's number, counted from 1, serves as its line."""

import json
import re
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.tables.rows import Row
from vlm_autodrive.tables.text import HALF_CHARACTER, decode_text, has_half_character

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # cheap to look for; most are pairs, and no fault


class _Doubled(dict[str, object]):
    """An object with a key that appears twice in the file, of which ``dict`` would keep the last alone."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def read_json(path: Path) -> object:
    """What a JSON file holds.

    Raises:
        UserError: If it cannot be read, is no JSON, or an entry holds half a character.
    """
    text = decode_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON file ({error}); get it anew.") from None
    if _ESCAPED_SURROGATE.search(text):
        for number, (name, value) in enumerate(_entries(content), start=1):
            if has_half_character(json.dumps({name: value}, ensure_ascii=False)):
                raise UserError(f"{path}, entry {number} holds {HALF_CHARACTER}.")
    return content


def read_entries(path: Path) -> list[tuple[str, object]]:
    """The entries of a JSON file: an object's keys and values, or a list's places and values.

    Args:
        path: The file. A key that stands in it twice gives two entries.

    Raises:
        UserError: If the file cannot be read, is neither an object nor a list, or holds half a character.
    """
    content = read_json(path)
    if not isinstance(content, dict | list):
        raise UserError(f"{path} holds neither an object nor a list, so it is no annotation file of this data set.")
    return _entries(content)


def entry_row(path: Path, number: int, name: str, value: object) -> Row:
    """An entry as a row, for its issues and cells: ``name`` and, if it is an object, its plain values as text."""
    cells = {"name": name}
    if isinstance(value, dict):
        cells |= {str(key): _text(cell) for key, cell in value.items()}
    return Row(path, number, cells)


def _entries(content: object) -> list[tuple[str, object]]:
    if isinstance(content, _Doubled):
        return content.pairs
    if isinstance(content, dict):
        return list(content.items())
    return [(str(number), value) for number, value in enumerate(content, start=1)] if isinstance(content, list) else []


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else _Doubled(pairs)
