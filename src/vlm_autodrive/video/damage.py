"""Damaged stretches of a video: where pictures are missing or smeared."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.sections import PacketClock

_HOLE_S, _HOLE_FRAMES = 0.25, 4  # an even frame rate has no gap as long as this and as so many frames
_EVEN = 0.1  # a gap may differ from the median gap by this share,
_EVEN_S = 0.0015  # or by this, since Matroska and others count in milliseconds,
_UNEVEN_SHARE = 0.02  # and so may this share of the gaps by any length, before the rate is called variable
_FEW_UNEVEN = 2  # gaps of a short video that do not make it so, but are holes
_PLACES_TOLD = 5


def is_even_rate(gaps_s: Sequence[float], usual_s: float) -> bool:
    """Whether the times between frames differ by no more than rounding and a few holes.

    Args:
        gaps_s: Seconds from each frame to the next.
        usual_s: The usual time.
    """
    uneven = sum(abs(gap_s - usual_s) > max(_EVEN * usual_s, _EVEN_S) for gap_s in gaps_s)
    return uneven <= max(_UNEVEN_SHARE * len(gaps_s), _FEW_UNEVEN)


def packet_times(video: OpenVideo, packets: PacketClock) -> list[float]:
    """Times of all frames by their packets, in rising order."""
    stamped = [(number, stamp) for number, stamp in enumerate(packets.stamps) if stamp is not None]
    times_s = (video.packet_time(number, stamp) for number, stamp in stamped)
    return sorted({time_s for time_s in times_s if time_s is not None and time_s >= 0})


def packet_damage(video: OpenVideo, packets: PacketClock) -> tuple[tuple[float, float], ...]:
    """The stretches of :func:`damaged_stretches` that are known without decoding: marked packets, and holes."""
    times_s = packet_times(video, packets)
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
    if not gaps_s:
        return ()
    usual_s = median(gaps_s)
    is_even = is_even_rate(gaps_s, usual_s)
    if not any(packets.corrupt) and not (is_even and max(gaps_s) > _longest_gap_s(usual_s)):
        return ()
    return damaged_stretches(video, packets, times_s, (), usual_s, is_even=is_even)


def damage_words(stretches: Sequence[tuple[float, float]]) -> str:
    """Damaged stretches in plain words."""
    places = ", ".join(f"{start_s:.2f} to {end_s:.2f} s" for start_s, end_s in stretches[:_PLACES_TOLD])
    more = len(stretches) - _PLACES_TOLD
    return f"pictures are missing or smeared from {places}{f' and {more} more places' if more > 0 else ''}"


def _longest_gap_s(usual_s: float) -> float:
    return max(_HOLE_S, _HOLE_FRAMES * usual_s)


def damaged_stretches(
    video: OpenVideo,
    packets: PacketClock,
    times_s: Sequence[float],
    smeared_s: Sequence[float],
    usual_s: float,
    *,
    is_even: bool,
) -> tuple[tuple[float, float], ...]:
    """Start and end of each stretch, in rising order.

    A fault is a packet that the container marks as damaged, a picture that cannot be decoded or is smeared, or a hole
    in an even frame rate. What is predicted from such a picture may be smeared too, up to the next key frame.

    Args:
        video: The video, after it was decoded.
        packets: Its packets.
        times_s: Times of its frames.
        smeared_s: Times of those that the decoder marks as smeared.
        usual_s: The usual time from one frame to the next.
        is_even: Whether the frame rate is even.
    """
    keys_s: list[float] = []
    end_s = times_s[-1] + usual_s
    faults = [(time_s, time_s + usual_s) for time_s in (*video.undecodable_s, *smeared_s)]
    for number, stamp in enumerate(packets.stamps):
        time_s = video.packet_time(number, stamp) if stamp is not None else None
        if time_s is None:
            continue
        end_s = max(end_s, time_s + usual_s)
        if packets.keys[number] and time_s not in video.undecodable_s:
            keys_s.append(time_s)
        # Where files were joined, the container misses packets that never were.
        if packets.corrupt[number] and not any(abs(time_s - s.start_s) <= 2 * usual_s for s in video.sections[1:]):
            faults.append((time_s, time_s + usual_s))
    if is_even:
        holes = [(a + usual_s, b) for a, b in pairwise(times_s) if b - a > _longest_gap_s(usual_s)]
        faults += holes
    keys_s.sort()
    stretches: list[tuple[float, float]] = []
    for start_s, until_s in sorted(faults):
        key = bisect_left(keys_s, until_s - usual_s / 2)
        stop_s = keys_s[key] if key < len(keys_s) else end_s
        if stretches and start_s <= stretches[-1][1]:
            stretches[-1] = stretches[-1][0], max(stretches[-1][1], stop_s)
        else:
            stretches.append((start_s, stop_s))
    return tuple((round(start_s, 3), round(stop_s, 3)) for start_s, stop_s in stretches)
