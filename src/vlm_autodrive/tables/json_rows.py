"""The rows of JSON: an object on each line, or a list of objects."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ImportIssue
from vlm_autodrive.tables.rows import Row, Table, column_of
from vlm_autodrive.tables.text import HALF_CHARACTER, has_half_character

_LINES = (".jsonl", ".ndjson")


class _Pairs(list[tuple[str, object]]):
    """The names and values of a JSON object, doubled names too."""


def is_json(path: Path, text: str) -> bool:
    """Whether a file holds JSON, by its name or by how it begins, which no header of a CSV file does."""
    return path.suffix.casefold() in _LINES or text.lstrip()[:1] in ("{", "[")


def read_json_rows(path: Path, text: str, aliases: Mapping[str, str]) -> Table:
    """The rows of a JSON text; the line of a row in a list is its number.

    Raises:
        UserError: If there are no rows in it.
    """
    if text.lstrip().startswith("[") and isinstance(entries := _parsed(text), list):
        message = "a list in place of an object a line; it is read, and its entries are counted as lines"
        issue = ImportIssue(file=str(path), line=None, field="", value="", message=message, rejected=False)
        return _rows(path, enumerate(entries, start=1), aliases, [issue])
    lines = text.split("\n")
    if path.suffix.casefold() not in _LINES and not isinstance(_parsed(text.lstrip().split("\n", 1)[0]), _Pairs):
        raise UserError(
            f"{path} is JSON, but neither a list of objects nor an object on each line; write one of these, or CSV."
        )
    return _rows(
        path, ((n, _parsed(line)) for n, line in enumerate(lines, start=1) if line.strip()), aliases, [], lines
    )


def _parsed(text: str) -> object:
    """What a JSON text holds; None if it is none."""
    try:
        return json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None


def _rows(
    path: Path,
    entries: Iterable[tuple[int, object]],
    aliases: Mapping[str, str],
    issues: list[ImportIssue],
    lines: Sequence[str] = (),
) -> Table:
    rows: list[Row] = []
    total = 0
    for number, values in entries:
        total += 1
        if not isinstance(values, _Pairs):
            shown = (lines[number - 1] if lines else json.dumps(_unpaired(values)))[:80]
            issues.append(Row(path, number, {"": shown}).issue("", "not a JSON object; repair it", rejected=True))
            continue
        cells: dict[str, str] = {}
        doubled: list[str] = []
        for name, value in values:
            column = column_of(name, aliases)
            if column in cells:
                doubled.append(column)
            cells.setdefault(sys.intern(column), sys.intern(_plain(value)))
        row = Row(path, number, cells)
        message = "this name appears twice in the row; the first is taken"
        issues += [row.issue(column, message, rejected=False) for column in doubled]
        halves = [column for column, cell in cells.items() if has_half_character(column) or has_half_character(cell)]
        if halves:
            issues.append(row.issue(halves[0], HALF_CHARACTER, rejected=True))
            continue
        rows.append(row)
    return Table(tuple(rows), total, tuple(issues))


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(_unpaired(value))


def _unpaired(value: object) -> object:
    if isinstance(value, _Pairs):
        return {name: _unpaired(inner) for name, inner in value}
    return [_unpaired(inner) for inner in value] if isinstance(value, list) else value
