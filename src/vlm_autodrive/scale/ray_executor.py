"""The executor on Ray Data: jobs are rows of a dataset, steps are pools of actors that it passes through."""

import math
import os
import pickle
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import ATTEMPTS, Job, Quarantined, Step

if TYPE_CHECKING:
    from ray.data import Dataset

_WAVE = 2000  # jobs of one dataset, at most
_WAVE_BYTES = 64 << 20  # and what they hold, which bounds what waits in the cluster's memory
_MOST_SPARED = 5  # passes without any result in which a machine was lost, and which are no failure of the jobs
_DIED = "the worker process died at it (killed, out of memory, or a crash of a library)"

_HANDED_ON = ("AUTODRIVE_", "AWS_", "FSSPEC_", "HF_")
_OF_A_WORKER = ("RAY_", "CUDA_", "OMP_", "PYTHON")

Row = dict[str, Any]


class RayExecutor:
    """Does jobs on the Ray cluster that this process is connected to.

    Ray Data starts and resizes the pools, moves the data, restarts dead workers and repeats their tasks once. It gives
    up a task whose worker dies again, and says nothing of the rows in it. So after each pass the jobs without a result
    are counted, and tried again, one at a time in each worker; what then still has none is quarantined. A pass in which
    the cluster lost a machine does not count for those of which nothing was heard.

    Args:
        cores: CPU cores of the cluster.
        gpus: GPUs of the cluster.
    """

    def __init__(self, cores: float, gpus: float) -> None:
        self._cores, self._gpus = cores, gpus

    def run(self, steps: Sequence[Step], jobs: Iterable[Job]) -> Iterator[tuple[str, Any]]:
        """Do every job; see :meth:`vlm_autodrive.executor.Executor.run`."""
        wave: dict[str, _PickledJob] = {}
        size = 0
        for job in jobs:
            if job.job_id in wave:
                raise ValueError(f"two jobs have one id, {job.job_id}")
            wave[job.job_id] = _PickledJob(pickle.dumps(job.content), job.split)
            size += len(wave[job.job_id].content)
            if len(wave) == _WAVE or size >= _WAVE_BYTES:
                yield from self._run_wave(steps, wave)
                wave, size = {}, 0
        if wave:
            yield from self._run_wave(steps, wave)

    def _run_wave(self, steps: Sequence[Step], left: dict[str, "_PickledJob"]) -> Iterator[tuple[str, Any]]:
        from ray.exceptions import ActorDiedError, RayError

        reasons = dict.fromkeys(left, _DIED)
        failures: Counter[str] = Counter()
        spared = 0
        while due := {job_id: job for job_id, job in left.items() if failures[job_id] < ATTEMPTS}:
            silent, lost_nodes = set(due), _lost_nodes()
            broken: RayError | None = None
            try:
                for row in self._pass(steps, due, alone=bool(failures)):
                    job_id = row["job_id"]
                    silent.discard(job_id)
                    if row["refusal"]:
                        raise UserError(row["refusal"])
                    if row["problem"]:
                        failures[job_id] += 1
                        reasons[job_id] = row["problem"]
                    elif left.pop(job_id, None) is not None:
                        spared = 0
                        yield job_id, pickle.loads(row["content"])
            except RayError as error:  # such as a result that was lost with its machine
                broken = error
            if isinstance(broken, ActorDiedError) and len(silent) == len(due):
                raise UserError(
                    f"no worker of the cluster can begin ({_last_line(broken)}); see to it that all machines have the "
                    "same versions installed, and run the same command again: what is done is kept."
                ) from broken
            # What went with its machine says nothing of the job, unless it is the job that takes machines down.
            if spared < _MOST_SPARED and (broken or _lost_nodes() > lost_nodes):
                spared += 1
            elif broken:
                raise UserError(
                    f"the Ray cluster gives nothing any more ({_last_line(broken)}); what is done is kept, and the "
                    "same command goes on from there."
                ) from broken
            else:
                failures.update(silent)
        yield from self.run(steps, (part for job in left.values() if job.split for part in job.split(job.loaded())))
        for job_id, job in left.items():
            if not job.split:
                yield job_id, Quarantined(reasons[job_id], job.loaded())

    def _pass(self, steps: Sequence[Step], jobs: Mapping[str, "_PickledJob"], *, alone: bool) -> Iterator[Row]:
        import ray
        from ray.data import ActorPoolStrategy
        from ray.util.annotations import RayDeprecationWarning

        rows = [_row(job_id, job.content) for job_id, job in jobs.items()]
        # One row in a block: a worker that dies takes no other job with it.
        dataset: Dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        here = ray.get_runtime_context().get_node_id()
        for step, (cpus, gpus, most) in zip(steps, self._shares(steps, here), strict=True):
            with warnings.catch_warnings():
                # It has no other way yet to say this, and by its default repeats for ever what kills a worker.
                warnings.simplefilter("ignore", RayDeprecationWarning)
                dataset = dataset.map_batches(
                    _StepWorker,
                    fn_constructor_args=(step.open, str(Path.cwd()), _environment(near=step.near)),
                    batch_size=1,
                    # One step takes all cores from the start. Several grow as Ray Data sees which one is waited for.
                    compute=ActorPoolStrategy(
                        min_size=min(most, len(rows)) if len(steps) == 1 else 1,
                        max_size=min(most, len(rows)),
                        max_tasks_in_flight_per_actor=1 if alone else 2,
                    ),
                    num_cpus=cpus,
                    num_gpus=gpus,
                    label_selector={"ray.io/node-id": here} if step.near else None,
                    max_task_retries=1,
                )
        yield from dataset.iter_rows()

    def _shares(self, steps: Sequence[Step], here: str) -> list[tuple[float, float, int]]:
        """Cores and GPUs of each worker of each step, and how many workers there may be."""
        shares = []
        for step in steps:
            gpus = step.gpus if self._gpus else 0.0
            cores = _cores_of(here) if step.near else self._cores
            cpus = min(1.0, self._cores / len(steps))  # each step has a worker, also where cores are few
            most = self._gpus / gpus if gpus else cores / cpus
            shares.append((cpus, gpus, max(1, math.floor(most))))
        return shares


