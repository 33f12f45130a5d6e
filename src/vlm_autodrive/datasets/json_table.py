"""Annotation files in JSON, entry by entry; an entry's number, from 1 on, stands for its line."""

import json
from pathlib import Path

from vlm_autodrive.datasets.table import Row, decode_text
from vlm_autodrive.errors import UserError


class _Doubled(dict[str, object]):
    """An object with a key that stands twice in the file, of which ``dict`` would keep the last alone."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def read_entries(path: Path) -> list[tuple[str, object]]:
    """The entries of a JSON file: an object's keys and values, or a list's places and values.

    Args:
        path: The file. A key that stands in it twice gives two entries.

    Raises:
        UserError: If the file cannot be read, or is neither an object nor a list.
    """
    try:
        content = json.loads(decode_text(path), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON file ({error}); get it anew.") from None
    if isinstance(content, _Doubled):
        return content.pairs
    if isinstance(content, dict):
        return list(content.items())
    if isinstance(content, list):
        return [(str(number), value) for number, value in enumerate(content, start=1)]
    raise UserError(f"{path} holds neither an object nor a list, so it is no annotation file of this data set.")


def entry_row(path: Path, number: int, name: str, value: object) -> Row:
    """An entry as a row, for its issues and cells: ``name`` and, if it is an object, its plain values as text."""
    cells = {"name": name}
    if isinstance(value, dict):
        cells |= {str(key): _text(cell) for key, cell in value.items()}
    return Row(path, number, cells)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else _Doubled(pairs)
