"""Weights, gradients and the optimiser's state divided among the processes, by torch's ``fully_shard``."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import LoadedModel
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings


def is_sharded(settings: TrainSettings, rank: Rank, device: torch.device) -> bool:
    """Whether the processes divide the model among them, by the setting or its automatic rule.

    Raises:
        UserError: If that is asked of one process alone.
    """
    if settings.shard == "full" and rank.world == 1:
        raise UserError(
            "train.shard=full divides the model among processes, but there is one; start several with torchrun, or "
            "on a CPU with train.processes, or set train.shard=auto."
        )
    automatic = rank.world > 1 and device.type == "cuda" and settings.lora is None
    return settings.shard == "full" or (settings.shard == "auto" and automatic)


def shard_model(model: Any, loaded: LoadedModel, settings: TrainSettings, rank: Rank) -> None:
    """Divide a model's weights in place, layer by layer.

    A layer's weights are gathered when it is computed and let go behind it; gradients are added up, not
    averaged, as a step's loss is a sum.

    Args:
        model: The model to train: the loaded one, or peft's wrapper around it.
        loaded: The model as it was loaded, which knows its layers.
        settings: How it is trained.
        rank: Among which processes.
    """
    how: dict[str, Any] = {"mesh": init_device_mesh(loaded.device.type, (rank.world,))}
    if settings.precision == "bf16":
        # Autocast computes in bfloat16 in any case; so gathered, the weights take half the time and memory.
        how["mp_policy"] = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    layers = set(loaded.model._no_split_modules)
    for module in list(model.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, **how)
    fully_shard(model, **how)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no other


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor; where it is divided, every process must ask for it."""
    value = tensor.detach()
    return value.full_tensor() if isinstance(value, DTensor) else value


def gather(tensors: Iterable[tuple[str, torch.Tensor]], rank: Rank) -> dict[str, torch.Tensor]:
    """Whole tensors on the CPU, by name, in the first process; nothing in the others, which must call it too."""
    gathered = {}
    for name, tensor in tensors:
        value = whole(tensor)
        if rank.is_first:
            gathered[name] = value.cpu()
    return gathered


def divided_like(tensor: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """This process's part of a whole tensor, on the device of and divided as ``model`` is."""
    tensor = tensor.to(model.device)
    if not isinstance(model, DTensor):
        return tensor
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)