@dataclass(frozen=True)
class _PickledJob:
    content: bytes
    split: Callable[[Any], Iterable[Job]] | None

    def loaded(self) -> Any:
        return pickle.loads(self.content)


def _cores_of(node_id: str) -> float:
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return next(float(node["Resources"].get("CPU", 1)) for node in nodes if node["NodeID"] == node_id)


def _environment(*, near: bool) -> dict[str, str]:
    """What workers, which have the environment of ``ray start``, are given of the command's.

    On the same machine that is all but what Ray itself sets for each worker; on others what tells of stores and models.
    """
    if near:
        return {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_WORKER)}
    return {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}


def _lost_nodes() -> int:
    import ray

    return sum(not node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]


def _row(job_id: str, content: bytes, problem: str = "", refusal: str = "") -> Row:
    return {"job_id": job_id, "content": content, "problem": problem, "refusal": refusal}


def _last_line(error: Exception) -> str:
    """Of a long message the last line, which of a traceback from a worker is the exception."""
    return str(error).strip().splitlines()[-1].strip()


def _one_line(error: Exception) -> str:
    return " ".join(traceback.format_exception_only(error)[-1].split())


class _StepWorker:
    """What Ray starts in each worker: the step is opened once, then given one job after the other.

    All of that happens in one thread, on which SQLite insists; Ray itself opens in one and works in another. The step
    is opened with the first job: a worker that dies before it has one is started anew by Ray for ever.
    """

    def __init__(self, opening: Callable[[], Any], folder: str, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        with suppress(OSError):  # where the command's folder is not on this machine, only absolute paths can be meant
            os.chdir(folder)
        self._opening = opening
        self._stack = ExitStack()
        self._function: Callable[[Any], Any] | None = None
        self._thread = ThreadPoolExecutor(1)

    def __call__(self, batch: Row) -> Row:
        return self._thread.submit(self._do, batch).result()

    def _do(self, batch: Row) -> Row:
        job_id, content = str(batch["job_id"][0]), batch["content"][0]
        row = _row(job_id, content, str(batch["problem"][0]), str(batch["refusal"][0]))
        if not row["problem"] and not row["refusal"]:
            try:
                row = _row(job_id, pickle.dumps(self._opened()(pickle.loads(content))))
            except UserError as error:
                row = _row(job_id, b"", refusal=str(error))
            except Exception as error:
                row = _row(job_id, b"", problem=_one_line(error))
        return {name: [value] for name, value in row.items()}

    def _opened(self) -> Callable[[Any], Any]:
        if self._function is None:
            try:
                self._function = self._stack.enter_context(self._opening())
            except UserError:
                raise
            except Exception as error:
                why = f"a worker cannot begin ({_one_line(error)}); mend that and run the command again."
                raise UserError(why) from error
        return self._function

    def __del__(self) -> None:
        self._thread.submit(self._stack.close).result()
        self._thread.shutdown()
