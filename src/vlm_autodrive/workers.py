"""Worker processes that always end with their parent process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from vlm_autodrive.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

CANNOT_START = (
    "worker processes cannot start, since each begins by importing the main script: run it as a file, not from "
    'standard input, with its calls under `if __name__ == "__main__":`.'
)


def leave_unguarded_main() -> None:
    """End this process if it is a worker that is still importing the main script, and got here by doing so.

    The script has no main guard then, and each worker would begin the whole work anew. Whoever started the worker
    tells it.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself asks
        os._exit(1)


@contextmanager
def start_checked() -> Iterator[None]:
    """Explain a pool whose workers cannot start at all.

    Raises:
        UserError: In place of the pool's error.
    """
    try:
        yield
    except BrokenProcessPool:
        _check_start()
        raise


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes that are started anew, leave Ctrl-C to this one, and end with it.

    Without that, workers of a killed process wait for its next task for ever.
    """
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)


def in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, Result | None]]:
    """Do jobs in a pool, begun in their order, and give each with its result as it ends, in any order.

    If a job kills its worker, what is left is done one by one, to know which it was; that one has None.

    Raises:
        UserError: If no worker can start at all.
    """
    left = dict(enumerate(jobs))
    try:
        with worker_pool(workers) as pool:
            try:
                futures = {_submit(pool, function, job): number for number, job in left.items()}
                for future in as_completed(futures):
                    result = future.result()
                    yield left.pop(futures[future]), result
            finally:  # whoever listens no longer wants no more done
                pool.shutdown(wait=False, cancel_futures=True)
    except BrokenProcessPool:
        _check_start()
        for job in left.values():
            try:
                with worker_pool(1) as pool:
                    alone = pool.submit(function, job).result()
            except BrokenProcessPool:
                yield job, None
            else:
                yield job, alone


def _submit(pool: ProcessPoolExecutor, function: Callable[[Job], Result], job: Job) -> Future[Result]:
    try:
        return pool.submit(function, job)
    except (OSError, ValueError) as error:  # a worker died while the next was started, and its pipes were closed
        raise BrokenProcessPool from error


def _check_start() -> None:
    """Tell a pool whose workers never start from one whose worker was killed by a job."""
    try:
        with worker_pool(1) as pool:
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise UserError(CANNOT_START) from None


class WorkerCrash(Exception):
    """A worker ended in the middle of its job."""


class Worker:
    """One process that does one job after the other; it is started for the first, and anew after a job killed it."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection[Any, Any] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def run(self, job: Callable[..., Result], tell: Callable[[Any], None] | None = None) -> Result:
        """Do a job in the process; not to be called by several threads at once.

        Args:
            job: A function that can be pickled.
            tell: Called with each value that the job gives to its own argument ``tell``; None if it has none.

        Raises:
            WorkerCrash: If the process ended before the job did, or the worker was closed.
            UserError: If no process can start at all.
        """
        try:
            connection = self._begun(job, tells=tell is not None)
            while True:
                kind, value = connection.recv()
                if kind == "done":
                    return value  # type: ignore[no-any-return]
                if kind == "failed":
                    raise value
                assert tell is not None
                tell(value)
        except (EOFError, ConnectionError):
            self._connection = None
            raise WorkerCrash from None

    def close(self) -> None:
        """End the process at once, and start no other."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                self._process.join()

    def _begun(self, job: Callable[..., Any], *, tells: bool) -> "Connection[Any, Any]":
        """The connection to the process, which has begun the job."""
        while True:
            is_new = self._connection is None
            connection = self._connection = self._connection or self._start()
            try:
                connection.send((job, tells))
                connection.recv()
            except (EOFError, ConnectionError):  # it ended while it had nothing to do
                self._connection = None
                if is_new:
                    raise (WorkerCrash() if self._closed else UserError(CANNOT_START)) from None
            else:
                return connection

    def _start(self) -> "Connection[Any, Any]":
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._closed:
                raise WorkerCrash
            connection, its_end = context.Pipe()
            self._process = context.Process(target=_do_jobs, args=(its_end,), daemon=True)
            self._process.start()
            its_end.close()
        return connection


def _do_jobs(connection: "Connection[Any, Any]") -> None:
    _begin()
    while True:
        job, tells = connection.recv()
        connection.send("begun")
        try:
            done = job(tell=lambda value: connection.send(("told", value))) if tells else job()
        except Exception as error:
            connection.send(("failed", error))
        else:
            connection.send(("done", done))


def end_with_parent() -> None:
    """Let this worker end as soon as the process that started it has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker has a parent"

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="end with parent").start()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
