"""Tolerant reading of tables, CSV or JSON, row by row, with the line of every error.

Any of UTF-8 (with or without mark) and UTF-16; commas, semicolons, tabs or bars, or what a first line ``sep=`` says;
LF or CRLF; decimal points or commas; columns in any order and case; comments that begin with ``#``; an object a
line, or a list of objects. What cannot be taken becomes an :class:`~vlm_autodrive.records.ImportIssue`.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ImportIssue
from vlm_autodrive.tables.csv_rows import read_csv_rows
from vlm_autodrive.tables.json_rows import is_json, read_json_rows
from vlm_autodrive.tables.rows import Row, Table
from vlm_autodrive.tables.text import decode_lines, decode_text


def read_table(path: Path, aliases: Mapping[str, str], required: Iterable[str], *, windows_text: bool = False) -> Table:
    """Read a CSV file, or a JSON file with one object for each row.

    Args:
        path: The file.
        aliases: Further names of columns, in small letters, and what they are called here.
        required: Columns without which the file is none of this kind.
        windows_text: Whether lines that are no UTF-8 are read as Windows-1252, each with an issue.

    Raises:
        UserError: If the file cannot be read at all, or a required column is missing.
    """
    required = tuple(required)
    odd: list[ImportIssue] = []
    text = decode_lines(path, odd) if windows_text else decode_text(path)
    json = is_json(path, text)
    table = read_json_rows(path, text, aliases) if json else read_csv_rows(path, text, aliases, required)
    columns = {column for row in table.rows for column in row.cells}
    missing = [column for column in required if column not in columns]
    if table.rows and missing:
        named = ", ".join(sorted(columns)) or "none"
        near = {name: difflib.get_close_matches(name, columns, n=1) for name in missing}
        hints = "".join(f" If you mean {name} by {found[0]}, call it that." for name, found in near.items() if found)
        raise UserError(f"{path} has no column {', '.join(missing)}; its columns are {named}.{hints}")
    unnamed = _unnamed(path, table)
    return replace(table, issues=(*odd, *table.issues, *unnamed)) if odd or unnamed else table


def read_whole_table(path: Path, aliases: Mapping[str, str], required: Iterable[str]) -> tuple[Row, ...]:
    """The rows of a table of which no row may be left out.

    Args:
        path: The file.
        aliases: Further names of columns, in small letters, and what they are called here.
        required: Columns without which the file is none of this kind.

    Raises:
        UserError: If it cannot be read, a required column is missing, or a row would be left out.
    """
    table = read_table(path, aliases, required)
    for issue in table.issues:
        if issue.rejected:
            raise UserError(f"{path}, line {issue.line}: {issue.message}.")
    return table.rows


def _unnamed(path: Path, table: Table) -> list[ImportIssue]:
    if not any(row.cells.get("", "").strip() for row in table.rows):
        return []
    message = "a column without a name; it is left out, name it to keep it"
    return [ImportIssue(file=str(path), line=1, field="", value="", message=message, rejected=False)]
