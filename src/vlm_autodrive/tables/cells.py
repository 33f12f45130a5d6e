"""What single cells mean: times, numbers, flags and classes."""

import difflib
import math
import re

from vlm_autodrive.records import EventClass, Taxonomy
from vlm_autodrive.tables.rows import Row

_FLAGS = dict.fromkeys(("yes", "true", "y", "1", "1.0"), True) | dict.fromkeys(("no", "false", "n", "0", "0.0"), False)
_ONE_FRAME_S = 0.05  # a time may be negative by this much, as rounding leaves it


class CellError(ValueError):
    """A cell that cannot be understood; the message says what to do."""


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


def _number(text: str) -> float:
    return float(text.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+", text) else text)
