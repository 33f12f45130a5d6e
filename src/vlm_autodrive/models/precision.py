"""The precision that a model's weights are kept in on the disk."""

import json
from typing import Any

import torch

from vlm_autodrive.models.model_files import ModelFiles

_TENSOR_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
"""By the names in the header of a safetensors file (https://huggingface.co/docs/safetensors)."""


def stored_dtype(files: ModelFiles) -> torch.dtype:
    """The precision of a model's whole weights; of those below an adapter, if it is one.

    Configurations name it at the top (Qwen2.5-VL, as ``torch_dtype``) or for the language model alone (Qwen3-VL, as
    ``dtype``). Where neither does, the weights themselves tell.
    """
    config = json.loads((files.weights / "config.json").read_text(encoding="utf-8"))
    for part in (config, config.get("text_config") or {}):
        named = getattr(torch, str(part.get("dtype") or part.get("torch_dtype")).removeprefix("torch."), None)
        if isinstance(named, torch.dtype):
            return named
    file = min(files.weights.glob("*.safetensors"), default=None)
    if file is None:
        return torch.float32
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    matrix = next(each for each in header.values() if len(each.get("shape", ())) > 1)
    return _TENSOR_DTYPES.get(matrix["dtype"], torch.float32)


def cast(model: Any, dtype: torch.dtype) -> Any:
    """The model with weights of this precision, and a configuration that says so in all its parts."""
    for config in (model.config, *(getattr(model.config, name) for name in model.config.sub_configs)):
        config.dtype = dtype
    return model.to(dtype)
