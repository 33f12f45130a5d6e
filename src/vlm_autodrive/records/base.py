"""What every record is: a frozen pydantic model, kept as one line of JSONL."""

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vlm_autodrive.errors import UserError


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


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Write records, one a line, atomically. Returns how many."""
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(record.model_dump_json() + "\n")
            count += 1
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    return count


def append_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Append records durably, for work that is resumed with :func:`read_partial_jsonl`."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(record.model_dump_json() + "\n" for record in records)
        stream.flush()
        os.fsync(stream.fileno())


def read_jsonl(path: Path, model: type[R]) -> list[R]:
    """Read every record of a file.

    Raises:
        UserError: If the file is missing, or a line is no valid record (file and line are named).
    """
    try:
        # Not splitlines: texts hold other line ends, such as U+2028, which JSON does not escape.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make it with the stage before this one.") from None
    if lines == [""]:
        return []
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(model.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"{path}, line {number}: {place}: {first['msg']}; repair the line or make the file anew."
            ) from None
    return records


def read_partial_jsonl(path: Path, model: type[R]) -> list[R]:
    """Read what an interrupted run appended, cutting off a torn last line from the file itself."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    return read_jsonl(path, model)
