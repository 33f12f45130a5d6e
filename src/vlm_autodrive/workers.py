"""Worker processes that always end with their parent process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from vlm_autodrive.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")


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
        raise UserError(
            "worker processes cannot start, since each begins by importing the main script: run it as a file, not from "
            'standard input, with its calls under `if __name__ == "__main__":`.'
        ) from None


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
