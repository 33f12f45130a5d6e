"""The catalog while corrections are applied to it, one by one."""

from collections.abc import Sequence

from vlm_autodrive.datasets.corrections.labels import words
from vlm_autodrive.datasets.corrections.targets import Target
from vlm_autodrive.records import (
    HUMAN_VERIFIED,
    INCIDENT_NUMBERS,
    CatalogChange,
    Event,
    IncidentMetadata,
    MomentLabel,
    Taxonomy,
    Video,
)

_SAME_TIME_S = 0.001
_SAME_MOTION_S = 0.1  # a speed or an acceleration that was recorded of a moment holds no longer than this away from it
_LAST_INSTANT_S = 0.001
_OF_THE_OUTCOME = ("ego_impact_side", "other_impact_side", "responsibility")
UNKNOWN = "unknown"
"""What an event of unknown kind is called where classes are counted."""


class NotApplied(Exception):
    """Why a correction is not applied; ``conflict`` tells whether it contradicts what is there."""

    def __init__(self, reason: str, *, conflict: bool = False) -> None:
        super().__init__(reason)
        self.conflict = conflict


class CatalogEditor:
    """Videos and events that corrections change.

    Attributes:
        videos: By id, in order.
        events: By id, in order.
        changes: What was changed.
        relabelled: Videos of which an event was added, removed, moved or given another class.
        reclassified: Those of them where more than a time has changed.
    """

    def __init__(
        self, videos: Sequence[Video], events: Sequence[Event], taxonomy: Taxonomy, tolerance_s: float
    ) -> None:
        self.videos = {video.video_id: video for video in videos}
        self.events = {event.event_id: event for event in events}
        self.changes: list[CatalogChange] = []
        self.relabelled: set[str] = set()
        self.reclassified: set[str] = set()
        self._taxonomy, self._tolerance_s = taxonomy, tolerance_s
        self._events_of: dict[str, list[str]] = {}
        for event in events:
            self._events_of.setdefault(event.video_id, []).append(event.event_id)

    def apply(self, target: Target) -> str:
        """Apply a correction; returns what is said of it.

        Raises:
            NotApplied: If it cannot be applied. Nothing is changed then.
        """
        self._check(target)
        self.videos.setdefault(target.video.video_id, target.video)
        if target.label.event_class == self._taxonomy.normal.name:
            said = self._make_normal(target)
        elif target.correction.decision != "add" and target.events:
            said = self._correct(target, target.events[0])
        else:
            said = self._add_missed(target)
        video = self.videos[target.video.video_id]
        self._update(video.video_id, metadata={**video.metadata, HUMAN_VERIFIED: "yes"})
        return said

    def counts(self) -> dict[str, int]:
        """Events of each class; for the class without event the videos and moments that are Normal."""
        counted = dict.fromkeys(self._taxonomy.names, 0)
        for event in self.events.values():
            name = event.event_class or UNKNOWN
            counted[name] = counted.get(name, 0) + 1
        normal = sum((video.positive is False) + len(video.normal_at_s) for video in self.videos.values())
        return {**counted, self._taxonomy.normal.name: normal}

    def _check(self, target: Target) -> None:
        label, duration_s = target.label, target.video.duration_s
        if label.event_class not in self._taxonomy.names:
            known = ", ".join(self._taxonomy.names)
            raise NotApplied(f"{label.event_class!r} is no class of the catalog; its classes are {known}")
        time_s = label.time_s
        if label.event_class == self._taxonomy.normal.name:
            if target.correction.decision == "add":
                raise NotApplied("an event that was missed cannot be of the class without event")
            return
        if time_s is None:
            if not target.events:
                raise NotApplied("it gives no time, and a clip is cut around the time of an event")
            return
        if time_s < 0 or (duration_s is not None and time_s > duration_s):
            length = "" if duration_s is None else f", which is {duration_s:.2f} s long"
            raise NotApplied(f"its time, {time_s:.2f} s, lies outside the file{length}")
        if label.alert_time_s is not None and label.alert_time_s > time_s:
            raise NotApplied(f"its alert, at {label.alert_time_s:.2f} s, is after its event, at {time_s:.2f} s")

    def _make_normal(self, target: Target) -> str:
        """The judged stretch shows no event."""
        video = self.videos[target.video.video_id]
        gone = [event for event in target.events if event.event_id in self.events]
        for event in gone:
            del self.events[event.event_id]
            self._events_of[video.video_id].remove(event.event_id)
            self._log(target, "removed", event.event_id, _label(event), None)
            self._changed(video, reclassified=True)
        left = self._events_of.get(video.video_id, [])
        if gone:
            times = [event.time_s for event in gone if event.time_s is not None]
            self._update(
                video.video_id,
                normal_at_s=tuple(sorted({*video.normal_at_s, *times})),
                positive=True if left else None if video.partly_annotated else False,
                incident=_without_outcome(video.incident) if left else video.incident.surroundings(),
            )
            return "; ".join(f"{words(_label(event), self._taxonomy)} removed" for event in gone)
        known = video.positive is not None and not video.partly_annotated
        moment_s = min(max(target.moment_s, 0.0), video.duration_s or target.moment_s)
        if any(abs(moment_s - each) <= self._tolerance_s for each in video.normal_at_s):
            return ""
        if known and target.correction.clip_id is not None:
            return ""  # a Normal clip of the catalog stays one
        self._log(target, "normal", None, None, MomentLabel(event_class=self._taxonomy.normal.name, time_s=moment_s))
        unlabelled = video.positive is None and not left
        self._update(
            video.video_id,
            normal_at_s=tuple(sorted((*video.normal_at_s, moment_s))),
            partly_annotated=video.partly_annotated or unlabelled,
        )
        return f"{self._taxonomy.normal.label} at {moment_s:.2f} s added"

    def _add_missed(self, target: Target) -> str:
        """An event that nobody had named, unless the catalog has it."""
        for event in (self.events[name] for name in self._events_of.get(target.video.video_id, [])):
            if event.time_s is None or abs(event.time_s - (target.label.time_s or 0.0)) > self._tolerance_s:
                continue
            there = words(_label(event), self._taxonomy)
            if event.event_class == target.label.event_class:
                return ""
            raise NotApplied(f"the catalog has {there} at that moment; change that instead", conflict=True)
        return self._add(target)

    def _add(self, target: Target) -> str:
        video, label = self.videos[target.video.video_id], target.label
        numbers = range(len(self.events) + 1)
        event_id = next(name for n in numbers if (name := f"{video.video_id}-e{n}") not in self.events)
        event = Event(
            event_id=event_id,
            video_id=video.video_id,
            event_class=label.event_class,
            time_s=self._inside(label.time_s, video),
            alert_time_s=_in_file(label.alert_time_s),
        )
        self.events[event_id] = event
        self._events_of.setdefault(video.video_id, []).append(event_id)
        self._log(target, "added", event_id, None, _label(event))
        self._changed(video, reclassified=True)
        self._update(
            video.video_id,
            positive=True,
            partly_annotated=video.partly_annotated or video.positive is None,
            incident=_without_outcome(video.incident),
        )
        return f"{words(_label(event), self._taxonomy)} added"

    def _correct(self, target: Target, event: Event) -> str:
        """Replace class, time and alert of an event, as far as the label tells them."""
        event, label, said = self.events.get(event.event_id, event), target.label, target.first_said
        video = self.videos[target.video.video_id]
        if target.correction.decision == "confirm" and label == said and event.event_class == label.event_class:
            return ""  # what is annotated is more exact than the time that a model gave
        time_s = event.time_s if label.time_s is None else self._inside(label.time_s, video)
        alert_s = _in_file(label.alert_time_s)
        if alert_s is None and (said is None or said.alert_time_s is None):
            alert_s = event.alert_time_s  # nobody took it away: it was not shown
        if alert_s is not None and time_s is not None and alert_s > time_s:
            alert_s = None
        other_class = event.event_class != label.event_class
        moved = not _same(time_s, event.time_s, _SAME_MOTION_S)
        times = (time_s, event.time_s), (alert_s, event.alert_time_s)
        if not other_class and all(_same(new, old, _SAME_TIME_S) for new, old in times):
            return ""
        incident = _without_outcome(event.incident) if other_class else event.incident
        if moved:
            incident = incident.model_copy(update=dict.fromkeys(INCIDENT_NUMBERS))
        new = event.model_copy(
            update={
                "event_class": label.event_class,
                "time_s": time_s,
                "alert_time_s": alert_s,
                "incident": incident,
            }
        )
        self.events[event.event_id] = new
        self._log(target, "changed", event.event_id, _label(event), _label(new))
        if other_class:
            self._update(video.video_id, incident=_without_outcome(video.incident))
        if other_class or moved:
            self._changed(video, reclassified=other_class)
        return f"{words(_label(event), self._taxonomy)} is now {words(_label(new), self._taxonomy)}"

    def _inside(self, time_s: float | None, video: Video) -> float | None:
        """A time before the end of the video: the last frame's moment may be given as the end."""
        if time_s is None or video.duration_s is None:
            return time_s
        return min(time_s, max(0.0, video.duration_s - _LAST_INSTANT_S))

    def _changed(self, video: Video, *, reclassified: bool) -> None:
        self.relabelled.add(video.video_id)
        if reclassified:
            self.reclassified.add(video.video_id)

    def _update(self, video_id: str, **changes: object) -> None:
        self.videos[video_id] = self.videos[video_id].model_copy(update=changes)

    def _log(
        self, target: Target, change: str, event_id: str | None, before: MomentLabel | None, after: MomentLabel | None
    ) -> None:
        correction = target.correction
        self.changes.append(
            CatalogChange.model_validate(
                {
                    "correction_id": correction.correction_id,
                    "reviewer": correction.reviewer,
                    "reason": correction.reason,
                    "change": change,
                    "video_id": target.video.video_id,
                    "event_id": event_id,
                    "before": before,
                    "after": after,
                }
            )
        )


def _label(event: Event) -> MomentLabel:
    return MomentLabel(event_class=event.event_class or UNKNOWN, time_s=event.time_s, alert_time_s=event.alert_time_s)


def _without_outcome(incident: IncidentMetadata) -> IncidentMetadata:
    """What was recorded, without what depends on whether there was contact and whose fault it was."""
    return incident.model_copy(update=dict.fromkeys(_OF_THE_OUTCOME))


def _in_file(time_s: float | None) -> float | None:
    """A time that the file shows; one before its first frame lies in the file before it."""
    return None if time_s is None or time_s < 0 else time_s


def _same(first: float | None, second: float | None, within_s: float) -> bool:
    if first is None or second is None:
        return first is second
    return abs(first - second) <= within_s
