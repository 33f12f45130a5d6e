"""Where the windows over a video lie."""

import math


def plan_windows(duration_s: float, window_s: float, stride_s: float) -> list[tuple[float, float]]:
    """Windows over a whole video: one every stride, the last flush with the end.

    Every moment lies in a window. An event lies at least (window_s - stride_s) / 2 inside some window, or as far
    inside as the video's own ends allow. A video no longer than one window gives one window of the whole.

    Args:
        duration_s: Length of the video.
        window_s: Length of a window.
        stride_s: Seconds from one window's start to the next; at most ``window_s``.

    Returns:
        Start and end of each window, in rising order; empty for a video without length.
    """
    if duration_s <= 0:
        return []
    if duration_s <= window_s:
        return [(0.0, duration_s)]
    last_start = duration_s - window_s
    regular = [index * stride_s for index in range(math.ceil(last_start / stride_s - 1e-9))]
    return [(round(start, 6), round(start + window_s, 6)) for start in regular] + [(last_start, duration_s)]
