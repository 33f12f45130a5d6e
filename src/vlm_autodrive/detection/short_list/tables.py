"""The short list as tables: CSV for spreadsheets, JSONL and Parquet for programs."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.detection.short_list.listing import ListedEvent
from vlm_autodrive.records import shown_name, write_jsonl

CSV_FILE, JSONL_FILE, PARQUET_FILE = "events.csv", "events.jsonl", "events.parquet"

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes text that begins so for a formula


def write_tables(out: Path, events: Sequence[ListedEvent], class_names: Sequence[str]) -> None:
    """Write the events as ``events.csv``, ``events.jsonl`` and ``events.parquet``, one row each.

    In CSV and Parquet each class has a column ``p_CLASS``. In CSV, control characters are written out and text that a
    spreadsheet would take for a formula begins with an apostrophe.

    Args:
        out: The folder to write to.
        events: The events.
        class_names: The classes of all trips.
    """
    write_jsonl(out / JSONL_FILE, events)
    rows = [_flat(event, class_names) for event in events]
    schema = _schema(class_names)
    partial = out / f"{PARQUET_FILE}.partial"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), partial)
    partial.replace(out / PARQUET_FILE)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(schema.names)
    table.writerows([_cell(row[name]) for name in schema.names] for row in rows)
    write_text(out / CSV_FILE, text.getvalue())


def _schema(class_names: Sequence[str]) -> pa.Schema:
    columns: list[tuple[str, Any]] = []
    for name, field in ListedEvent.model_fields.items():
        if name == "probabilities":
            columns += [(f"p_{each}", pa.float64()) for each in class_names]
        elif field.annotation in (float, float | None):
            columns.append((name, pa.float64()))
        elif field.annotation is bool:
            columns.append((name, pa.bool_()))
        elif name.endswith("times_s"):
            columns.append((name, pa.list_(pa.float64())))
        else:
            columns.append((name, pa.string()))
    return pa.schema(columns)


def _flat(event: ListedEvent, class_names: Sequence[str]) -> dict[str, Any]:
    row = event.model_dump(mode="json", exclude={"probabilities"})
    return row | {f"p_{name}": event.probabilities.get(name) for name in class_names}


def _cell(value: object) -> object:
    if isinstance(value, list):
        return " ".join(f"{each:g}" for each in value)
    if not isinstance(value, str):
        return value
    shown = shown_name(value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown
