"""From visits to the tensors of a forward pass."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.models.encoding import Encoder
from vlm_autodrive.training.prefix_sharing import ItemTokens, SharedBatch, SharedRow, pad_rows, share_prefix
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.visits import Visit
from vlm_autodrive.video.frame_cache import FrameCache


@dataclass(frozen=True)
class TrainBatch:
    """What one forward pass needs.

    Attributes:
        shared: The rows, one a clip.
        pixels: Normalised patches of all clips in row order, shape [patches, values].
        grids: Grid of each clip's patches, shape [rows, 3].
        weight: Sum of the weights of all learned tokens.
        tokens: Tokens of the rows, without padding.
    """

    shared: SharedBatch
    pixels: torch.Tensor
    grids: torch.Tensor
    weight: float
    tokens: int

    def to(self, device: torch.device) -> "TrainBatch":
        """The batch on a device."""
        return replace(self, shared=self.shared.to(device), pixels=self.pixels.to(device), grids=self.grids.to(device))

    def weightless(self) -> "TrainBatch":
        """The same batch, of which nothing is learned: for a process that must compute along and has no clip left."""
        shared = replace(self.shared, weights=torch.zeros_like(self.shared.weights))
        return replace(self, shared=shared, weight=0.0, tokens=0)


def item_tokens(encoder: Encoder, visit: Visit, settings: TrainSettings) -> list[ItemTokens]:
    """Tokens and weights of a visit's items, mirrored where the visit is."""
    tokens = []
    for item in visit.items:
        target = item.mirror_target if visit.mirrored else item.target
        assert target is not None, f"{item.item_id} cannot be mirrored"
        weight = settings.kind_weights.get(item.kind, 1.0)
        factors = _factors(encoder, target, settings.pattern_weights)
        tokens.append(ItemTokens(encoder.question(item.prompt.text), encoder.target(target), weight, factors))
    return tokens


def _factors(encoder: Encoder, target: str, patterns: dict[str, float]) -> list[float] | None:
    """The factor of each token: of the first pattern that matches some of its text, else 1."""
    found = [(match.span(), factor) for pattern, factor in patterns.items() for match in re.finditer(pattern, target)]
    if not found:
        return None
    return [
        next((factor for (begin, end), factor in found if first < end and last > begin), 1.0)
        for first, last in encoder.target_spans(target)
    ]


def build_batches(
    encoder: Encoder, cache: FrameCache, visits: Sequence[Visit], settings: TrainSettings
) -> list[TrainBatch]:
    """The forward passes for some visits."""
    size = settings.clips_per_forward or settings.clips_per_step
    return [build_batch(encoder, cache, visits[i : i + size], settings) for i in range(0, len(visits), size)]


def build_batch(encoder: Encoder, cache: FrameCache, visits: Sequence[Visit], settings: TrainSettings) -> TrainBatch:
    """Load, augment and encode the clips of a forward pass."""
    rows: list[SharedRow] = []
    pixels, grids = [], []
    for visit in visits:
        frames = cache.get(visit.clip)
        height, width = frames.pixels.shape[1:3]
        prefix = encoder.prefix(frames.times_s, height, width)
        rows.append(share_prefix(prefix, item_tokens(encoder, visit, settings)))
        pixels.append(encoder.pixel_values(augment(frames.pixels, visit)))
        grids.append(prefix.grid_thw)
    return TrainBatch(
        shared=pad_rows(rows, encoder.pad_id),
        pixels=torch.cat(pixels),
        grids=torch.tensor(grids),
        weight=float(sum(row.weights.sum() for row in rows)),
        tokens=sum(len(row.input_ids) for row in rows),
    )


def augment(pixels: NDArray[np.uint8], visit: Visit) -> NDArray[np.uint8]:
    """Mirror the frames and change contrast and brightness, as the visit says."""
    if visit.mirrored:
        pixels = pixels[:, :, ::-1]
    if visit.gain == 1.0 and visit.offset == 0.0:
        return pixels
    levels = np.arange(256, dtype=np.float32)
    table = np.clip((levels - 127.5) * visit.gain + 127.5 + 255 * visit.offset, 0, 255).astype(np.uint8)
    changed: NDArray[np.uint8] = table[pixels]
    return changed
