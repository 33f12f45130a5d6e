"""Progress reporting: the protocol between stages and whoever shows their progress, and formats of times."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One bar of progress."""

    def advance(self, steps: int = 1, status: str = "") -> None:
        """Count ``steps`` more as done; ``status`` is a short text shown beside the bar."""


class Reporter(Protocol):
    """Receives progress and plain messages from a stage."""

    def task(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Task]:
        """Open a bar of ``total`` steps, ``done`` of which an earlier run has finished."""

    def say(self, message: str) -> None:
        """Show one line of plain text."""


def format_seconds(seconds: float) -> str:
    """A duration as people write it: ``8 s``, ``2 min 05 s``, ``1 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_clock(seconds: float, tenths: bool = False) -> str:
    """Seconds as minutes, or hours and minutes: ``1:05``, ``1:05.3``, ``2:01:05``."""
    units = round(seconds * 10) if tenths else round(seconds) * 10
    whole, tenth = divmod(units, 10)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
    return f"{text}.{tenth}" if tenths else text


class _SilentTask:
    def advance(self, steps: int = 1, status: str = "") -> None:
        del steps, status


class SilentReporter:
    """A reporter for notebooks and tests that want no output."""

    @contextmanager
    def task(self, description: str, total: int, done: int = 0) -> Iterator[Task]:
        """Open a bar that shows nothing."""
        del description, total, done
        yield _SilentTask()

    def say(self, message: str) -> None:
        """Show nothing."""
        del message


SILENT = SilentReporter()
