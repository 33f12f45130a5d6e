"""Gradient parity: a probe whether a shared prefix gives the losses and gradients of separate sequences.

- The prefix-sharing probe, before training: two samples stand behind one prefix. Where tokens meet in attention only,
  the second gets the same logits whatever the first says, and the same as if it were alone. Linear attention carries a
  state from token to token, and a vision tower that reads the question sees another video; there it does not.
- Gradient parity, for ``check_model`` and tests: loss and gradients of two ways to pack the same samples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vlm_autodrive.models import Encoder, LoadedModel
from vlm_autodrive.progress import Reporter
from vlm_autodrive.training.attention import choose_attention, use_flex
from vlm_autodrive.training.loss import logits_at, weighted_loss
from vlm_autodrive.training.packing import Packing
from vlm_autodrive.training.prefix_sharing import PackedBatch, SampleTokens, collate, share_prefix
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import SamplingSettings

_FRAMES, _INTERVAL_S = 4, 0.25
_LEAK = 1e-3  # relative difference of logits between two sequences of one shape, where attention alone leaves none
_NOISE = {torch.float32: 1e-3}  # between sequences of two shapes, whose sums run in another order
_NOISE_IN_BFLOAT16 = 0.1

ModelInputs = tuple[PackedBatch, Mapping[str, torch.Tensor]]
"""The arguments of :func:`weighted_loss` after the model."""

LossAndGradients = tuple[float, dict[str, torch.Tensor]]

TOLERANCE = 1e-5
"""Ratio below which two gradients of a model with one layer are equal, in float32."""

_NEGLIGIBLE = 1e-6  # of the norm of the whole gradient


def prepare_packing(
    model: Any, loaded: LoadedModel, encoder: Encoder, settings: TrainSettings, reporter: Reporter
) -> Packing:
    """Decide by the prefix-sharing probe how sequences are packed, and switch the model to FlexAttention if it is used.

    Args:
        model: What is trained: the loaded model or peft's wrapper of it.
        loaded: The model as it was loaded; its language model is changed in place where FlexAttention is used.
        encoder: Its encoder.
        settings: How it is trained.
        reporter: Told if samples cannot share a prefix.

    Raises:
        UserError: If the attention that is asked for cannot train on this device.
    """
    attention = choose_attention(settings.attention, loaded.device)
    if not probe_prefix_sharing(model, loaded, encoder, settings.sampling or loaded.card.sampling):
        reporter.say(
            f"{loaded.card.name} mixes the samples of a sequence by more than attention, so they cannot share their "
            "clip's video: each is trained in a sequence of its own, with the same result and at several times the cost"
        )
        return Packing(share=False, attention="causal")
    if attention == "flex":
        use_flex(loaded.model.get_submodule(loaded.family.language_model))
    return Packing(share=True, attention=attention)


@torch.no_grad()
def probe_prefix_sharing(model: Any, loaded: LoadedModel, encoder: Encoder, sampling: SamplingSettings) -> bool:
    """Whether a sample behind a shared prefix has the logits that it has alone, whatever stands between."""
    shape = (_FRAMES, sampling.height, sampling.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    prefix = encoder.prefix(tuple(i * _INTERVAL_S for i in range(_FRAMES)), *shape[1:3])
    vision = encoder.vision_inputs(encoder.pixel_values(pixels), torch.tensor([prefix.grid_thw]))
    vision = {name: value.to(loaded.device) for name, value in vision.items()}
    tokens = encoder.question("What happens?")
    probed, one, other = SampleTokens(tokens, []), SampleTokens(tokens, []), SampleTokens(tokens[::-1], [])

    def last_logits(samples: list[SampleTokens]) -> torch.Tensor:
        batch = collate([share_prefix(prefix, samples)], encoder.pad_id).to(loaded.device)
        length = batch.input_ids.shape[1]
        places = torch.arange(length - len(tokens), length, device=loaded.device)
        return logits_at(model, batch, vision, places).float()

    was_training = model.training
    model.eval()
    alone, first, second = (last_logits(samples) for samples in ([probed], [one, probed], [other, probed]))
    model.train(was_training)
    noise = _NOISE.get(next(model.parameters()).dtype, _NOISE_IN_BFLOAT16)
    return _relative_difference(first, second) <= _LEAK and _relative_difference(first, alone) <= noise


def _relative_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@dataclass(frozen=True)
class GradientParity:
    """How far the losses and gradients of two ways to pack the same samples are apart.

    Attributes:
        loss: Of the one way.
        other_loss: Of the other.
        largest_ratio: The largest over all tensors of the norm of the gradients' difference over the gradient's norm.
        tensor: Which tensor has it.
        tolerance: Up to which ratio they count as equal.
    """

    loss: float
    other_loss: float
    largest_ratio: float
    tensor: str
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether they are equal but for rounding."""
        same_loss = abs(self.loss - self.other_loss) <= self.tolerance * abs(self.other_loss)
        return self.largest_ratio <= self.tolerance and same_loss


def rounding_tolerance(config: Any) -> float:
    """Up to which ratio two gradients of a model count as equal: 1e-5 times the root of the number of its layers.

    Each layer rounds its sums in another order, and errors that do not depend on each other add up as the root of
    their number. ``benchmarks/gradient_parity.py`` measures both that the ratio stays below, at 1 to 36 layers, and
    how far above it a wrong mask is.

    Args:
        config: The model's configuration.
    """
    vision = config.vision_config
    towers = getattr(vision, "depth", None) or vision.num_hidden_layers
    return TOLERANCE * math.sqrt(config.get_text_config().num_hidden_layers + towers)


def compare_passes(model: Any, passes: Sequence[ModelInputs], others: Sequence[ModelInputs]) -> GradientParity:
    """Compare the losses and gradients of two ways to pack the same samples."""
    tolerance = rounding_tolerance(model.config)
    return compare_gradients(loss_and_gradients(model, passes), loss_and_gradients(model, others), tolerance)


def compare_gradients(one: LossAndGradients, other: LossAndGradients, tolerance: float = TOLERANCE) -> GradientParity:
    """Compare each tensor's gradients by norms.

    Elementwise, even a right gradient has entries so near to zero that rounding is all there is of them. For the same
    reason a tensor whose whole gradient is below a millionth of the model's (a key's bias, which the softmax cancels)
    is measured by that millionth.
    """
    (loss, gradients), (other_loss, other_gradients) = one, other
    if gradients.keys() != other_gradients.keys():
        only_one = ", ".join(sorted(gradients.keys() ^ other_gradients.keys()))
        return GradientParity(loss, other_loss, float("inf"), only_one, tolerance)
    least = _NEGLIGIBLE * float(torch.stack([gradient.norm() for gradient in other_gradients.values()]).norm())
    ratios = {
        name: float((gradient - other_gradients[name]).norm() / other_gradients[name].norm().clamp(min=least))
        for name, gradient in gradients.items()
    }
    tensor = max(ratios, key=lambda name: ratios[name])
    return GradientParity(loss, other_loss, ratios[tensor], tensor, tolerance)


def loss_and_gradients(model: Any, passes: Sequence[ModelInputs]) -> LossAndGradients:
    """The sums of some forward passes: the loss, and each trained tensor's gradient."""
    model.zero_grad()
    total = 0.0
    for batch, vision in passes:
        loss = weighted_loss(model, batch, vision)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)  # the tensors themselves stay, in the result
    return total, gradients
