"""Steps for tests of the executor. They are imported by the workers, as those of the stages are."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.errors import UserError


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
    """Notes each worker that opens it, and the node that it runs on."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    (openings / str(os.getpid())).write_text(node)
    yield lambda number: (number, os.getpid(), node)


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
