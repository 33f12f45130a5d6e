"""What each correction is about: the events of the catalog that it speaks of, and which corrections contradict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_autodrive.datasets.corrections.labels import agree, in_file
from vlm_autodrive.records import Correction, Event, MomentLabel, Video

_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class Target:
    """A correction with what it is about. All times are in seconds after the first frame of its file.

    Attributes:
        correction: The correction.
        video: Its video, as it was before any correction.
        label: What holds.
        first_said: What was said of the item before the first decision on it.
        window: The stretch that was judged.
        events: The events that it speaks of: of a moment judged to be Normal all in the stretch, else the judged one.
    """

    correction: Correction
    video: Video
    label: MomentLabel
    first_said: MomentLabel | None
    window: tuple[float, float]
    events: tuple[Event, ...]

    @property
    def moment_s(self) -> float:
        """The moment that was judged: that of the event that was said to be there, or the middle of the stretch."""
        said = self.first_said
        if said is not None and said.time_s is not None:
            return said.time_s
        return round(sum(self.window) / 2, 6)


def target_of(
    correction: Correction,
    label: MomentLabel,
    first_said: MomentLabel | None,
    video: Video,
    events: Sequence[Event],
    normal: str,
    tolerance_s: float,
) -> Target:
    """Find what a correction is about.

    Args:
        correction: The correction.
        label: What holds by it, in the item's time.
        first_said: What was said of the item before the first decision on it, in the item's time.
        video: Its video.
        events: The events of that video.
        normal: Name of the class without event.
        tolerance_s: How far an event may be from the label's time to be the one that it names.
    """
    said = None if first_said is None else in_file(first_said, correction)
    label = in_file(label, correction)
    window = _judged_stretch(correction, video, said)
    found: Sequence[Event] = ()
    # A Normal clip can hold an event that the clips stage leaves out, such as one of others: confirming keeps it. Of a
    # moment that was proposed, confirming says that nothing happens there.
    keeps = correction.decision == "confirm" and correction.clip_id is not None
    kept_normal = keeps and label.event_class == normal and label == said
    if correction.decision != "add" and not kept_normal:
        found = _judged(events, label, said, window, normal, tolerance_s)
    return Target(correction, video, label, said, window, tuple(found))


def _judged_stretch(correction: Correction, video: Video, said: MomentLabel | None) -> tuple[float, float]:
    """The stretch that a decision is about, within the file."""
    start_s, end_s = (
        correction.window_start_s - correction.video_start_s,
        correction.window_end_s - correction.video_start_s,
    )
    if correction.clip_id is None and said is not None and said.start_s is not None and said.end_s is not None:
        start_s, end_s = said.start_s, said.end_s  # a detection is shown with some seconds around it
    length_s = float("inf") if video.duration_s is None else video.duration_s
    return round(max(0.0, start_s), 6), round(min(length_s, end_s), 6)


def _judged(
    events: Sequence[Event],
    label: MomentLabel,
    said: MomentLabel | None,
    window: tuple[float, float],
    normal: str,
    tolerance_s: float,
) -> Sequence[Event]:
    def inside(time_s: float) -> bool:
        return window[0] - _ROUNDING_S <= time_s < window[1]

    timed = [(event, event.time_s) for event in events if event.time_s is not None]
    found = [(event, time_s) for event, time_s in timed if inside(time_s)]
    if label.event_class != normal and label.time_s is not None and not found:
        found = [(event, time_s) for event, time_s in timed if abs(time_s - label.time_s) <= tolerance_s]
    if not found:  # events whose time nobody knows lie somewhere in the video
        return [event for event in events if event.time_s is None]
    if label.event_class == normal:
        return [event for event, _ in found]
    times = [each.time_s for each in (said, label) if each is not None and each.time_s is not None]
    about_s = times[0] if times else found[0][1]
    return [min(found, key=lambda pair: abs(pair[1] - about_s))[0]]


def contradictions(
    targets: Sequence[Target], normal: str, tolerance_s: float, chosen: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Corrections that contradict each other, on one item, on one event, or with events added at one moment.

    Args:
        targets: All that hold, in order.
        normal: Name of the class without event.
        tolerance_s: Times that differ by more are a disagreement.
        chosen: The reviewer whose decision counts where reviewers disagree.

    Returns:
        By correction id, why it is in conflict; and why another decision counts in its place.
    """
    conflicts: dict[str, str] = {}
    outvoted: dict[str, str] = {}
    for group in _groups(targets, tolerance_s):
        if _all_agree(group, normal, tolerance_s):
            continue
        theirs = [target for target in group if target.correction.reviewer == chosen]
        names = ", ".join(dict.fromkeys(target.correction.reviewer for target in group))
        for target in group:
            name = target.correction.correction_id
            if theirs and _all_agree(theirs, normal, tolerance_s):
                if target not in theirs:
                    outvoted[name] = f"the decision of {chosen} was chosen"
            else:
                conflicts[name] = f"decisions of {names} contradict each other; choose one with reviewer"
    return conflicts, {name: why for name, why in outvoted.items() if name not in conflicts}


def repeated(targets: Sequence[Target]) -> Mapping[str, str]:
    """Of decisions that agree on an item, those in whose place another is applied: the last change, or else the last.

    Returns:
        Why, by correction id.
    """
    by_item: dict[str, list[Target]] = {}
    for target in targets:
        if target.correction.decision != "add":
            by_item.setdefault(target.correction.item_id, []).append(target)
    found: dict[str, str] = {}
    for several in by_item.values():
        changes = [target for target in several if target.correction.decision == "change"]
        kept = (changes or several)[-1].correction
        for target in several:
            if target.correction is not kept:
                found[target.correction.correction_id] = f"{kept.reviewer} says the same"
    return found


def _groups(targets: Sequence[Target], tolerance_s: float) -> list[list[Target]]:
    """Corrections that must agree."""
    groups: dict[str, list[Target]] = {}
    pairs: list[list[Target]] = []
    added: dict[str, list[Target]] = {}
    for target in targets:
        if target.correction.decision == "add":
            others = added.setdefault(target.video.video_id, [])
            pairs += [[other, target] for other in others if _same_moment(other, target, tolerance_s)]
            others.append(target)
            continue
        groups.setdefault(f"item {target.correction.item_id}", []).append(target)
        for event in target.events:
            groups.setdefault(f"event {event.event_id}", []).append(target)
    return [*groups.values(), *pairs]


def _same_moment(first: Target, second: Target, tolerance_s: float) -> bool:
    """Whether two reviewers added an event at the same moment of a video."""
    if first.correction.reviewer == second.correction.reviewer:
        return False
    times = first.label.time_s, second.label.time_s
    return times[0] is not None and times[1] is not None and abs(times[0] - times[1]) <= tolerance_s


def _all_agree(group: Sequence[Target], normal: str, tolerance_s: float) -> bool:
    return all(agree(one.label, two.label, normal, tolerance_s) for one in group for two in group)
