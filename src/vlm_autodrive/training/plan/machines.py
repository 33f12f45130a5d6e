"""The hardware of a plan: GPUs or a CPU, and the memory of each process."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.training.settings import TrainSettings

GB = 1e9
_SPARE = {"cuda": 0.1, "cpu": 0.1}
"""Share that is left for what is not counted: the driver's context, the allocator's fragments, other programs."""


@dataclass(frozen=True)
class Machine:
    """What a run is planned for.

    Attributes:
        kind: ``cuda`` for GPUs, ``cpu`` else.
        processes: How many processes train together: one on each GPU.
        memory: Bytes that each of them has.
    """

    kind: Literal["cuda", "cpu"]
    processes: int
    memory: float

    @property
    def usable(self) -> float:
        """Bytes that training may plan with."""
        return self.memory * (1 - _SPARE[self.kind])


def this_machine(settings: TrainSettings, world: int = 1) -> Machine:
    """The machine that this runs on.

    Args:
        settings: How to train; says how many processes train on a CPU.
        world: Processes that were started together, such as by torchrun.
    """
    if torch.cuda.is_available():
        return Machine("cuda", world, torch.cuda.get_device_properties(0).total_memory)
    processes = max(world, settings.processes)
    return Machine("cpu", processes, _main_memory() / processes)


def machine_of(settings: TrainSettings, gpus: int | None, gigabytes: float | None) -> Machine:
    """A machine as it is described; what is not said is as on this one.

    Args:
        settings: How to train.
        gpus: How many GPUs; 0 for a CPU. None: those here, or one if memory is named and there is none here.
        gigabytes: Memory of each GPU, or of the whole machine for a CPU, in 10^9 bytes.

    Raises:
        UserError: If GPUs are named that are not here, without their memory.
    """
    here = this_machine(settings)
    if gpus is None:
        gpus = max(torch.cuda.device_count(), 0 if gigabytes is None else 1)
    if gpus == 0:
        memory = _main_memory() if gigabytes is None else gigabytes * GB
        return Machine("cpu", settings.processes, memory / settings.processes)
    if gigabytes is None and here.kind == "cpu":
        raise UserError("there is no GPU here to take the memory from; say how much each has, such as --memory 80.")
    return Machine("cuda", gpus, here.memory if gigabytes is None else gigabytes * GB)


def _main_memory() -> float:
    """Bytes of main memory, or of the container's share of it."""
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="ascii").strip() if limit.is_file() else ""
    return min(memory, float(text)) if text.isdigit() else memory
