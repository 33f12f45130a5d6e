"""Muon for CPUs without instructions for bfloat16."""

import math
from typing import Any

import torch


class Float32Muon(torch.optim.Muon):
    """``torch.optim.Muon`` with ``match_rms_adamw``, whose Newton-Schulz iteration computes in float32.

    torch's own computes in bfloat16 whatever the weights are, which takes some 20 times as long on a CPU that has no
    instructions for it. Its state is the same, so a run may go on with either.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights from their gradients; ``closure`` is not taken."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight.grad)
                state["momentum_buffer"].lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(state["momentum_buffer"], group["momentum"])
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                step_size = group["lr"] * 0.2 * math.sqrt(max(weight.shape))
                weight.add_(_orthogonal(update, group["ns_coefficients"], group["ns_steps"]), alpha=-step_size)


def _orthogonal(matrix: torch.Tensor, coefficients: tuple[float, float, float], steps: int) -> torch.Tensor:
    """Bring a matrix's singular values near 1, by the quintic Newton-Schulz iteration of Muon.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.
    """
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    small = matrix.T if is_tall else matrix  # the smaller side makes the smaller products
    found: torch.Tensor = small / small.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = found @ found.T
        found = a * found + (b * gram + c * gram @ gram) @ found
    return found.T if is_tall else found
