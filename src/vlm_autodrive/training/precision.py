"""The precision that training computes in."""

from typing import Literal

import torch


def computes_in_bf16(precision: Literal["auto", "bf16", "fp32"], device_type: str) -> bool:
    """Whether the forward pass computes in bfloat16.

    Args:
        precision: The setting.
        device_type: torch's name of the device's kind, such as ``cuda`` or ``cpu``.
    """
    if precision == "auto":
        return device_type != "cpu" or has_bf16_instructions()
    return precision == "bf16"


def has_bf16_instructions() -> bool:
    """Whether this machine's CPU multiplies matrices in bfloat16 by itself.

    Without AVX-512 BF16 or AMX, torch does it value by value, some 20 times slower than in float32.
    """
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
