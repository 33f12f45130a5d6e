"""The folder of a run: its stages, what is said of them, and the lock that keeps others out."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import PROVENANCE
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter, Task, format_seconds


class RunFolder:
    """The folder of a run, and what has been done in it."""

    def __init__(self, folder: Path, reporter: Reporter) -> None:
        self.folder = folder
        self.reporter = reporter
        self.made: list[str] = []

    def stage(self, name: str, place: str, do: Callable[[Path, Reporter], Path]) -> Path:
        """Do a stage if it is out of date, and say which of the two it was."""
        out = self.folder / place
        if out.exists() and not (out / PROVENANCE).is_file():
            raise UserError(f"{out} was not made by a run; move it away, or choose another folder for the run.")
        out.parent.mkdir(parents=True, exist_ok=True)
        before = _stamp(out)
        begun = time.monotonic()
        made = do(out, _Headed(self.reporter, name))
        if _stamp(made) == before:
            self.reporter.say(f"{name}: up to date")
        else:
            self.made.append(name)
            self.reporter.say(f"{name}: done in {format_seconds(time.monotonic() - begun)}: {made}")
        return made


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock that goes when this process does, however it ends, and that its children do not inherit."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another run is at work in {folder}; wait for it, or choose another folder.") from None
        yield


def refuse_several_processes(reason: str) -> None:
    """Make sure that no launcher has started several processes of what runs in one.

    Raises:
        UserError: With the reason, if torchrun or ``accelerate launch`` did.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(reason)


def _stamp(folder: Path) -> str:
    path = folder / PROVENANCE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


class _Headed:
    """Writes a stage's name over the first that it has to say."""

    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def task(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Task]:
        self._head()
        return self._reporter.task(f"  {description}", total, done)

    def say(self, message: str) -> None:
        self._head()
        self._reporter.say(f"  {message}")

    def _head(self) -> None:
        if self._name:
            self._reporter.say(f"{self._name}:")
            self._name = ""
