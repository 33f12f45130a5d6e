"""From visits to the tensors of a forward pass."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.models import Encoder
from vlm_autodrive.training.attention import Attention
from vlm_autodrive.training.prefix_sharing import (
    ItemTokens,
    SharedBatch,
    SharedRow,
    join_rows,
    pad_rows,
    share_prefix,
)
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.visits import Visit
from vlm_autodrive.video import FrameCache, VideoError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Layout:
    """How clips and items are laid into rows.

    Attributes:
        share: Whether all items of a clip share its prefix; else each has a row of its own.
        attention: How the language model attends.
    """

    share: bool = True
    attention: Attention = "dense"


@dataclass(frozen=True)
class TrainBatch:
    """What one forward pass needs.

    Attributes:
        shared: The rows.
        vision: The arguments of the model's ``forward`` that hold the videos, in the order of their places in the rows.
        weight: Sum of the weights of all learned tokens.
        tokens: Tokens of the rows, without padding.
    """

    shared: SharedBatch
    vision: dict[str, torch.Tensor]
    weight: float
    tokens: int

    def to(self, device: torch.device) -> "TrainBatch":
        """The batch on a device."""
        vision = {name: value.to(device) for name, value in self.vision.items()}
        return replace(self, shared=self.shared.to(device), vision=vision)

    def weightless(self) -> "TrainBatch":
        """The same batch, of which nothing is learned: for a process that must compute along and has no clip left."""
        shared = replace(self.shared, weights=torch.zeros_like(self.shared.weights))
        return replace(self, shared=shared, weight=0.0, tokens=0)


@dataclass(frozen=True)
class _Laid:
    """A clip in a row, with what the model sees of it."""

    row: SharedRow
    pixels: torch.Tensor
    grid: tuple[int, int, int]


def item_tokens(encoder: Encoder, visit: Visit, settings: TrainSettings) -> list[ItemTokens]:
    """Tokens and weights of a visit's items, mirrored where the visit is."""
    tokens = []
    for item in visit.items:
        target = item.mirror_target if visit.mirrored else item.target
        assert target is not None, f"{item.sample_id} cannot be mirrored"
        weight = settings.loss_weights.get(item.type, 1.0)
        factors = _factors(encoder, target, settings.token_loss_weights)
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
    encoder: Encoder, cache: FrameCache, visits: Sequence[Visit], settings: TrainSettings, layout: Layout
) -> list[TrainBatch]:
    """Load, augment and encode clips, and lay them into forward passes.

    How they are laid changes nothing but time and memory: it is the visits that say what is learned.
    """
    laid = [each for visit in visits for each in _lay(encoder, cache, visit, settings, layout)]
    if settings.pack_to_tokens is None:
        size = settings.micro_batch_size or settings.batch_size
        passes = [[[each] for each in laid[i : i + size]] for i in range(0, len(laid), size)]
    elif layout.share:
        passes = [[row] for row in fill_rows(laid, settings.pack_to_tokens, _row_length)]
    else:  # no row can take a second item, so a pass takes rows side by side, each as long as the longest
        passes = [[[each] for each in rows] for rows in _side_by_side(laid, settings.pack_to_tokens)]
    return [_batch(encoder, rows, layout) for rows in passes]


def readable(cache: FrameCache, visits: Sequence[Visit]) -> list[Visit]:
    """Those of the visits whose clips' frames can be had; the others' turn out to be damaged when they are decoded."""
    kept = []
    for visit in visits:
        with suppress(VideoError):
            cache.get(visit.clip)
            kept.append(visit)
    return kept


def _side_by_side(laid: Sequence[_Laid], budget: int) -> list[list[_Laid]]:
    passes: list[list[_Laid]] = []
    for each in sorted(laid, key=_row_length):
        if passes and (len(passes[-1]) + 1) * _row_length(each) <= budget:
            passes[-1].append(each)
        else:
            passes.append([each])
    return passes


def fill_rows(pieces: Sequence[_T], budget: int, length: Callable[[_T], int]) -> list[list[_T]]:
    """Lay pieces into rows of at most ``budget``, each into the first with room; a longer one is alone in a row."""
    rows: list[list[_T]] = []
    room: list[int] = []
    for piece in pieces:
        need = length(piece)
        place = next((number for number, left in enumerate(room) if need <= left), None)
        if place is None:
            rows.append([piece])
            room.append(budget - need)
        else:
            rows[place].append(piece)
            room[place] -= need
    return rows


def _row_length(laid: _Laid) -> int:
    return len(laid.row.input_ids)


def _lay(encoder: Encoder, cache: FrameCache, visit: Visit, settings: TrainSettings, layout: Layout) -> list[_Laid]:
    """A visit's row with all of its items, or a row for each."""
    frames = cache.get(visit.clip)
    height, width = frames.pixels.shape[1:3]
    prefix = encoder.prefix(frames.times_s, height, width)
    pixels = encoder.pixel_values(augment(frames.pixels, visit))
    items = item_tokens(encoder, visit, settings)
    rows = [items] if layout.share else [[item] for item in items]
    return [_Laid(share_prefix(prefix, row), pixels, prefix.grid_thw) for row in rows]


def _batch(encoder: Encoder, rows: Sequence[Sequence[_Laid]], layout: Layout) -> TrainBatch:
    joined = [join_rows([laid.row for laid in row]) for row in rows]
    pixels = torch.cat([laid.pixels for row in rows for laid in row])
    grids = torch.tensor([laid.grid for row in rows for laid in row])
    return TrainBatch(
        shared=pad_rows(joined, encoder.pad_id, attention=layout.attention),
        vision=encoder.vision_inputs(pixels, grids),
        weight=float(sum(row.weights.sum() for row in joined)),
        tokens=sum(len(row.input_ids) for row in joined),
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
