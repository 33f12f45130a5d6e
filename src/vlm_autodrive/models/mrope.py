"""Multimodal RoPE: the positions of tokens on three axes, and the interval that the temporal one is spaced by.

Qwen2.5-VL ties temporal positions to seconds, of which each has ``tokens_per_second`` (technical report,
arXiv:2502.13923, "Multimodal Rotary Position Embedding Aligned to Absolute Time"). Its first implementation
(transformers pull request 35569) and vLLM's ``Qwen2_5_VLForConditionalGeneration.get_mrope_input_positions`` agree on
the rest: the temporal position is the number of the pair of frames times interval times ``tokens_per_second``, rounded
down at the very end, and text begins behind the largest position of all three axes.

transformers differs. 4.57 and 5.6 round the interval down to whole seconds first, which leaves all pairs at 4 frames
per second one position (mended by pull request 48669). 5.6 and 5.18 to 5.24 begin text behind height and width alone,
on top of a video with more temporal positions than rows and columns. Qwen3-VL and Qwen3.5 make each pair of frames a
video of its own behind its time as text, where all agree.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import torch

_MILLISECONDS_PER_SECOND = 1000
_HALF_A_POSITION_S = 0.25  # of the published Qwen2.5-VL models, whose tokens_per_second is 2


def mrope_positions(
    is_video: Sequence[bool], grids: Iterable[tuple[int, int, int]], temporal_step: float = 1.0
) -> tuple[torch.Tensor, int]:
    """Positions of a sequence of text and videos.

    Args:
        is_video: Of each token, whether it is of a video.
        grids: Of each run of video tokens, how many it has in time, height and width.
        temporal_step: Temporal positions from one pair of frames to the next.

    Returns:
        Positions in time, height and width, shape [3, tokens]; and the position of the next token of text.
    """
    parts, begin = [], 0
    remaining = iter(grids)
    for video, run in groupby(is_video):
        if video:
            steps, rows, columns = next(remaining)
            times = (torch.arange(steps, dtype=torch.float64) * temporal_step).long()
            axes = torch.meshgrid(times, torch.arange(rows), torch.arange(columns), indexing="ij")
            part = torch.stack(axes).flatten(1)
        else:
            part = torch.arange(len(list(run))).expand(3, -1)
        parts.append(begin + part)
        begin += int(part.max()) + 1
    return torch.cat(parts, dim=1), begin


def frame_interval_s(times_s: Sequence[float], nominal_interval_s: float | None = None) -> float:
    """The one interval that stands for the times of a clip's frames.

    The mean of the true intervals jitters with the frames that the file happens to hold (0.2474 s or 0.2503 s for 4
    frames per second), and a position just below a whole one is rounded down by half a second. So it is rounded to the
    nominal interval of the sampling, if that moves the last pair of frames by less than half a temporal position.
    Else it is the clip's own: of uneven times, or of fewer frames than were wanted.

    Args:
        times_s: The true times of the frames.
        nominal_interval_s: The interval that the sampling is made with; None if it is not known.
    """
    mean_s = (times_s[-1] - times_s[0]) / max(len(times_s) - 1, 1)
    last_pair = 2 * ((len(times_s) - 1) // 2)
    if nominal_interval_s is None or last_pair * abs(nominal_interval_s - mean_s) >= _HALF_A_POSITION_S:
        return mean_s
    return nominal_interval_s


def video_metadata(times_s: Sequence[float], nominal_interval_s: float | None = None) -> dict[str, Any]:
    """How the stock processors, here and in a server, are told the times of frames.

    The frames are the only ones kept of a video with a frame each millisecond. Qwen3-VL's processor writes the times of
    ``frames_indices`` into the prompt. Qwen2.5-VL's takes ``total_num_frames / fps / len(frames_indices)`` for the
    interval, here :func:`frame_interval_s` and less than a millisecond over the whole clip more: it keeps the interval
    in float32, and must not fall below a whole position by that.

    Args:
        times_s: The true times of the frames.
        nominal_interval_s: As for :func:`frame_interval_s`.

    Returns:
        ``fps``, ``frames_indices`` and ``total_num_frames``, fields of transformers' ``VideoMetadata`` and of the
        ``media_io_kwargs`` of a request to vLLM.
    """
    length_s = len(times_s) * frame_interval_s(times_s, nominal_interval_s)
    return {
        "fps": float(_MILLISECONDS_PER_SECOND),
        "frames_indices": [round(time * _MILLISECONDS_PER_SECOND) for time in times_s],
        "total_num_frames": math.floor(length_s * _MILLISECONDS_PER_SECOND) + 1,
    }
