"""Tolerant reading of CSV tables, row by row, with the line of every error.

Any of UTF-8 (with or without mark) and UTF-16, commas, semicolons or tabs, LF or CRLF, decimal points
or commas, columns in any order and case. What cannot be taken becomes an :class:`ImportIssue`.
"""

import codecs
import csv
import difflib
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import EventClass, ImportIssue, Taxonomy

_EMPTY = {"", "none", "nan", "null", "n/a", "na", "-"}
_FLAGS = {"yes": True, "true": True, "1": True, "y": True, "no": False, "false": False, "0": False, "n": False}
_ONE_FRAME_S = 0.05  # a time may be negative by this much, as rounding leaves it
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON joins the halves of a pair, so what is left stands alone
HALF_CHARACTER = "half of a character (a lone surrogate), which no file can hold; write the character whole"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its file, its line (the header being line 1), and its cells by column."""

    file: Path
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """A cell without surrounding space; empty if it, or the column, is missing or says so."""
        value = self.cells.get(column, "").strip()
        return "" if value.casefold() in _EMPTY else value

    def issue(self, column: str, message: str, *, rejected: bool) -> ImportIssue:
        """Something wrong in this row."""
        field, value = (_writable(text) for text in (column, self.cells.get(column, "")))
        return ImportIssue(
            file=str(self.file), line=self.line, field=field, value=value, message=message, rejected=rejected
        )


@dataclass(frozen=True)
class Table:
    """The rows of a file that can be read, and what was wrong with the others.

    Attributes:
        rows: Rows in order.
        total: How many rows the file has, the rejected ones included.
        issues: What was wrong.
    """

    rows: tuple[Row, ...]
    total: int
    issues: tuple[ImportIssue, ...]


class CellError(ValueError):
    """A cell that cannot be understood; the message says what to do."""


def read_table(path: Path, aliases: Mapping[str, str], required: Iterable[str], *, windows_text: bool = False) -> Table:
    """Read a CSV file, or a JSONL file with one object for each row.

    Args:
        path: The file.
        aliases: Further names of columns, in small letters, and what they are called here.
        required: Columns without which the file is none of this kind.
        windows_text: Whether lines that are no UTF-8 are read as Windows-1252, each with an issue.

    Raises:
        UserError: If the file cannot be read at all, or a required column is missing.
    """
    odd: list[ImportIssue] = []
    text = _decode_lines(path, odd) if windows_text else decode_text(path)
    table = _from_jsonl(path, text, aliases) if path.suffix == ".jsonl" else _from_csv(path, text, aliases)
    columns = {column for row in table.rows for column in row.cells}
    missing = [column for column in required if column not in columns]
    if table.rows and missing:
        named = ", ".join(sorted(columns)) or "none"
        raise UserError(f"{path} has no column {', '.join(missing)}; its columns are {named}.")
    return replace(table, issues=(*odd, *table.issues)) if odd else table


def decode_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a mark, or UTF-16.

    Raises:
        UserError: If it cannot be read, or is no such text.
    """
    try:
        return _decode(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is neither UTF-8 nor UTF-16 text; save it as UTF-8.") from None


def _decode_lines(path: Path, issues: list[ImportIssue]) -> str:
    """The text of a file that is UTF-8 but for some lines, for each of which an issue is added."""
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from None
    texts = []
    for number, line in enumerate(lines, start=1):
        try:
            texts.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            texts.append(line.decode("cp1252", errors="replace"))
            message = "no UTF-8, so it is read as Windows-1252; save the file as UTF-8"
            issues.append(Row(path, number, {"": texts[-1].strip()[:80]}).issue("", message, rejected=False))
    return "\n".join(texts)


def has_half_character(text: str) -> bool:
    """Whether a text that came out of JSON holds half a surrogate pair, and so cannot be written to any file."""
    return not text.isascii() and bool(_HALF_CHARACTER.search(text))


def time_cell(row: Row, column: str) -> float | None:
    """A time in seconds; None if the cell is empty.

    Raises:
        CellError: If it is no number, not finite or negative.
    """
    if not row.text(column):
        return None
    try:
        value = _number(row.text(column))
    except ValueError:
        raise CellError("not a number of seconds; write it like 12.5") from None
    if not math.isfinite(value):
        raise CellError("not a finite number of seconds")
    if value < -_ONE_FRAME_S:
        raise CellError("negative; times are seconds after the video's first frame")
    return max(0.0, value)


def number_cell(row: Row, column: str, least: float, largest: float) -> float | None:
    """A number; None if the cell is empty.

    Raises:
        CellError: If it is none, or none from ``least`` to ``largest``.
    """
    if not row.text(column):
        return None
    try:
        value = _number(row.text(column))
    except ValueError:
        value = math.nan
    if not least <= value <= largest:
        raise CellError(f"no number from {least:g} to {largest:g}")
    return value


def flag_cell(row: Row, column: str) -> bool | None:
    """Yes or no; None if the cell is empty.

    Raises:
        CellError: If it is neither.
    """
    text = row.text(column).casefold()
    if not text:
        return None
    if text not in _FLAGS:
        raise CellError("neither yes nor no")
    return _FLAGS[text]


def whole_number_cell(row: Row, column: str) -> int:
    """A count, also where it is written as text or, as spreadsheets do, with a decimal point.

    Raises:
        CellError: If it is none.
    """
    try:
        value = float(row.text(column))
    except ValueError:
        raise CellError("not a whole number") from None
    if not value.is_integer():
        raise CellError("not a whole number")
    return int(value)


def class_named(spelling: str, taxonomy: Taxonomy) -> EventClass:
    """The class that a spelling means.

    Raises:
        CellError: If it means none; the nearest is named.
    """
    found = taxonomy.find(spelling)
    if found is not None:
        return found
    known = {name.casefold(): c for c in taxonomy.classes for name in (c.name, c.label, *c.spellings)}
    nearest = difflib.get_close_matches(spelling.casefold(), known, n=1, cutoff=0.0)
    raise CellError(f"no class of that name; did you mean {known[nearest[0]].name}?")


def accident_class(spelling: str, taxonomy: Taxonomy) -> EventClass | None:
    """The class of what a data set calls an accident; None, for an unknown kind, if the taxonomy has none."""
    found = taxonomy.find(spelling) or taxonomy.find("accident")
    return found if found is not None and found.is_event else None


def _number(text: str) -> float:
    return float(text.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+", text) else text)


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if content[1:2] == b"\0":
        return content.decode("utf-16-le")
    if content[:1] == b"\0":
        return content.decode("utf-16-be")
    return content.decode("utf-8-sig")


def _column(name: str, aliases: Mapping[str, str]) -> str:
    plain = name.strip().casefold().replace(" ", "_")
    return aliases.get(plain, plain)


def _from_csv(path: Path, text: str, aliases: Mapping[str, str]) -> Table:
    header_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    issues: list[ImportIssue] = []
    rows: list[Row] = []
    columns: list[str] | None = None
    empty: dict[str, str] = {}
    total = 0
    line = 1
    try:
        for cells in reader:
            here, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [_column(cell, aliases) for cell in cells]
                empty = dict.fromkeys(columns, "")
                issues += _doubled(path, columns)
                continue
            total += 1
            by_column: dict[str, str] = {}
            for column, cell in zip(columns, cells, strict=False):
                by_column.setdefault(column, sys.intern(cell))  # most columns hold few different texts
            row = Row(path, here, empty | by_column if len(by_column) < len(empty) else by_column)
            misfit = _misfit(row, cells, len(columns), reader.line_num)
            if misfit is not None:
                issues.append(misfit)
            if misfit is None or not misfit.rejected:
                rows.append(row)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; repair the line.") from None
    return Table(tuple(rows), total, (*issues, *_unnamed(path, rows)))


def _misfit(row: Row, cells: list[str], columns: int, last_line: int) -> ImportIssue | None:
    """What is wrong with a row that has more or fewer cells than the header, if it has."""
    if len(cells) == columns:
        return None
    if any(cell.strip() for cell in cells[columns:]):
        message = f"{len(cells)} cells under {columns} columns; put cells that hold the delimiter in quotes"
        return row.issue("", message, rejected=True)
    if len(cells) > columns:
        return None  # empty ones, as spreadsheets leave them
    if last_line > row.line:
        message = f"a quote runs on to line {last_line}, and what it holds is lost; close it where its cell ends"
        return row.issue("", message, rejected=True)
    message = f"only {len(cells)} cells under {columns} columns; the others are taken as empty"
    return row.issue("", message, rejected=False)


def _unnamed(path: Path, rows: list[Row]) -> list[ImportIssue]:
    if not any(row.cells.get("", "").strip() for row in rows):
        return []
    message = "a column without a name; it is left out, name it to keep it"
    return [ImportIssue(file=str(path), line=1, field="", value="", message=message, rejected=False)]


def _doubled(path: Path, columns: list[str]) -> list[ImportIssue]:
    return [
        ImportIssue(
            file=str(path), line=1, field=column, value=column, rejected=False,
            message="this column appears twice; the first is taken",
        )
        for column in sorted({c for c in columns if c and columns.count(c) > 1})
    ]  # fmt: skip


def _from_jsonl(path: Path, text: str, aliases: Mapping[str, str]) -> Table:
    issues: list[ImportIssue] = []
    rows: list[Row] = []
    total = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        total += 1
        try:
            values = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, _Pairs):
            issues.append(Row(path, number, {"": line[:80]}).issue("", "not a JSON object; repair it", rejected=True))
            continue
        cells: dict[str, str] = {}
        doubled: list[str] = []
        for name, value in values:
            column = _column(name, aliases)
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
    return Table(tuple(rows), total, (*issues, *_unnamed(path, rows)))


def _writable(text: str) -> str:
    """A text with half characters as the escapes that they were written by."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class _Pairs(list[tuple[str, object]]):
    """The names and values of a JSON object, doubled names too."""


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(_unpaired(value))


def _unpaired(value: object) -> object:
    if isinstance(value, _Pairs):
        return {name: _unpaired(inner) for name, inner in value}
    return [_unpaired(inner) for inner in value] if isinstance(value, list) else value
