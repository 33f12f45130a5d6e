"""Are two ways of laying items into rows the same step? Their losses and gradients say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vlm_autodrive.training.prefix_sharing import SharedBatch, weighted_loss

Pass = tuple[SharedBatch, Mapping[str, torch.Tensor]]
"""What :func:`weighted_loss` takes beside the model."""

LossAndGradients = tuple[float, dict[str, torch.Tensor]]

TOLERANCE = 1e-5
"""Ratio below which two gradients are one, in float32."""

_NOISE = 1e-6


@dataclass(frozen=True)
class Equality:
    """How far two ways are apart.

    Attributes:
        loss: Of the one way.
        other_loss: Of the other.
        largest_ratio: Over all tensors, the largest norm of the gradients' difference over the norm of the gradient.
        tensor: Where that is.
    """

    loss: float
    other_loss: float
    largest_ratio: float
    tensor: str

    @property
    def holds(self) -> bool:
        """Whether they are the same but for rounding."""
        return self.largest_ratio <= TOLERANCE and abs(self.loss - self.other_loss) <= TOLERANCE * abs(self.other_loss)


def compare_passes(model: Any, passes: Sequence[Pass], others: Sequence[Pass]) -> Equality:
    """Compare the losses and gradients of two ways of laying the same items."""
    return compare_gradients(loss_and_gradients(model, passes), loss_and_gradients(model, others))


def compare_gradients(one: LossAndGradients, other: LossAndGradients) -> Equality:
    """Compare by norms, and not by single numbers.

    Of those, a right gradient has some so near to zero that rounding is all there is of them. For the same reason a
    tensor whose whole gradient is below a millionth of the model's (a bias that the softmax takes out again) is
    measured by that millionth.
    """
    (loss, gradients), (other_loss, other_gradients) = one, other
    if gradients.keys() != other_gradients.keys():
        return Equality(loss, other_loss, float("inf"), ", ".join(sorted(gradients.keys() ^ other_gradients.keys())))
    least = _NOISE * float(torch.stack([gradient.norm() for gradient in other_gradients.values()]).norm())
    ratios = {
        name: float((gradient - other_gradients[name]).norm() / other_gradients[name].norm().clamp(min=least))
        for name, gradient in gradients.items()
    }
    tensor = max(ratios, key=lambda name: ratios[name])
    return Equality(loss, other_loss, ratios[tensor], tensor)


def loss_and_gradients(model: Any, passes: Sequence[Pass]) -> LossAndGradients:
    """The sums of some forward passes: the loss, and each trained tensor's gradient."""
    model.zero_grad()
    total = 0.0
    for batch, vision in passes:
        loss = weighted_loss(model, batch, vision)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return total, gradients
