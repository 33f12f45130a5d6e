"""Pictures of single moments of a trip: each of its files is opened once for all of them."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.records import TripFile, VideoDetections, file_at
from vlm_autodrive.video import Blur, VideoError, read_pictures

Picture = NDArray[np.uint8]
"""RGB pixels of shape [height, width, 3]."""


def read_trip_pictures(
    trip: VideoDetections, times_s: Sequence[float], max_width: int, blur: Blur = None
) -> tuple[list[Picture | None], str]:
    """Read the pictures of single moments, decoding only around them.

    Args:
        trip: The trip, with its files.
        times_s: Trip times, in any order.
        max_width: Wider pictures are made smaller, keeping their shape.
        blur: What is blurred in them.

    Returns:
        A picture for each time, None where its file cannot be read or blurred; and why that is, empty if all are there.
    """
    wanted: defaultdict[TripFile, list[tuple[int, float]]] = defaultdict(list)
    for index, time_s in enumerate(times_s):
        file = file_at(trip.files, time_s)
        wanted[file].append((index, time_s - file.start_s))
    pictures: list[Picture | None] = [None] * len(times_s)
    problems = []
    for file, moments in wanted.items():
        try:
            own_s = [time_s for _, time_s in moments]
            read = read_pictures(Path(file.path), own_s, max_width, stream=trip.video_stream, blur=blur)
        except VideoError as error:
            problems.append(error.reason)
            continue
        for (index, _), picture in zip(moments, read, strict=True):
            pictures[index] = picture
    return pictures, "; ".join(dict.fromkeys(problems))
