"""The frame sampler: uniform frame sampling by presentation time.

Training, evaluation, detection and serving all sample here. The rule: a window of ``end - start``
seconds wants ``round((end - start) * fps)`` frames, rounded up to an even number, or ``n_frames``; at
least 2, at most ``max_frames``, and no more than ``token_budget`` pays for. Their targets stand evenly
from the window's start; each is met by the frame nearest in time inside the window, the earlier of two
equally near. A frame that is nearest to several targets is taken once. If the window holds no more
frames than wanted, all are taken. The number taken can therefore be odd; models that merge frames in
pairs pad for themselves, and the plan of a training run names the clips where they will.
"""

from collections.abc import Sequence

from vlm_autodrive.video.frames import TEMPORAL_PATCH_SIZE, SamplingSettings

TOLERANCE_S = 1e-6
"""Times nearer to each other than this are the same."""


def target_frame_count(duration_s: float, sampling: SamplingSettings) -> int:
    """How many frames a window of this length wants: even, from 2 to ``max_frames``, within the budget."""
    most = sampling.max_frames
    if sampling.token_budget is not None and sampling.pair_tokens:
        most = min(most, TEMPORAL_PATCH_SIZE * (sampling.token_budget // sampling.pair_tokens))
    return max(TEMPORAL_PATCH_SIZE, min(_wanted(duration_s, sampling), most))


def _wanted(duration_s: float, sampling: SamplingSettings) -> int:
    count = sampling.n_frames or round(duration_s * sampling.fps)
    return count + count % TEMPORAL_PATCH_SIZE


def nominal_interval_s(duration_s: float, sampling: SamplingSettings) -> float:
    """The interval between frames that a window of this length asks for.

    It is that of ``fps`` where that alone decides how many frames are taken, and else the interval of the targets: with
    ``n_frames``, or where ``max_frames`` or ``token_budget`` lower the rate.
    """
    count = target_frame_count(duration_s, sampling)
    if sampling.n_frames is None and count == _wanted(duration_s, sampling):
        return 1 / sampling.fps
    return duration_s / count


class FrameSampler:
    """Samples the frames of one window from a stream of frames in order of time.

    A frame is decided when the next frame arrives, so :meth:`push` returns whether the frame before the
    one it is given is sampled. The first ``target_count`` frames must be buffered until the end, since all
    of them are taken if no more come: :attr:`must_buffer` says so, and :meth:`finish` which to take.
    """

    def __init__(self, start_s: float, end_s: float, sampling: SamplingSettings) -> None:
        """Sample from the window ``[start_s, end_s)``."""
        self._start_s, self._end_s = start_s, end_s
        self.target_count = target_frame_count(end_s - start_s, sampling)
        self._targets = [start_s + i * (end_s - start_s) / self.target_count for i in range(self.target_count)]
        self._target = 0
        self._seen = 0
        self._previous_s: float | None = None
        self._sampled: list[int] = []

    def holds(self, time_s: float) -> bool:
        """Whether a frame of this time lies inside the window."""
        return self._start_s - TOLERANCE_S <= time_s < self._end_s - TOLERANCE_S

    def is_past(self, time_s: float) -> bool:
        """Whether a frame of this time, and so all after it, lie behind the window."""
        return time_s >= self._end_s - TOLERANCE_S

    @property
    def must_buffer(self) -> bool:
        """Whether the frame pushed last must be kept in any case, because all may be taken."""
        return self._seen <= self.target_count

    def push(self, time_s: float) -> bool:
        """Add the next frame inside the window; returns whether the one before it is sampled."""
        previous_s, self._previous_s = self._previous_s, time_s
        self._seen += 1
        if previous_s is None:
            return False
        middle_s = (previous_s + time_s) / 2
        return self._decide_previous(middle_s, self._seen - 2)

    def finish(self) -> list[int]:
        """No more frames come: the indices, among those pushed, of the frames that are taken."""
        if self._seen <= self.target_count:
            return list(range(self._seen))
        self._decide_previous(self._end_s, self._seen - 1)
        return self._sampled

    def _decide_previous(self, up_to_s: float, index: int) -> bool:
        before = self._target
        while self._target < self.target_count and self._targets[self._target] <= up_to_s + TOLERANCE_S:
            self._target += 1
        if self._target == before:
            return False
        self._sampled.append(index)
        return True


def sample_frames(
    presentation_times_s: Sequence[float], start_s: float, end_s: float, sampling: SamplingSettings
) -> list[int]:
    """Sample the frames of one window uniformly, by presentation time.

    Args:
        presentation_times_s: True times of all frames, rising.
        start_s: Start of the window; a frame at this very time is inside.
        end_s: End of the window; a frame at this very time is outside.
        sampling: How many frames are wanted.

    Returns:
        Indices of the sampled frames, rising; empty if no frame lies inside the window.
    """
    sampler = FrameSampler(start_s, end_s, sampling)
    inside = [index for index, time_s in enumerate(presentation_times_s) if sampler.holds(time_s)]
    for index in inside:
        sampler.push(presentation_times_s[index])
    return [inside[number] for number in sampler.finish()]
