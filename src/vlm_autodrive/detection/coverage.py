"""Which seconds of a trip lie in a window with a score, and why the others do not."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from vlm_autodrive.detection.scan import SHORTEST_SECTION_S
from vlm_autodrive.records import NotJudged, WindowScore
from vlm_autodrive.video import Trip

_TOLERANCE_S = 1e-3  # stretches of video shorter than this are none
_TOO_SHORT = f"in a continuous section of less than {SHORTEST_SECTION_S:g} s, which is too short to be judged"


def scored_seconds(scores: Sequence[WindowScore]) -> float | None:
    """Seconds of video that lie in a window with a score; None if there are none."""
    total, up_to = 0.0, 0.0
    for score in scores:
        if score.probabilities is not None:
            total += score.end_s - max(score.start_s, up_to)
            up_to = score.end_s
    return round(total, 6) or None


def unscored_spans(trip: Trip, scores: Sequence[WindowScore]) -> list[NotJudged]:
    """The seconds of footage that lie in no window with a score, file by file; the windows are in order of time."""
    scored = [(score.start_s, score.end_s) for score in scores if score.probabilities is not None]
    failed = [score for score in scores if score.probabilities is None]
    starts, ends = [start_s for start_s, _ in scored], [end_s for _, end_s in scored]
    found = []
    for file in trip.files:
        up_to, end = file.start_s, file.start_s + file.duration_s
        within = scored[bisect_right(ends, up_to) : bisect_left(starts, end)]
        for start_s, end_s in [*within, (end, end)]:
            if up_to + _TOLERANCE_S < min(start_s, end):
                to = min(start_s, end)
                reason = next((s.reason for s in failed if s.start_s < to and up_to < s.end_s), _TOO_SHORT)
                span = NotJudged(path=file.path, start_s=up_to, duration_s=round(to - up_to, 6), reason=reason)
                found.append(span)
            up_to = max(up_to, min(end_s, end))
    return found
