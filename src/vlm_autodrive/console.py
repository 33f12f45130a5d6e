"""Progress on the terminal: live bars where there is one, plain lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TextIO

from vlm_autodrive.progress import format_seconds

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from vlm_autodrive.progress import Reporter, Task

SMALLEST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 10.0
SHARE_PER_LINE = 0.05


def make_reporter() -> "Reporter":
    """The reporter that suits where stderr goes."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    return BarReporter(console) if console.is_terminal else LineReporter()


class TerminalReporter:
    """The reporter of Python code that names none: as on the command line, made when it is first needed."""

    def __init__(self) -> None:
        self._made: Reporter | None = None

    def task(self, description: str, total: int, done: int = 0) -> AbstractContextManager["Task"]:
        """Open a task as the command line shows it."""
        return self._reporter().task(description, total, done)

    def say(self, message: str) -> None:
        """Show one line as the command line does."""
        self._reporter().say(message)

    def _reporter(self) -> "Reporter":
        self._made = self._made or make_reporter()
        return self._made


TERMINAL = TerminalReporter()


class LineReporter:
    """Writes a line now and then, for logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream  # None: stderr as it is when a line is written

    @contextmanager
    def task(self, description: str, total: int, done: int = 0) -> Iterator["Task"]:
        """Open a task that writes a line at every twentieth of the way, or every ten seconds."""
        task = _LineTask(self, description, total, done)
        yield task
        if done < total:
            task.finish()

    def say(self, message: str) -> None:
        """Write one line."""
        print(message, file=self._stream or sys.stderr, flush=True)


class _LineTask:
    def __init__(self, reporter: LineReporter, description: str, total: int, done: int) -> None:
        self._reporter, self._description, self._total = reporter, description, total
        self._begun_at = self._done = done
        self._begun = self._told = time.monotonic()
        self._told_at = done
        if 0 < done < total:
            reporter.say(f"{description}: going on at {done} of {total}")

    def advance(self, steps: int = 1, status: str = "") -> None:
        self._done += steps
        now = time.monotonic()
        pause = now - self._told
        far = self._done - self._told_at >= SHARE_PER_LINE * self._total
        if self._done < self._total and ((far and pause >= SMALLEST_PAUSE_S) or pause >= LONGEST_PAUSE_S):
            self._told, self._told_at = now, self._done
            self._reporter.say(f"{self._state(now)}{', ' + status if status else ''}")

    def finish(self) -> None:
        elapsed = time.monotonic() - self._begun
        self._reporter.say(f"{self._description}: {self._done} of {self._total} in {format_seconds(elapsed)}")

    def _state(self, now: float) -> str:
        percent = 100 * self._done / self._total if self._total else 100
        steps = self._done - self._begun_at
        left = (now - self._begun) / steps * (self._total - self._done) if steps else None
        rest = f", {format_seconds(left)} left" if left is not None else ""
        return f"{self._description}: {self._done} of {self._total} ({percent:.0f} %){rest}"


class BarReporter:
    """Draws a live bar for each task, and leaves one line of it behind."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._progress: Progress | None = None

    @contextmanager
    def task(self, description: str, total: int, done: int = 0) -> Iterator["Task"]:
        """Open a bar with the fraction done, the time left and the latest status."""
        outermost = self._progress is None
        if self._progress is None:
            self._progress = _new_progress(self._console)
            self._progress.start()
        progress = self._progress
        task_id = progress.add_task(description, total=total, completed=done, status="")
        begun = time.monotonic()
        task = _BarTask(progress, task_id, done)
        try:
            yield task
            if done >= total:
                return
            progress.console.print(
                f"{description}: {task.done} of {total} in {format_seconds(time.monotonic() - begun)}",
                style="dim",
                markup=False,
            )
        finally:
            progress.remove_task(task_id)
            if outermost:
                progress.stop()
                self._progress = None

    def say(self, message: str) -> None:
        """Print one line above the bars."""
        self._console.print(message, markup=False)


class _BarTask:
    def __init__(self, progress: "Progress", task_id: "TaskID", done: int) -> None:
        self._progress, self._id, self.done = progress, task_id, done

    def advance(self, steps: int = 1, status: str = "") -> None:
        self.done += steps
        if status:
            self._progress.update(self._id, advance=steps, status=status)
        else:
            self._progress.update(self._id, advance=steps)


def _new_progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class TimeLeft(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            left = task.time_remaining
            return Text("" if left is None or task.finished else f"{format_seconds(left)} left")

    class Status(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.fields["status"], style="dim", no_wrap=True, overflow="ellipsis")

    def whole() -> Column:
        """On a narrow terminal columns that may wrap give way: that is the status alone."""
        return Column(no_wrap=True)

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24, table_column=whole()),
        MofNCompleteColumn(table_column=whole()),
        TimeLeft(table_column=whole()),
        Status(table_column=Column(no_wrap=False)),
        console=console,
        transient=True,
    )
