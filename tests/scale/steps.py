"""Steps for tests of the executor. They are imported by the workers, as those of the stages are."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.video import SubprocessVideoChecker


@contextmanager
def times(factor):
    yield lambda number: number * factor


@contextmanager
def poisoned(attempts: Path):
    """Numbers pass, but 7 kills its worker, 11 raises, and 13 raises the first time alone; each attempt is noted."""

    def work(number):
        with (attempts / str(number)).open("a") as stream:
            stream.write(".")
        if number == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 11 or (number == 13 and (attempts / "13").stat().st_size == 1):
            raise ValueError("first line\nno number that is liked")
        return number

    yield work


@contextmanager
def counted(openings: Path):
    """Notes each time that a worker opens it; tells the worker and its node."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    with (openings / str(os.getpid())).open("a") as stream:
        stream.write("opened ")

    def work(number):
        time.sleep(0.1)  # else one node has done it all before the other has begun
        return number, os.getpid(), node

    yield work


@contextmanager
def looking():
    yield lambda name: (Path(name).read_text(), os.environ.get("AWS_ENDPOINT_URL"), os.environ.get("MY_KEY"))


@contextmanager
def refusing():
    raise UserError("the model is not there; name another.")
    yield


@contextmanager
def broken():
    raise RuntimeError("out of memory")
    yield


class NotInstalled:
    """A step of a module that the workers do not have."""

    def __reduce__(self):
        return __import__, ("a_module_that_is_not_there",)


@contextmanager
def refusing_later():
    def work(number):
        if number == 3:
            raise UserError("the budget is spent; raise it.")
        return number

    yield work


@contextmanager
def heavy():
    """What it makes is too large to travel with the message that it is done, so it is lost with its machine."""

    def work(number):
        time.sleep(0.1)
        return number, os.urandom(500_000)

    yield work


@contextmanager
def dying():
    os.kill(os.getpid(), signal.SIGKILL)
    yield


class PoisonedChecker(SubprocessVideoChecker):
    """Checks videos, but raises at the one of some names and kills its worker at others; each attempt is noted."""

    def __init__(self, limits, *, attempts: Path, raising=(), killing=()):
        super().__init__(limits)
        self._attempts, self._raising, self._killing = attempts, raising, killing

    def check(self, path, stream=None):
        with (self._attempts / path.stem).open("a") as notes:
            notes.write(".")
        if path.stem in self._killing:
            os.kill(os.getpid(), signal.SIGKILL)
        if path.stem in self._raising:
            raise ValueError(f"{path.stem} is poison\nand that is its last line")
        return super().check(path, stream)
