"""Records as Parquet parts, which is how they lie on a store: ``clips.parts/part-00000.parquet`` for ``clips.jsonl``.

A part has one column, ``record``, with a line of the JSONL file in each row, and says in its metadata how many lines
come before it and whether it is the last. So parts that are missing are noticed, and the file can be had back byte by
byte. Whatever reads a JSONL file of records reads its parts where the file itself is not there.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import BinaryIO, TypeVar, cast

from vlm_autodrive.errors import UserError

MOST_LINES, MOST_BYTES = 50_000, 64 << 20
"""Of one part, before it is compressed."""

_BEFORE, _LAST = b"lines_before", b"is_last"


_P = TypeVar("_P", bound=PurePath)


def parts_folder(path: _P) -> _P:
    """The folder of the parts of a JSONL file."""
    return path.with_suffix(".parts")


def part_name(number: int) -> str:
    """The name of a part in that folder."""
    return f"part-{number:05d}.parquet"


def parts_of(path: Path) -> list[Path]:
    """The parts of a JSONL file that are there, in order."""
    return sorted(parts_folder(path).glob("part-*.parquet"))


def has_records(path: Path) -> bool:
    """Whether a JSONL file is there, or its parts."""
    return path.is_file() or bool(parts_of(path))


def cut_into_parts(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in groups, each small enough for one part; at least one group, which may be empty."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and (len(group) == MOST_LINES or size + len(line) > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    yield group


def pack_part(lines: list[bytes], before: int, *, is_last: bool) -> bytes:
    """The Parquet file of a part.

    Args:
        lines: Its lines.
        before: How many lines come before it.
        is_last: Whether no part follows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    told = {_BEFORE: str(before).encode(), _LAST: str(int(is_last)).encode()}
    schema = pa.schema([pa.field("record", pa.string(), nullable=False)], metadata=told)
    table = pa.table({"record": pa.array([line.removesuffix(b"\n") for line in lines], pa.string())}, schema=schema)
    packed = io.BytesIO()
    pq.write_table(table, packed, compression="zstd")
    return packed.getvalue()


def packed_parts(lines: Iterable[bytes], before: int, *, is_all: bool) -> Iterator[tuple[bytes, int, int]]:
    """The Parquet files that lines make, one by one, with the number of lines in each and their bytes.

    Args:
        lines: The lines.
        before: How many lines come before them.
        is_all: Whether they end with the last; there is then one part at least, and the last one says so. Else more may
            be appended later.
    """
    following = cut_into_parts(lines)
    group: list[bytes] | None = next(following)
    while group is not None:
        after = next(following, None)
        if group or is_all:
            yield pack_part(group, before, is_last=is_all and after is None), len(group), sum(map(len, group))
        before += len(group)
        group = after


def unpack_part(part: Path | BinaryIO) -> tuple[list[bytes], int, bool]:
    """The lines of a part, how many come before them, and whether no part follows.

    Raises:
        UserError: If it is no part.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(part).read()
        told = table.schema.metadata
        lines = [f"{line}\n".encode() for line in table.column("record").to_pylist()]
        return lines, int(told[_BEFORE]), told[_LAST] == b"1"
    except (pa.ArrowInvalid, KeyError, TypeError):
        raise UserError(f"{part} is no part of records; copy the folder again, or make it anew.") from None


def write_lines(parts: Iterable[Path | BinaryIO], stream: BinaryIO) -> tuple[int, bool]:
    """Write the lines of parts, up to the first that is missing.

    Returns:
        How many lines, and whether these are all.

    Raises:
        UserError: If one is no part.
    """
    count, is_last = 0, False
    for part in parts:
        lines, before, is_last = unpack_part(part)
        if before != count:
            return count, False
        count += len(lines)
        stream.writelines(lines)
    return count, is_last


def unpack_parts(parts: list[Path]) -> BinaryIO:
    """The JSONL file that parts make, as a temporary file.

    Raises:
        UserError: If one is missing.
    """
    stream = cast(BinaryIO, TemporaryFile())  # noqa: SIM115, whoever reads it closes it
    count, is_all = write_lines(parts, stream)
    if not is_all:
        stream.close()
        raise UserError(
            f"{parts[0].parent} lacks parts behind line {count}; copy the folder again, with all that is in it."
        )
    stream.seek(0)
    return stream
