"""Which stretches of a long video are decoded to judge its pictures, where decoding all of it would take too long."""

import math

WHOLE_UP_TO_S = 600.0  # a video that is no longer than this is decoded whole
ENDS_S = 60.0  # of a longer one its first and last minute,
SAMPLE_S, EVERY_S = 10.0, 300.0  # and between them so much out of every five minutes

Stretch = tuple[float, float]


def stretches_to_decode(duration_s: float, *, whole: bool) -> tuple[Stretch, ...]:
    """Start and end of each stretch, in seconds after the first frame, in rising order and apart from each other."""
    if whole or duration_s <= WHOLE_UP_TO_S:
        return ((0.0, math.inf),)
    first, last = (0.0, ENDS_S), (duration_s - ENDS_S, math.inf)
    count = math.floor((last[0] - first[1]) / EVERY_S)
    step_s = (last[0] - first[1]) / (count + 1)
    starts_s = [first[1] + number * step_s for number in range(1, count + 1)]
    return (first, *((start_s, start_s + SAMPLE_S) for start_s in starts_s if start_s + SAMPLE_S < last[0]), last)
