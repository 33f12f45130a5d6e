"""Selective decoding: sample frames by the packets' presentation times, and decode no others.

Demuxing costs next to nothing beside decoding, and packets carry the presentation times of their frames. So the
frames can be sampled before anything is decoded: the decoder may skip pictures that are not wanted and that no other
picture refers to, and it can stop behind the last one that is wanted. Where a file is not as tidy as that takes,
None is returned, and the frames are found by decoding all; both ways give the same frames.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import av
import numpy as np

from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.errors import VideoError, library_errors
from vlm_autodrive.video.frame_sampler import nominal_interval_s, sample_frames
from vlm_autodrive.video.frames import Frames, SamplingSettings
from vlm_autodrive.video.geometry import Resizer

# Only H.264 marks pictures that nothing refers to: HEVC's mark holds within one temporal layer only.
_MARKS_UNREFERRED = frozenset(("h264",))
_SLACK_S = 0.1  # a video may end this much, or this share of the window, before the window does
_SLACK_SHARE = 0.05


def slack_s(start_s: float, end_s: float) -> float:
    """By how many seconds a video may end before a window does, since headers and labels are rounded."""
    return max(_SLACK_S, _SLACK_SHARE * (end_s - start_s))


def decode_selected(video: OpenVideo, start_s: float, end_s: float, sampling: SamplingSettings) -> Frames | None:
    """The frames of one window; None where it takes decoding everything to be sure of them.

    Args:
        video: The video.
        start_s: Start of the window, in seconds after the video's first frame.
        end_s: Its end, likewise.
        sampling: Which frames, and how large.
    """
    try:
        chosen = _sample(video, start_s, end_s, sampling)
        pixels = _decode(video, start_s, [stamp for stamp, _ in chosen], sampling) if chosen else None
    except VideoError:
        return None
    if not chosen or pixels is None:
        return None
    return Frames(
        pixels, _clip_times(chosen, start_s), sampling.draw_timestamps, nominal_interval_s(end_s - start_s, sampling)
    )


def selected_times(
    video: OpenVideo, start_s: float, end_s: float, sampling: SamplingSettings
) -> tuple[float, ...] | None:
    """The times of the frames that :func:`decode_selected` gives, without decoding; None where they cannot be told."""
    try:
        chosen = _sample(video, start_s, end_s, sampling)
    except VideoError:
        return None
    return _clip_times(chosen, start_s) if chosen else None


def decode_from(
    video: OpenVideo, start_s: float, stamps: set[int], *, skip_unreferred: bool
) -> Iterator[av.VideoFrame]:
    """Frames from the key frame at or before ``start_s`` on, at least those of ``stamps`` and no further.

    Args:
        video: The video.
        start_s: Seconds after the first frame.
        stamps: Presentation times, in ticks, of the frames that are needed.
        skip_unreferred: Do not decode other frames if no frame refers to them.

    Raises:
        VideoError: While iterating, where the file is damaged.
    """
    context = video.stream.codec_context
    left = len(stamps)
    fields = video.field_pairs()
    try:
        with library_errors(video.path), suppress(av.error.EOFError):
            for packet in video.packets_from(start_s):
                completes = fields.complete_frame(packet)
                if not left and not completes:
                    break
                needed = packet.pts in stamps
                # Set for each packet: the decoder drops it only if no other picture is predicted from it.
                if skip_unreferred and not fields.has_fields:
                    context.skip_frame = "DEFAULT" if needed else "NONREF"
                yield from packet.decode()
                left -= needed
            yield from context.decode(None)  # the decoder holds back pictures to reorder them; take the last ones
    finally:
        context.skip_frame = "DEFAULT"


def _clip_times(chosen: list[tuple[int, float]], start_s: float) -> tuple[float, ...]:
    return tuple(max(0.0, round(time_s - start_s, 6)) for _, time_s in chosen)


def _sample(
    video: OpenVideo, start_s: float, end_s: float, sampling: SamplingSettings
) -> list[tuple[int, float]] | None:
    """Ticks and seconds of the presentation times of the window's frames; None where packets do not tell them."""
    stamps = _presentation_times(video, start_s, end_s)
    if stamps is None:
        return None
    times_s = [video.time_of(stamp) for stamp in stamps]
    return [(stamps[index], times_s[index]) for index in sample_frames(times_s, start_s, end_s, sampling)]


def _presentation_times(video: OpenVideo, start_s: float, end_s: float) -> list[int] | None:
    """The presentation times of all frames from the last key frame before the window to its end, rising."""
    stamps: list[int] = []
    last_length_s = 0.0
    key = None
    fields = video.field_pairs()
    for packet in video.packets_from(start_s):
        if packet.size == 0 or packet.is_discard:  # empty at the end of the stream; cut off by an edit list
            continue
        if fields.complete_frame(packet):  # it is shown with the field before it
            continue
        if packet.pts is None or packet.dts is None or packet.is_corrupt:
            return None
        if key is None:
            key = packet.pts
            if not packet.is_keyframe or video.time_of(key) > max(start_s, 0.0):
                return None
        if packet.pts >= key:  # a picture shown before the key frame may refer to what lies before that
            stamps.append(packet.pts)
        last_length_s = video.seconds(packet.duration or 0)
        # Packets come in decoding order. No later packet is shown before its decoding time, so that from here on
        # none can be shown within the window, B-frames included.
        if video.time_of(packet.dts) >= end_s:
            break
    else:  # the file ends here: does the window, too?
        if not stamps:
            return None
        stamps.sort()
        gap_s = video.seconds(stamps[-1] - stamps[-2]) if len(stamps) > 1 else 0.0
        if video.time_of(stamps[-1]) + max(gap_s, last_length_s) < end_s - slack_s(start_s, end_s):
            return None
    stamps.sort()
    # Two frames of one time cannot be told apart by their times after decoding.
    return None if any(left == right for left, right in pairwise(stamps)) else stamps


def _decode(video: OpenVideo, start_s: float, stamps: list[int], sampling: SamplingSettings) -> np.ndarray | None:
    """The pictures of these presentation times; None if one of them does not come, or not sound."""
    places = {stamp: place for place, stamp in enumerate(stamps)}
    pixels = np.empty((len(stamps), sampling.height, sampling.width, 3), np.uint8)
    resizer = Resizer(video.path, sampling.height, sampling.width, sampling.band_height)
    skips = video.codec in _MARKS_UNREFERRED
    for frame in decode_from(video, start_s, set(places), skip_unreferred=skips):
        place = places.pop(frame.pts, None) if frame.pts is not None else None
        if place is None:
            continue
        if frame.is_corrupt:
            return None
        pixels[place] = resizer.picture(frame)
        if not places:
            return pixels
    return None
