"""Overlapping windows of one video: each temporal patch goes through the vision tower once.

The towers of all supported families attend within a temporal patch (a pair of frames, or one frame) and know nothing
of its place in the clip. So two windows that show a patch have the same features of it, whatever else they show. A
patch is known by the times of its frames in the video: where a window's sampling happens to take another frame, the
patch is another one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vlm_autodrive.engines.protocol import SeenPatches
from vlm_autodrive.models import Encoder
from vlm_autodrive.video import Frames

_PER_SECOND = 1_000_000  # frame times are rounded to microseconds


class WindowVision:
    """The vision inputs of consecutive windows of one video."""

    def __init__(
        self,
        encoder: Encoder,
        device: torch.device,
        clips: Sequence[Frames],
        starts_s: Sequence[float],
        seen: SeenPatches,
    ) -> None:
        """See :meth:`~vlm_autodrive.engines.protocol.OverlapEngine.generate_windows`."""
        self._encoder, self._device = encoder, device
        self._clips, self._starts_s, self._seen = clips, starts_s, seen

    def inputs(self, group: Sequence[int], grid: tuple[int, int, int]) -> dict[str, Any]:
        """The arguments of the model's ``forward`` for some windows, which all have this grid."""
        patches = [self._patches(index) for index in group]
        fresh = {
            key: self._clips[index].pixels[places]
            for index, row in zip(group, patches, strict=True)
            for key, places in row.items()
            if key not in self._seen
        }
        if fresh:
            values = self._encoder.pixel_values(np.concatenate(list(fresh.values()))).to(self._device)
            features = self._encoder.features(values, (len(fresh), *grid[1:]))
            # Copies, since a part of the whole would keep all of it in memory.
            self._seen.update((key, each.clone()) for key, each in zip(fresh, features, strict=True))
        return self._encoder.feature_inputs(torch.stack([self._seen[key] for row in patches for key in row]))

    def forget(self) -> None:
        """Keep only what windows that begin after the last one may show."""
        begin = round(self._starts_s[-1] * _PER_SECOND)
        for key in [key for key in self._seen if key[0] < begin]:
            del self._seen[key]

    def _patches(self, index: int) -> dict[tuple[int, ...], list[int]]:
        """Of each temporal patch of a window what it is known by, and the places of its frames among the window's."""
        times_s, length = self._clips[index].times_s, self._encoder.patch_frames
        moments = [round((self._starts_s[index] + time_s) * _PER_SECOND) for time_s in times_s]
        last = len(times_s) - 1  # an odd last frame is paired with itself
        rows = [[min(first + i, last) for i in range(length)] for first in range(0, len(times_s), length)]
        return {tuple(moments[place] for place in row): row for row in rows}
