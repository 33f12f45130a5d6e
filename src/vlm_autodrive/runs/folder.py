"""The folder of a run: its stages, their log, and the lock against a second run."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_autodrive.artifacts import PROVENANCE, folder_lock
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter, Task, format_seconds

if TYPE_CHECKING:
    from vlm_autodrive.runs.stages import Stage  # and not at run time, since it imports every stage


FRAME_CACHE = Path(".cache") / "frames"
"""Decoded frames, from the folder of a run: training and all evaluations share them."""


class RunFolder:
    """The folder of a run, and what has been done in it.

    Args:
        folder: The folder.
        reporter: Gets the progress.
        stage_seconds: How long each stage is known to take, in the order of the run; empty if that is not known.
    """

    def __init__(self, folder: Path, reporter: Reporter, stage_seconds: Mapping[str, float] | None = None) -> None:
        self.folder = folder
        self.reporter = reporter
        self.executed: list[str] = []
        self._known_s = dict(stage_seconds or {})
        self._took_s: dict[str, float] = {}  # of the known stages that were begun and done here

    def do(self, stage: "Stage") -> Path:
        """Run a stage of a recipe, or leave it if it is up to date."""
        return self.run_stage(stage.name, stage.folder, stage)

    def run_stage(self, name: str, folder: str, stage: Callable[[Path, Reporter], Path]) -> Path:
        """Run a stage, or leave it if it is up to date, under the given name and in the given folder.

        Args:
            name: How progress calls it.
            folder: Its folder, from that of the run.
            stage: Writes one artefact into the folder that it is given, or leaves it if it is up to date.

        Raises:
            UserError: If something lies there that was not made by a run; it is never replaced.
        """
        out = self.refuse_foreign(folder)
        out.parent.mkdir(parents=True, exist_ok=True)
        # A stage that makes its folder anew writes a new provenance file, with the time in it; one that is up to date
        # leaves the old one. So the file tells the two apart without asking the stage.
        before = _fingerprint(out)
        is_begun = any(out.parent.glob(f".{out.name}.partial-*"))
        begun = time.monotonic()
        made = stage(out, _StageReporter(self.reporter, name, self._left(name)))
        took_s = time.monotonic() - begun
        if _fingerprint(made) == before:
            self.reporter.say(f"{name}: up to date")
        else:
            self.executed.append(name)
            if name in self._known_s and not is_begun:
                self._took_s[name] = took_s
            self.reporter.say(f"{name}: done in {format_seconds(took_s)}: {made}")
        return made

    def refuse_foreign(self, folder: str) -> Path:
        """The path of a stage's folder.

        Raises:
            UserError: If something lies there that was not made by a run.
        """
        out = self.folder / folder
        if out.exists() and not (out / PROVENANCE).is_file():
            raise UserError(f"{out} was not made by a run; move it away, or choose another folder for the run.")
        return out

    def _left(self, name: str) -> str:
        """How long the run takes from the beginning of a stage on, in words; empty if not known.

        This machine is as much slower or faster than the one that the times are known of as in the stages so far.
        """
        names = list(self._known_s)
        if name not in names:
            return ""
        speed = sum(self._took_s.values()) / sum(self._known_s[each] for each in self._took_s) if self._took_s else 1.0
        minutes = speed * sum(self._known_s[each] for each in names[names.index(name) :]) / 60
        return f" (whole run: about {minutes:.0f} min left)" if minutes >= 1 else " (whole run: less than 1 min left)"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder: two runs in it would replace each other's half-made artefacts.

    Raises:
        UserError: If another process holds it.
    """
    with folder_lock(folder, f"another run is at work in {folder}; wait for it, or choose another folder."):
        yield


def refuse_several_processes(reason: str) -> None:
    """Make sure that no launcher has started several processes of what runs in one.

    Raises:
        UserError: With the reason, if torchrun or ``accelerate launch`` did.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(reason)


def _fingerprint(folder: Path) -> str:
    """The provenance file's text; empty without one."""
    path = folder / PROVENANCE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


class _StageReporter:
    """Reports the progress of a stage, under its name as a heading, with the time left of the whole run."""

    def __init__(self, reporter: Reporter, name: str, left: str) -> None:
        self._reporter, self._name, self._left = reporter, name, left

    def task(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Task]:
        self._head()
        return self._reporter.task(f"  {description}", total, done)

    def say(self, message: str) -> None:
        self._head()
        self._reporter.say(f"  {message}")

    def _head(self) -> None:
        if self._name:
            self._reporter.say(f"{self._name}{self._left}:")
            self._name = ""
