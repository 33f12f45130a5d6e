"""Weights, gradients and optimizer state sharded over the processes, by torch's ``fully_shard`` (FSDP2)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import LoadedModel
from vlm_autodrive.training.precision import computes_in_bf16
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings


def is_sharded(settings: TrainSettings, rank: Rank, device: torch.device) -> bool:
    """Whether the model is sharded over the processes, by the setting or its automatic rule.

    Raises:
        UserError: If sharding is asked for in a single process.
    """
    if settings.shard == "full" and rank.world == 1:
        raise UserError(
            "train.shard=full shards the model over processes, but there is one; start several with torchrun, or on a "
            "CPU with train.processes, or set train.shard=auto."
        )
    automatic = rank.world > 1 and device.type == "cuda" and settings.lora is None
    return settings.shard == "full" or (settings.shard == "auto" and automatic)


def shard_model(model: Any, loaded: LoadedModel, settings: TrainSettings, rank: Rank) -> None:
    """Shard a model's weights in place, layer by layer.

    A layer's weights are gathered when it is computed and freed after it.

    Args:
        model: The model to train: the loaded one, or peft's wrapper around it.
        loaded: The model as it was loaded, which knows its layers.
        settings: How it is trained.
        rank: Over which processes.
    """
    how: dict[str, Any] = {"mesh": init_device_mesh(loaded.device.type, (rank.world,))}
    if computes_in_bf16(settings.precision, loaded.device.type):
        # Autocast computes in bfloat16 in any case; gathered in it, the weights take half the time and memory.
        how["mp_policy"] = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    layers = set(loaded.model._no_split_modules)
    for module in list(model.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, **how)
    fully_shard(model, **how)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Gradients are summed, not averaged: the loop divides by the loss weights of all processes' tokens.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no other


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The full tensor; where it is sharded, every process must call this."""
    value = tensor.detach()
    return value.full_tensor() if isinstance(value, DTensor) else value


def gather_full(tensors: Iterable[tuple[str, torch.Tensor]], rank: Rank) -> dict[str, torch.Tensor]:
    """Full tensors on the CPU, by name, in the first process; nothing in the others, which must call this too."""
    gathered = {}
    for name, tensor in tensors:
        value = full_tensor(tensor)
        if rank.is_first:
            gathered[name] = value.cpu()
    return gathered


def shard_like(tensor: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """This process's shard of a full tensor, on the device of ``model`` and sharded as it is."""
    tensor = tensor.to(model.device)
    if not isinstance(model, DTensor):
        return tensor
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)
