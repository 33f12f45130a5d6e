"""What every record is: a frozen pydantic model, kept as one line of JSONL."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vlm_autodrive.errors import UserError
from vlm_autodrive.records.parts import has_records, parts_of, unpack_parts


class Record(BaseModel):
    """A frozen record with no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(StrEnum):
    """How the making of a record ended. Anything but ``ok`` and ``repaired`` counts as a failure."""

    OK = "ok"
    REPAIRED = "repaired"
    UNPARSEABLE = "unparseable"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"


R = TypeVar("R", bound=Record)

_TAIL_BYTES = 1 << 16


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Write records, one a line, atomically. Returns how many."""
    count = 0
    with writing_jsonl(path) as write:
        for record in records:
            write(record)
            count += 1
    return count


@contextmanager
def writing_jsonl(path: Path) -> Iterator[Callable[[Record], None]]:
    """Write records, one a line, as they are made; the file gets its name when the block ends well."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as stream:

        def write(record: Record) -> None:
            stream.write(record.model_dump_json() + "\n")

        yield write
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def append_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Append records durably, for work that is resumed with :func:`read_partial_jsonl`."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(record.model_dump_json() + "\n" for record in records)
        stream.flush()
        os.fsync(stream.fileno())


def first_problem(error: ValidationError) -> tuple[str, str]:
    """The first thing that is wrong with a record: its place in it, such as ``after.time_s``, and what it is."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


def read_jsonl(path: Path, model: type[R]) -> list[R]:
    """Read every record of a file.

    Raises:
        UserError: If the file is missing, or a line is no valid record (file and line are named).
    """
    return list(iterate_jsonl(path, model))


def iterate_jsonl(path: Path, model: type[R]) -> Iterator[R]:
    """Read a file's records one by one, for files that are larger than memory should hold.

    Where the file is not there, its Parquet parts are read; see :mod:`vlm_autodrive.records.parts`.

    Raises:
        UserError: If the file is missing, or a line is no valid record (file and line are named).
    """
    with open_jsonl(path) as stream:  # bytes end their lines at line feeds only; text may hold others that count as one
        for number, line in enumerate(stream, start=1):
            yield parse_jsonl_line(line, model, path, number)


def open_jsonl(path: Path) -> BinaryIO:
    """Open a file of records, or a copy of what its Parquet parts hold; see :mod:`vlm_autodrive.records.parts`.

    Raises:
        UserError: If the file is missing.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        parts = parts_of(path)
        if not parts:
            raise UserError(f"{path} does not exist; make it with the stage before this one.") from None
        return unpack_parts(parts)


def parse_jsonl_line(line: bytes, model: type[R], path: Path, number: int) -> R:
    """The record of a line.

    Raises:
        UserError: If the line is no valid record (its file and number are named).
    """
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        place, problem = first_problem(error)
        raise UserError(f"{path}, line {number}: {place}: {problem}; repair the line or make the file anew.") from None


def read_partial_jsonl(path: Path, model: type[R]) -> list[R]:
    """Read what an interrupted run appended, cutting off a torn last line from the file itself."""
    cut_torn_line(path)
    return read_jsonl(path, model) if path.exists() else []


def cut_torn_line(path: Path) -> None:
    """Cut off a last line that an interrupted run has not written to its end, if there is such a file."""
    if not path.exists():
        return
    with path.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - _TAIL_BYTES)
            stream.seek(begin)
            tail = stream.read(end - begin)
            if b"\n" in tail:
                stream.truncate(begin + tail.rfind(b"\n") + 1)
                return
            end = begin
        stream.truncate(0)


def copy_records(source: Path, target: Path) -> bool:
    """Copy a JSONL file, or what its parts hold, into a JSONL file; whether there was any."""
    if not has_records(source):
        return False
    with open_jsonl(source) as stream, target.open("wb") as copy:
        shutil.copyfileobj(stream, copy)
    return True
