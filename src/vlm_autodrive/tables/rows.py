"""The rows of a table, and what was wrong with those that could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.records import ImportIssue

_EMPTY = {"", "none", "nan", "null", "n/a", "na", "-"}


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


def column_of(name: str, aliases: Mapping[str, str]) -> str:
    """What a column is called here: in small letters, words joined by underscores, or what is an alias of it.

    Args:
        name: What stands in the file.
        aliases: Further names in that form, and what they are called here.
    """
    plain = name.strip().casefold().replace(" ", "_")
    return aliases.get(plain, plain)


def _writable(text: str) -> str:
    """A text with half characters as the escapes that they were written by."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
