"""Where the benchmarks' tables stand in the docs."""

from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write_table(name: str, lines: Sequence[str], docs: Path = DOCS) -> None:
    """Put a table between the marks of its name, in the place of the one before.

    Args:
        name: As in the marks, ``<!-- name: begin -->`` and ``<!-- name: end -->``.
        lines: The table, and what stands below it.
        docs: The page.

    Raises:
        ValueError: If the marks do not stand there once; nothing is written then.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = docs.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    docs.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + after, encoding="utf-8")
