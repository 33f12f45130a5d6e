"""Data-parallel processes: each takes a share of every step's clips, and gradients are summed by all-reduce.

They are started by torchrun or accelerate launch, on one machine or several, a GPU each (:func:`launched`); or
by the stage itself on one machine's CPU (:func:`spawned`), where the layers of a small model do not keep two threads
busy, and a process for each core does more. The sum of the shares' gradients is the gradient of the step, so the
number of processes changes nothing but the order of additions.
"""

import datetime
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from vlm_autodrive.errors import UserError
from vlm_autodrive.workers import CANNOT_START, end_with_parent

_T = TypeVar("_T")
_TIMEOUT = datetime.timedelta(minutes=10)
_LONG_TIMEOUT = datetime.timedelta(days=7)  # while the first process decodes and plans, and while it saves
_BUCKET = 1 << 26  # gradients that are reduced at once; all of a large model's would need its memory once more


@dataclass(frozen=True)
class Rank:
    """One of the processes that train together (rank and world size of torch.distributed).

    Attributes:
        number: From 0; only process 0 writes files and reports progress.
        world: How many there are.
    """

    number: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.number == 0

    def share(self, examples: Sequence[_T], cost: Callable[[_T], float], *, in_step: bool = False) -> list[_T]:
        """This process's part of a step, so chosen that the costs of all parts are about equal; it may be empty.

        Args:
            examples: Those of all processes.
            cost: What each takes to compute; the same in every process.
            in_step: Whether the processes wait for each other at every forward pass.
        """
        if self.world == 1:
            return list(examples)
        shares = share_out([cost(example) for example in examples], self.world, in_step=in_step)
        return [examples[number] for number in shares[self.number]]

    def all_reduce_sum(self, numbers: Sequence[float]) -> list[float]:
        """The sum of each number over all processes."""
        # In float64: the numbers count tokens, and float32 counts no further than 16 million.
        return self._reduce(numbers, dist.ReduceOp.SUM)

    def all_reduce_max(self, count: int) -> int:
        """The largest count of all processes."""
        return int(self._reduce([count], dist.ReduceOp.MAX)[0])

    def _reduce(self, numbers: Sequence[float], op: Any) -> list[float]:
        if self.world == 1:
            return list(numbers)
        reduced = torch.tensor(list(numbers), dtype=torch.float64)
        with _lost_process_guard():
            dist.all_reduce(reduced, op)
        return [float(number) for number in reduced]

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by the sum over all processes."""
        if self.world == 1:
            return
        begin = size = 0
        for end, parameter in enumerate(parameters, start=1):
            size += parameter.numel()
            if size >= _BUCKET or end == len(parameters):
                _all_reduce_bucket(parameters[begin:end])
                begin, size = end, 0


def share_out(costs: Sequence[float], world: int, *, in_step: bool = False) -> list[list[int]]:
    """Share examples out among processes so that none waits long for another.

    The costliest first, each goes to the process that has least to do so far (Graham 1969, "Bounds on Multiprocessing
    Timing Anomalies", LPT). Where all make each forward pass together, a process with fewer examples would only make
    empty passes meanwhile, as long as another's full ones. There each gets one of every ``world`` examples of about
    the same cost, so that the passes made at the same time are alike.

    Args:
        costs: What each example costs.
        world: How many processes there are.
        in_step: Whether the processes wait for each other at every forward pass.

    Returns:
        The numbers of each process's examples, the costliest first.
    """
    shares: list[list[int]] = [[] for _ in range(world)]
    loads = [0.0] * world
    for place, number in enumerate(sorted(range(len(costs)), key=lambda number: -costs[number])):
        free = [rank for rank in range(world) if not in_step or len(shares[rank]) == place // world]
        rank = min(free, key=lambda rank: loads[rank])
        shares[rank].append(number)
        loads[rank] += costs[number]
    return shares


def _all_reduce_bucket(parameters: Sequence[torch.nn.Parameter]) -> None:
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([grad.reshape(-1).float() for grad in grads])
    with _lost_process_guard():
        dist.all_reduce(flat)
    parts = torch.split(flat, [grad.numel() for grad in grads])
    for parameter, part, grad in zip(parameters, parts, grads, strict=True):
        parameter.grad = part.view_as(grad).to(grad.dtype)


@contextmanager
def _lost_process_guard() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another training process has ended, perhaps for want of memory; run the same command again to go on "
            f"from the last checkpoint, or train in one process ({str(error).splitlines()[0]})."
        ) from None


SINGLE_PROCESS = Rank()


def launched_rank() -> int:
    """The rank of this process under torchrun or accelerate launch; 0 without them."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def launched() -> Iterator[tuple[Rank, Callable[[_T | None], _T | None]]]:
    """Join the processes that torchrun or accelerate launch started together with this one.

    Yields:
        This process's rank, and a function that broadcasts a value from the first process: each gives its own
        and gets the first's, for which it waits as long as that takes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield SINGLE_PROCESS, lambda value: value
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_TIMEOUT)
    slow_group: Any = dist.new_group(backend="gloo", timeout=_LONG_TIMEOUT)

    def broadcast(value: _T | None) -> _T | None:
        box = [value]
        with _lost_process_guard():
            dist.broadcast_object_list(box, src=0, group=slow_group)
        return box[0]

    try:
        yield Rank(dist.get_rank(), world), broadcast
        broadcast(None)  # nobody leaves before the first has saved
    finally:
        dist.destroy_process_group()


@contextmanager
def spawned(count: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Iterator[Rank]:
    """Start ``count - 1`` more processes that call ``work(rank, *arguments)``; this one has rank 0.

    The cores are divided among the processes as threads. The others end with this one, however it ends.

    Args:
        count: Processes in all.
        work: What the others call; a function of a module, since they are spawned.
        arguments: Its arguments after the rank.
    """
    if count == 1:
        yield SINGLE_PROCESS
        return
    before = torch.get_num_threads()
    threads = max(1, before // count)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as rendezvous:
        started = [
            context.Process(target=_run, args=(Rank(number, count), threads, rendezvous, work, arguments), daemon=True)
            for number in range(1, count)
        ]
        for process in started:
            process.start()
        torch.set_num_threads(threads)
        try:
            _await_begun(started, Path(rendezvous))
            _join(SINGLE_PROCESS.number, count, rendezvous)
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


def _await_begun(started: Sequence[Any], rendezvous: Path) -> None:
    """Wait until each process has begun its work: whoever joins waits for one that cannot start until a timeout."""
    while len(list(rendezvous.glob("begun-*"))) < len(started):
        if not all(process.is_alive() for process in started):
            raise UserError(CANNOT_START)
        time.sleep(0.02)


def _run(rank: Rank, threads: int, rendezvous: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    (Path(rendezvous) / f"begun-{rank.number}").touch()
    try:
        _join(rank.number, rank.world, rendezvous)
        work(rank, *arguments)
    except (KeyboardInterrupt, UserError):
        os._exit(1)  # the first process reports it
    dist.destroy_process_group()


def _join(number: int, world: int, rendezvous: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = (Path(rendezvous) / "store").as_uri()
    dist.init_process_group("gloo", init_method=store, rank=number, world_size=world, timeout=_TIMEOUT)
