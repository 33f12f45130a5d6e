"""Clips of any length that show noise, for tests and benchmarks of what examples cost; no video is there."""

import numpy as np

from tests.training.supervision_set import make_samples
from vlm_autodrive.records import Clip
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.video import Frames, SamplingSettings, target_frame_count


class NoiseCache:
    """Stands for the frame cache."""

    def __init__(self, sampling: SamplingSettings):
        self._sampling = sampling

    def get(self, clip: Clip) -> Frames:
        """As many frames of noise as training would see of the clip."""
        count = target_frame_count(clip.duration_s, self._sampling)
        shape = (count, self._sampling.height, self._sampling.width, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return Frames(pixels, tuple(number / self._sampling.fps for number in range(count)))


def noise_example(name: str, seconds: float) -> TrainExample:
    """A clip of so many seconds, with a verdict, a trace and a caption."""
    clip = Clip(
        clip_id=name,
        video_id=name,
        path="/nowhere/noise.mp4",
        start_s=0.0,
        end_s=seconds,
        split="train",
        event_class="collision",
        event_time_s=seconds / 2,
        alert_time_s=None,
        ego_involved=None,
        group_id=name,
        triplet_id=None,
        metadata={},
    )
    return TrainExample(clip, tuple(make_samples(clip)))
