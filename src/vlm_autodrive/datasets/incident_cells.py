"""Incident metadata out of the cells of annotation files."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.records import INCIDENT_NUMBERS, IncidentMetadata, find_incident_value, incident_values
from vlm_autodrive.tables import CellError, Row, number_cell

_NOT_KNOWN = "unknown"
_SHARED = 1024  # records that are remembered


def read_incident(row: Row, fields: Iterable[str], builder: DatasetBuilder) -> dict[str, str | float]:
    """The fields of incident metadata that a row has a value of, each in the column of its name.

    A cell that holds no value of its field gives an issue. An empty one, or ``unknown``, does not.
    """
    found: dict[str, str | float] = {}
    for field in fields:
        if field not in row.cells:
            continue
        try:
            value = _value(row, field)
        except CellError as error:
            builder.warn(row, field, f"{error}; the row is taken without it")
        else:
            if value is not None:
                found[field] = value
    return found


def incident_of(found: Mapping[str, str | float]) -> IncidentMetadata:
    """The record of known fields; equal ones are one record, as a large table has many rows and few kinds of them."""
    return _shared(tuple(sorted(found.items())))


@lru_cache(maxsize=_SHARED)
def _shared(found: tuple[tuple[str, str | float], ...]) -> IncidentMetadata:
    return IncidentMetadata.model_validate(dict(found))


def take_incident(metadata: dict[str, str], columns: dict[str, str]) -> IncidentMetadata:
    """Take incident metadata out of a data set's free columns; what is no value of its field stays there.

    Args:
        metadata: The free columns.
        columns: The field that each of some columns holds.
    """
    found: dict[str, str | float] = {}
    for column, field in columns.items():
        value = find_incident_value(field, metadata.get(column, ""))
        if value is not None:
            found[field] = value
            del metadata[column]
    return incident_of(found)


def _value(row: Row, field: str) -> str | float | None:
    text = row.cells[field].strip()  # Row.text takes none for an empty cell, which here is a value
    if text.casefold() == _NOT_KNOWN:
        return None
    if field in INCIDENT_NUMBERS:
        return number_cell(row, field, *INCIDENT_NUMBERS[field])
    value = find_incident_value(field, text)
    if value is None and row.text(field):
        raise CellError(f"none of {', '.join(incident_values(field))}")
    return value
