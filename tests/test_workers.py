"""Workers end with the process that started them, even if it is killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from vlm_autodrive.workers import Worker, WorkerCrash, in_processes, worker_pool

_SCRIPT = (
    "import os, time\n"
    "from vlm_autodrive.workers import worker_pool\n"
    "if __name__ == '__main__':\n"
    "    pool = worker_pool(2)\n"
    "    print(*{pool.submit(os.getpid).result() for _ in range(20)}, flush=True)\n"
    "    time.sleep(600)\n"
)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_idle_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(_SCRIPT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers
    assert all(running(pid) for pid in workers)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(running(pid) for pid in workers)


def test_the_pool_does_its_work_in_other_processes():
    with worker_pool(2) as pool:
        assert list(pool.map(abs, [-3, 4])) == [3, 4]
        assert pool.submit(os.getpid).result() != os.getpid()


def _half_or_die(number: int) -> float:
    if number == 0:
        os._exit(1)
    return number / 2


def test_a_job_that_kills_its_worker_is_named_and_the_others_are_done():
    done = dict(in_processes(_half_or_die, [1, 0, 2, 3], 2))
    assert done == {0: None, 1: 0.5, 2: 1.0, 3: 1.5}


def test_workers_that_cannot_start_are_an_error_and_no_job_is_blamed():
    script = (
        "from vlm_autodrive.workers import in_processes\n"
        "try:\n    print(list(in_processes(abs, [-1, 2], 2)))\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable], input=script, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("UserError worker processes cannot start"), done


def test_a_pool_that_breaks_while_its_workers_start_loses_no_job(monkeypatch):
    """A worker that dies while the next is started leaves that one pipes that are closed."""
    pools = []

    def pool_that_breaks_first(workers):
        pools.append(worker_pool(workers))
        if len(pools) == 1:
            monkeypatch.setattr(pools[0], "submit", _raise_as_in_fork)
        return pools[-1]

    monkeypatch.setattr("vlm_autodrive.workers.worker_pool", pool_that_breaks_first)
    assert dict(in_processes(abs, [-1, -2], 2)) == {-1: 1, -2: 2}


def _raise_as_in_fork(*_: object) -> None:
    raise ValueError("bad value(s) in fds_to_keep")


def _count(number: int, tell) -> int:
    for done in range(number):
        tell(done)
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def test_a_worker_tells_how_far_it_is_and_is_started_anew_after_a_crash():
    worker, told = Worker(), []
    try:
        first = worker.run(os.getpid)
        assert first != os.getpid() and worker.run(os.getpid) == first
        assert (worker.run(partial(_count, 2), told.append), told) == (2, [0, 1])
        with pytest.raises(ZeroDivisionError):
            worker.run(partial(divmod, 1, 0))
        assert worker.run(os.getpid) == first
        with pytest.raises(WorkerCrash):
            worker.run(partial(_count, 3), told.append)
        assert told == [0, 1, 0, 1, 2]
        second = worker.run(os.getpid)
        os.kill(second, signal.SIGKILL)
        while running(second):
            time.sleep(0.01)
        assert len({first, second, worker.run(os.getpid)}) == 3  # one that died while idle costs no job
    finally:
        worker.close()


def test_a_worker_that_is_closed_ends_in_the_middle_of_its_job():
    worker = Worker()
    pid = worker.run(os.getpid)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(worker.run, partial(time.sleep, 600))
        worker.close()
        with pytest.raises(WorkerCrash):
            job.result()
    assert not running(pid)
    with pytest.raises(WorkerCrash):
        worker.run(os.getpid)
