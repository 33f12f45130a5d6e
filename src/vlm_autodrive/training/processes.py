"""Several processes that train one model: each takes a share of every step's clips, and gradients are added up.

They are started by torchrun or accelerate launch, on one machine or several, a GPU each (:func:`launched`); or
by the stage itself on one machine's CPU (:func:`helpers`), where a small model's layers keep no two threads busy
and a process for each core does more. The sum of the shares' gradients is the gradient of the step, so the
number of processes changes nothing but the order of additions.
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
_LONG_PATIENCE = datetime.timedelta(days=7)  # while the first process decodes and plans, and while it saves
_BUCKET = 1 << 26  # gradients added up at once; all of a large model's would need its memory once more


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

    def add_up(self, figures: Sequence[float]) -> list[float]:
        """The sum of each figure over all processes."""
        # In double: the figures count tokens, and a float counts no further than 16 million.
        return self._reduce(figures, dist.ReduceOp.SUM)

    def most(self, count: int) -> int:
        """The largest of the processes' counts."""
        return int(self._reduce([count], dist.ReduceOp.MAX)[0])

    def _reduce(self, figures: Sequence[float], how: Any) -> list[float]:
        if self.world == 1:
            return list(figures)
        together = torch.tensor(list(figures), dtype=torch.float64)
        with _company():
            dist.all_reduce(together, how)
        return [float(figure) for figure in together]

    def add_up_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by the sum over all processes."""
        if self.world == 1:
            return
        begin = size = 0
        for end, parameter in enumerate(parameters, start=1):
            size += parameter.numel()
            if size >= _BUCKET or end == len(parameters):
                _add_up_bucket(parameters[begin:end])
                begin, size = end, 0


def _add_up_bucket(parameters: Sequence[torch.nn.Parameter]) -> None:
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([grad.reshape(-1).float() for grad in grads])
    with _company():
        dist.all_reduce(flat)
    parts = torch.split(flat, [grad.numel() for grad in grads])
    for parameter, part, grad in zip(parameters, parts, grads, strict=True):
        parameter.grad = part.view_as(grad).to(grad.dtype)


@contextmanager
def _company() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another training process has ended, perhaps for want of memory; run the same command again to go on "
            f"from the last checkpoint, or train in one process ({str(error).splitlines()[0]})."
        ) from None


ALONE = Rank()


def launched_number() -> int:
    """Which of the processes that torchrun or accelerate launch started this is; 0 without them."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def launched() -> Iterator[tuple[Rank, Callable[[_T | None], _T | None]]]:
    """Join the processes that torchrun or accelerate launch started together with this one.

    Yields:
        This process's rank, and a function by which the first process tells the others a value: each
        gives its own and gets the first's, for which it waits as long as that takes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE, lambda value: value
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    slow: Any = dist.new_group(backend="gloo", timeout=_LONG_PATIENCE)

    def tell(value: _T | None) -> _T | None:
        box = [value]
        with _company():
            dist.broadcast_object_list(box, src=0, group=slow)
        return box[0]

    try:
        yield Rank(dist.get_rank(), world), tell
        tell(None)  # nobody leaves before the first has saved
    finally:
        dist.destroy_process_group()


@contextmanager
def helpers(count: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Rank]:
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


def _helper(rank: Rank, threads: int, meeting: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
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
