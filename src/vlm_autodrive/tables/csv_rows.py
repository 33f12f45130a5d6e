"""The rows of delimited text: what stands above the header, the delimiter, and rows that do not fit the header."""

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ImportIssue
from vlm_autodrive.tables.rows import Row, Table, column_of

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=([^"\w])"?[,;\t|]*', re.IGNORECASE)  # by which spreadsheets are told the delimiter
_COMMENTED_HEADER = re.compile(r"#\s*(?:CSV_HEADER\s*=)?\s*(.*)", re.DOTALL)  # as VIA and NumPy write it


def read_csv_rows(path: Path, text: str, aliases: Mapping[str, str], required: Sequence[str]) -> Table:
    """The rows of a delimited text.

    Args:
        path: The file, for issues.
        text: What is in it.
        aliases: Further names of columns, in small letters, and what they are called here.
        required: Columns by which a header is known that stands behind a ``#``.

    Raises:
        UserError: If a line cannot be taken apart.
    """
    stream = io.StringIO(text, newline="")
    skipped, header, delimiter = _above(stream, aliases, required)
    beginnings: list[str] = []
    reader = csv.reader(_noted(chain(header, stream), beginnings), delimiter=delimiter)
    issues: list[ImportIssue] = []
    rows: list[Row] = []
    columns: list[str] | None = None
    empty: dict[str, str] = {}
    total = 0
    line = skipped + 1
    try:
        for cells in reader:
            here, line = line, skipped + reader.line_num + 1
            commented = beginnings[0] == "#"
            beginnings.clear()
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [column_of(cell, aliases) for cell in cells]
                empty = dict.fromkeys(columns, "")
                issues += _doubled(path, here, columns)
                continue
            if commented and len(columns) > 1 and not any(cell.strip() for cell in cells[1:]):
                message = "taken as a comment, as it begins with #; put it in quotes if it is a row"
                issues.append(Row(path, here, {"": cells[0]}).issue("", message, rejected=False))
                continue
            total += 1
            by_column: dict[str, str] = {}
            for column, cell in zip(columns, cells, strict=False):
                by_column.setdefault(column, sys.intern(cell))  # most columns hold few different texts
            row = Row(path, here, empty | by_column if len(by_column) < len(empty) else by_column)
            misfit = _misfit(row, cells, len(columns), line - 1)
            if misfit is not None:
                issues.append(misfit)
            if misfit is None or not misfit.rejected:
                rows.append(row)
    except csv.Error as error:
        raise UserError(f"{path}, line {skipped + reader.line_num}: {error}; repair the line.") from None
    return Table(tuple(rows), total, tuple(issues))


def _above(stream: io.StringIO, aliases: Mapping[str, str], required: Sequence[str]) -> tuple[int, list[str], str]:
    """Read what stands above the rows: how many lines are done with, what is to be read again, and the delimiter."""
    commented, said = "", ""
    for skipped, line in enumerate(stream):
        content = line.rstrip("\r\n")
        separator = _SEPARATOR.fullmatch(content)
        if separator is not None and not said:
            said = separator[1]
        elif content.startswith("#"):
            match = _COMMENTED_HEADER.fullmatch(line)
            names = match[1] if match else ""
            if _has_columns(names, said, aliases, required):
                commented = names
        elif content.strip():
            if commented and not _has_columns(line, said, aliases, required):
                return skipped - 1, [commented, line], said or _delimiter(commented)
            return skipped, [line], said or _delimiter(line)
    return 0, [], ","


def _has_columns(line: str, said: str, aliases: Mapping[str, str], required: Sequence[str]) -> bool:
    names = {column_of(name.strip().strip('"'), aliases) for name in line.split(said or _delimiter(line))}
    return bool(required) and names.issuperset(required)


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _noted(lines: Iterator[str], beginnings: list[str]) -> Iterator[str]:
    """Hand on lines, and note how each begins."""
    for line in lines:
        beginnings.append(line[:1])
        yield line


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


def _doubled(path: Path, line: int, columns: list[str]) -> list[ImportIssue]:
    return [
        ImportIssue(
            file=str(path), line=line, field=column, value=column, rejected=False,
            message="this column appears twice; the first is taken",
        )
        for column in sorted({c for c in columns if c and columns.count(c) > 1})
    ]  # fmt: skip
