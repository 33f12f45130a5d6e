from .cells import CellError, class_named, flag_cell, number_cell, time_cell, whole_number_cell
from .json_entries import entry_row, read_entries, read_json
from .names import KnownNames, NameMatch, is_exponent
from .rows import Row, Table, column_of
from .table import read_table, read_whole_table
from .text import decode_text

__all__ = [
    "CellError",
    "KnownNames",
    "NameMatch",
    "Row",
    "Table",
    "class_named",
    "column_of",
    "decode_text",
    "entry_row",
    "flag_cell",
    "is_exponent",
    "number_cell",
    "read_entries",
    "read_json",
    "read_table",
    "read_whole_table",
    "time_cell",
    "whole_number_cell",
]
