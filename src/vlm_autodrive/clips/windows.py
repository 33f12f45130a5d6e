"""Placement of windows, by seeded draws that do not depend on the class, and the ground truth inside a window."""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Sequence

from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.records import Distraction, Encounter, Event, Scenario, Taxonomy
from vlm_autodrive.video import Window


def draw(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but ``parts``, on any machine."""
    # A hash rather than a generator: adding a video must not move the windows of the others, and the number must be
    # the same for every version of numpy.
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def allowed_starts(reference_s: float, duration_s: float, window_s: float, margin_s: float) -> Window:
    """From where to where a window may start that shows the time ``reference_s``.

    The reference lies at least ``margin_s`` inside the window, as far as the video's own ends let it, and
    the window lies inside the video.
    """
    latest_s = max(0.0, duration_s - window_s)
    low_s = max(0.0, reference_s - window_s + margin_s)
    high_s = min(latest_s, reference_s - margin_s)
    if low_s > high_s:  # the reference is nearer to an end of the video than the margin
        high_s = low_s = min(max(high_s, 0.0), latest_s)
    return low_s, high_s


def place_window(
    references_s: Sequence[float], durations_s: Sequence[float], fraction: float, window_s: float, margin_s: float
) -> Window:
    """The window of the first video, at a start that suits its siblings too.

    With one video whose ends are far, an even ``fraction`` puts the reference evenly between ``margin_s`` after
    the window's start and ``margin_s`` before its end.

    Args:
        references_s: The time to show, in the video and in each of its triplet's siblings.
        durations_s: Their lengths.
        fraction: Where in the allowed stretch the window starts, from 0 to 1; the same for all siblings.
        window_s: Length of the window; a shorter video gives all of itself.
        margin_s: How far inside it the reference lies.
    """
    # The siblings of a triplet differ in their outcome alone. With one start for all of them, where the window lies in
    # the video cannot tell which it is.
    stretches = [allowed_starts(r, d, window_s, margin_s) for r, d in zip(references_s, durations_s, strict=True)]
    low_s = max(low for low, _ in stretches)
    high_s = min(high for _, high in stretches)
    if low_s > high_s:  # no start suits all: the video stands for itself
        low_s, high_s = stretches[0]
    start_s = round(low_s + fraction * (high_s - low_s), 6)
    return _window(start_s, durations_s[0], window_s)


def window_like(model: Window, model_duration_s: float, duration_s: float) -> Window:
    """The window that stands in a video of one length where ``model`` stands in a video of another.

    It is as long as the model, as far as the video is, and ends at the same fraction of the whole.
    """
    end_s = round(model[1] / model_duration_s * duration_s, 6)
    return max(0.0, round(end_s - (model[1] - model[0]), 6)), end_s


def place_normal_windows(
    count: int, duration_s: float, blocked: Sequence[Window], key: str, s: ClipSettings
) -> list[Window]:
    """Up to ``count`` windows that keep away from the blocked stretches, and do not overlap each other.

    They may overlap an event's window: what comes just before or after an event is the hardest Normal there is.
    """
    placed: list[Window] = []
    for number in range(count):
        free = _free_stretches(duration_s, [*blocked, *placed])
        rooms = [(start, end - start - s.window_s) for start, end in free if end - start >= s.window_s]
        if not rooms:
            break
        left_s = draw(s.seed, key, "normal", number) * sum(room for _, room in rooms)
        for start, room in rooms:
            if left_s <= room:
                placed.append(_window(round(start + left_s, 6), duration_s, s.window_s))
                break
            left_s -= room
    return placed


def section_of(time_s: float, section_starts_s: Sequence[float], duration_s: float) -> Window:
    """Start and end of the continuous section that shows a time; a video without a gap is one."""
    edges_s = [0.0, *section_starts_s, duration_s]
    number = min(bisect_right(section_starts_s, time_s), len(edges_s) - 2)
    return edges_s[number], edges_s[number + 1]


def worst_event(events: Sequence[Event], taxonomy: Taxonomy) -> Event | None:
    """The most severe of some events, the first of several; unknown kinds count as the most severe."""
    ranks = {name: rank for rank, name in enumerate(taxonomy.names)}

    def order(event: Event) -> tuple[int, float]:
        return ranks.get(event.event_class or "", -1), math.inf if event.time_s is None else event.time_s

    return min(events, key=order, default=None)


def events_inside(window: Window, events: Sequence[Event]) -> list[Event]:
    """The events whose time lies inside a window."""
    return [e for e in events if e.time_s is not None and window[0] <= e.time_s < window[1]]


def _window(start_s: float, duration_s: float, window_s: float) -> Window:
    if duration_s <= window_s:
        return 0.0, duration_s
    start_s = max(0.0, min(start_s, duration_s - window_s))
    return start_s, round(start_s + window_s, 6)


def _free_stretches(duration_s: float, blocked: Sequence[Window]) -> list[Window]:
    free: list[Window] = []
    at_s = 0.0
    for start_s, end_s in sorted(blocked):
        if start_s > at_s:
            free.append((at_s, start_s))
        at_s = max(at_s, end_s)
    if at_s < duration_s:
        free.append((at_s, duration_s))
    return free


_SHAKES_S = 1.5  # how long a speed bump is felt, both axles and the springs


def scenario_in_window(scenario: Scenario, start_s: float, end_s: float) -> Scenario:
    """What of a scenario happens inside a window, with all times counted from its start.

    Encounters belong to the window that shows their contact or closest approach. A hazard that began
    before the window has a negative onset. A warning before the window is None. A speed bump just before it
    stays, at a negative time: the picture still shakes.
    """

    def inside(time_s: float) -> bool:
        return start_s <= time_s < end_s

    def felt(distraction: Distraction) -> bool:
        bump = distraction.kind == "speed_bump"
        return start_s - (_SHAKES_S if bump else 0.0) <= distraction.time_s < end_s

    def moved(time_s: float) -> float:
        return round(time_s - start_s, 6)

    def move(encounter: Encounter) -> Encounter:
        alert_s = encounter.alert_time_s
        return encounter.model_copy(
            update={
                "time_s": moved(encounter.time_s),
                "onset_s": moved(encounter.onset_s),
                "alert_time_s": moved(alert_s) if alert_s is not None and inside(alert_s) else None,
            }
        )

    return scenario.model_copy(
        update={
            "duration_s": round(end_s - start_s, 6),
            "encounters": tuple(move(e) for e in scenario.encounters if inside(e.time_s)),
            "distractions": tuple(
                d.model_copy(update={"time_s": moved(d.time_s)}) for d in scenario.distractions if felt(d)
            ),
            "states": tuple(
                s.model_copy(update={"time_s": moved(s.time_s)}) for s in scenario.states if inside(s.time_s)
            ),
        }
    )
