"""Several processes that train one model: each takes a share of every step's clips, and gradients are added up.

On a CPU, a small model's layers are too small to keep several threads busy; a process for each core does
more. The sum of the shares' gradients is the gradient of the step, so the number of processes changes
nothing but the order of additions.
"""

import datetime
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from vlm_autodrive.errors import UserError
from vlm_autodrive.workers import end_with_parent

_T = TypeVar("_T")
_PATIENCE = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Rank:
    """One of the processes that train together.

    Attributes:
        number: From 0; the process numbered 0 alone writes and tells of progress.
        world: How many there are.
    """

    number: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.number == 0

    def share(self, visits: Sequence[_T]) -> list[_T]:
        """This process's part of a step; it may be empty."""
        return list(visits[self.number :: self.world])

    def add_up(self, parameters: Sequence[torch.nn.Parameter], sums: Sequence[float]) -> list[float]:
        """Replace each gradient by the sum over all processes, and return the sums of further figures.

        Raises:
            UserError: If another process has ended.
        """
        if self.world == 1:
            return list(sums)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        # In double: the figures count tokens, and a float counts no further than 16 million.
        figures = torch.tensor(list(sums), dtype=torch.float64)
        flat = torch.cat([grad.reshape(-1).float() for grad in grads])
        try:
            dist.all_reduce(flat)
            dist.all_reduce(figures)
        except RuntimeError as error:
            raise UserError(
                "another training process has ended, perhaps for want of memory; run the same command again to go on "
                f"from the last checkpoint, or set train.processes=1 ({str(error).splitlines()[0]})."
            ) from None
        parts = torch.split(flat, [grad.numel() for grad in grads])
        for parameter, part, grad in zip(parameters, parts, grads, strict=True):
            parameter.grad = part.view_as(grad).to(grad.dtype)
        return [float(figure) for figure in figures]


ALONE = Rank()


@contextmanager
def helpers(count: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[Rank]:
    """Start ``count - 1`` further processes that do ``work(rank, *arguments)``, and be the first of them.

    Cores are shared out among the processes as threads. The further ones end with this one, however it ends.

    Args:
        count: Processes in all.
        work: What the further ones do; a function of a module, since it is started anew.
        arguments: Its arguments behind the rank.
    """
    if count == 1:
        yield ALONE
        return
    before = torch.get_num_threads()
    threads = max(1, before // count)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as meeting:
        started = [
            context.Process(target=_helper, args=(Rank(number, count), threads, meeting, work, arguments), daemon=True)
            for number in range(1, count)
        ]
        for process in started:
            process.start()
        torch.set_num_threads(threads)
        try:
            _join(ALONE.number, count, meeting)
            yield Rank(0, count)
            for process in started:
                process.join()
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
            torch.set_num_threads(before)
            for process in started:
                process.terminate()
                process.join()


def _helper(rank: Rank, threads: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    try:
        _join(rank.number, rank.world, meeting)
        work(rank, *arguments)
    except (KeyboardInterrupt, UserError):
        os._exit(1)  # the first process tells of it
    dist.destroy_process_group()


def _join(number: int, world: int, meeting: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    meeting_place = (Path(meeting) / "store").as_uri()
    dist.init_process_group("gloo", init_method=meeting_place, rank=number, world_size=world, timeout=_PATIENCE)
