"""The frame sampler: which frames of a window a model gets, by presentation time.

Training, evaluation, detection and serving all choose here. The rule: a window of ``end - start``
seconds wants ``round((end - start) * fps)`` frames, rounded up to an even number, or ``n_frames``; at
least 2, at most ``max_frames``, and no more than ``token_budget`` pays for. Their targets stand evenly
from the window's start; each is met by the frame nearest in time inside the window, the earlier of two
equally near. A frame that is nearest to several targets is taken once. If the window holds no more
frames than wanted, all are taken. The number taken can therefore be odd; models that merge frames in
pairs pad for themselves, and the plan of a training run names the clips where they will.
"""

from collections.abc import Sequence

from vlm_autodrive.video.frames import FRAMES_PER_TOKEN, SamplingSettings

TOLERANCE_S = 1e-6
"""Times nearer to each other than this are the same."""


def wanted_frames(duration_s: float, sampling: SamplingSettings) -> int:
    """How many frames a window of this length wants: even, from 2 to ``max_frames``, within the budget."""
    count = sampling.n_frames or round(duration_s * sampling.fps)
    most = sampling.max_frames
    if sampling.token_budget is not None and sampling.pair_tokens:
        most = min(most, FRAMES_PER_TOKEN * (sampling.token_budget // sampling.pair_tokens))
    return max(FRAMES_PER_TOKEN, min(count + count % FRAMES_PER_TOKEN, most))


class FrameChooser:
    """Chooses the frames of one window while they pass by in order of time.

    A frame's fate is known only when its follower has come, so :meth:`follow` tells of the frame
    before the one it is given. The first ``wanted`` frames are to be kept until the end, since they
    are all taken if no more come: :meth:`keeps_early` tells so, and :meth:`finish` which to take.
    """

    def __init__(self, start_s: float, end_s: float, sampling: SamplingSettings) -> None:
        """Choose from the window ``[start_s, end_s)``."""
        self._start_s, self._end_s = start_s, end_s
        self.wanted = wanted_frames(end_s - start_s, sampling)
        self._targets = [start_s + i * (end_s - start_s) / self.wanted for i in range(self.wanted)]
        self._target = 0
        self._seen = 0
        self._previous_s: float | None = None
        self._chosen: list[int] = []

    def holds(self, time_s: float) -> bool:
        """Whether a frame of this time lies inside the window."""
        return self._start_s - TOLERANCE_S <= time_s < self._end_s - TOLERANCE_S

    def is_past(self, time_s: float) -> bool:
        """Whether a frame of this time, and so all after it, lie behind the window."""
        return time_s >= self._end_s - TOLERANCE_S

    @property
    def keeps_early(self) -> bool:
        """Whether the frame offered last must be kept in any case, because all may be taken."""
        return self._seen <= self.wanted

    def follow(self, time_s: float) -> bool:
        """Offer the next frame inside the window; returns whether the one before it is chosen."""
        previous_s, self._previous_s = self._previous_s, time_s
        self._seen += 1
        if previous_s is None:
            return False
        middle_s = (previous_s + time_s) / 2
        return self._choose_previous(middle_s, self._seen - 2)

    def finish(self) -> list[int]:
        """No more frames come: the numbers, among those offered, of the frames that are taken."""
        if self._seen <= self.wanted:
            return list(range(self._seen))
        self._choose_previous(self._end_s, self._seen - 1)
        return self._chosen

    def _choose_previous(self, up_to_s: float, index: int) -> bool:
        before = self._target
        while self._target < self.wanted and self._targets[self._target] <= up_to_s + TOLERANCE_S:
            self._target += 1
        if self._target == before:
            return False
        self._chosen.append(index)
        return True


def choose_frames(
    presentation_times_s: Sequence[float], start_s: float, end_s: float, sampling: SamplingSettings
) -> list[int]:
    """Choose the frames of one window.

    Args:
        presentation_times_s: True times of all frames, rising.
        start_s: Start of the window; a frame at this very time is inside.
        end_s: End of the window; a frame at this very time is outside.
        sampling: How many frames are wanted.

    Returns:
        Indices of the chosen frames, rising; empty if no frame lies inside the window.
    """
    chooser = FrameChooser(start_s, end_s, sampling)
    inside = [index for index, time_s in enumerate(presentation_times_s) if chooser.holds(time_s)]
    for index in inside:
        chooser.follow(presentation_times_s[index])
    return [inside[number] for number in chooser.finish()]
