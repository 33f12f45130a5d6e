"""Videos are read in processes of their own: a file that crashes a decoder does not end the server."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import LifoQueue
from typing import Any, TypeVar

from vlm_autodrive.video import VideoError
from vlm_autodrive.workers import Worker, WorkerCrash

CRASHED = "its decoder crashed; start the server anew to try it again"

Result = TypeVar("Result")


class VideoProcesses:
    """A few processes, each of which is started when the others are busy. Its methods may be called from any thread."""

    def __init__(self, count: int) -> None:
        """Read at most ``count`` files at a time."""
        self._workers = [Worker() for _ in range(count)]
        self._idle: LifoQueue[Worker] = LifoQueue()  # the last one that was used is running
        for worker in self._workers:
            self._idle.put(worker)
        self._crashed: set[tuple[Any, ...]] = set()

    def read(
        self,
        path: Path,
        function: Callable[..., Result],
        *args: Any,
        tell: Callable[[Any], None] | None = None,
        **named: Any,
    ) -> Result:
        """What ``function(path, *args, **named)`` returns; a file that crashed it is not tried again.

        Args:
            path: The file.
            function: A function of a module.
            args: Its further arguments.
            tell: Called with what the function tells by its own argument ``tell``.
            named: Its arguments by name.

        Raises:
            VideoError: If the process ended, or what the function raises.
        """
        found = path.stat()
        job = (function, path, found.st_size, found.st_mtime_ns)
        if job in self._crashed:
            raise VideoError(path, CRASHED)
        worker = self._idle.get()
        try:
            return worker.run(partial(function, path, *args, **named), tell)
        except WorkerCrash:
            self._crashed.add(job)
            raise VideoError(path, CRASHED) from None
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes, in the middle of what they do."""
        for worker in self._workers:
            worker.close()
