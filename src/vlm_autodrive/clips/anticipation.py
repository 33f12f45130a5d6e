"""Anticipation windows: they end a given lead time before the event and show nothing later."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_autodrive.records import Clip, Event
from vlm_autodrive.video import Window

_MIN_WINDOW_S = 1.0  # a shorter window shows too little to anticipate anything from
_TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class CausalWindow:
    """A window before an event, or why there is none.

    Attributes:
        window: Start and end.
        problem: Why it is refused; empty if it is not.
    """

    window: Window
    problem: str = ""


def causal_window(time_s: float, lead_s: float, window_s: float, earliest_s: float = 0.0) -> Window:
    """The window that ends ``lead_s`` before a time; shorter if the footage begins too late for all of it."""
    end_s = max(earliest_s, round(time_s - lead_s, 6))
    return max(earliest_s, round(end_s - window_s, 6)), end_s


def too_short(window: Window, lead_s: float, window_s: float) -> str:
    """Why a causal window is too short to show anything that could be anticipated; empty if it is not."""
    length_s = window[1] - window[0]
    if length_s >= min(_MIN_WINDOW_S, window_s) - _TOLERANCE_S:
        return ""
    return f"only {length_s:.2f} s of video lie before the end of a window {lead_s:g} s ahead"


def window_before(
    event: Event, others: Sequence[Event], lead_s: float, window_s: float, earliest_s: float = 0.0
) -> CausalWindow:
    """The window before an event, refused if what it shows does not announce the event, or shows another.

    Args:
        event: An event whose time is known.
        others: All events of the video.
        lead_s: How long before the event the window ends.
        window_s: Its length.
        earliest_s: Where the continuous section begins that shows the event.
    """
    assert event.time_s is not None
    window = start_s, end_s = causal_window(event.time_s, lead_s, window_s, earliest_s)
    # Before the warning nothing in the picture announces the event: a model that "anticipates" it there has learnt
    # something else. An earlier event in the window would be taken for the one that it leads up to.
    alert_s = event.alert_time_s
    earlier = [e.time_s for e in others if e.time_s is not None and start_s <= e.time_s < event.time_s]
    problem = too_short(window, lead_s, window_s)
    if not problem and alert_s is not None and alert_s > end_s + _TOLERANCE_S:
        late = alert_s - end_s
        problem = f"the warning comes {late:.2f} s after the end of a window {lead_s:g} s ahead of its event"
    elif not problem and earlier:
        problem = f"another event, at {min(earlier):.2f} s, comes before the one that the window leads up to"
    return CausalWindow(window, problem)


def check_causal(clip: Clip, lead_s: float) -> None:
    """Make sure that a clip shows nothing later than ``lead_s`` before its event.

    Readers take the frames of a window before its end, so the end is what counts.

    Raises:
        RuntimeError: If it does; that is a bug of ours.
    """
    if clip.event_time_s is not None and clip.duration_s > clip.event_time_s - lead_s + _TOLERANCE_S:
        raise RuntimeError(
            f"clip {clip.clip_id} ends {clip.event_time_s - clip.duration_s:.3f} s before its event, "
            f"but {lead_s:g} s are set"
        )
