"""What a stage asks of a cluster: the same work on many jobs, with exactly one result for each.

Without an executor a stage works in this process and its own pools. :mod:`vlm_autodrive.scale` has the one for Ray. The
work is the same function either way.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

ATTEMPTS = 2
"""How often a job is tried before it is quarantined."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        job_id: Unique among the jobs of a call.
        content: What the first step is given; it can be pickled.
        split: Gives, from the content, the jobs that it is split into if it fails at every attempt, so that one bad
            record does not cost others their results; None if it is one record.
    """

    job_id: str
    content: Any
    split: "Callable[[Any], Iterable[Job]] | None" = None


def batch_job(inputs: Sequence[Any], id_of: Callable[[Any], str]) -> Job:
    """A job of several inputs; if it fails at every attempt, each of them is a job by itself, under its own id.

    Args:
        inputs: The inputs.
        id_of: Gives the id of one.
    """
    first = id_of(inputs[0])
    if len(inputs) == 1:
        return Job(first, inputs)

    def split(several: Sequence[Any]) -> Iterator[Job]:
        return (batch_job([each], id_of) for each in several)

    return Job(f"{first} and {len(inputs) - 1} more", inputs, split)


@dataclass(frozen=True)
class Quarantined:
    """In place of a result: the job failed at every attempt.

    Attributes:
        reason: Why, in plain words; of an exception its last line.
        content: The job's content.
    """

    reason: str
    content: Any


@dataclass(frozen=True)
class Step:
    """One function that every job passes through.

    Attributes:
        open: Called once in each worker, which keeps it open for as long as it lives: gives the function from a job's
            content, or from what the step before made of it, to the next content. It can be pickled.
        gpus: GPUs of each worker, if the cluster has any.
        near: Run beside the process that started the job, on the same machine: for what shares a file there.
    """

    open: Callable[[], AbstractContextManager[Callable[[Any], Any]]]
    gpus: float = 0.0
    near: bool = False


class Executor(Protocol):
    """Does the same work on many jobs in the workers of a cluster."""

    def run(self, steps: Sequence[Step], jobs: Iterable[Job]) -> Iterator[tuple[str, Any]]:
        """Do every job.

        Args:
            steps: The steps, in order. While a job is in one, others are in the next.
            jobs: The jobs; they are drawn as there is room for them.

        Yields:
            Each job's id with its result or :class:`Quarantined`, in any order: exactly one for each job, or for each
            part of one that was split.

        Raises:
            UserError: If a step refuses to work at all, such as for a wrong setting, or the cluster is lost.
        """
