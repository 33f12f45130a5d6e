"""One video with all that its clips are cut from, which a process of its own could be given."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.records import Event, Scenario, Split, TelemetrySeries, Video


@dataclass(frozen=True)
class Sibling:
    """What the windows of a video depend on of another one of its triplet.

    Attributes:
        video_id: The other video.
        duration_s: Its length.
        references_s: See :func:`reference_times`.
    """

    video_id: str
    duration_s: float
    references_s: tuple[float, ...]


@dataclass(frozen=True)
class VideoRecords:
    """One video with what the catalog holds of it, and what follows from the catalog as a whole.

    Attributes:
        video: The video, in the group that splits keep whole, and with a problem if the frozen test split forbids it.
        split: The split of its group.
        events: Its events by time, those at an unknown time last.
        scenario: The simulation's truth; None for real footage.
        siblings: The other usable videos of its triplet.
        telemetry: What sensors recorded along it.
    """

    video: Video
    split: Split
    events: Sequence[Event] = ()
    scenario: Scenario | None = None
    siblings: Sequence[Sibling] = ()
    telemetry: Sequence[TelemetrySeries] = ()


def relevant_events(events: Sequence[Event], settings: ClipSettings) -> list[Event]:
    """The events that clips may show."""
    return [e for e in events if not (settings.ego_only and e.ego_involved is False)]


def known_events(events: Sequence[Event], settings: ClipSettings) -> list[Event]:
    """The relevant events of known class at a known time."""
    return [e for e in relevant_events(events, settings) if e.time_s is not None and e.event_class is not None]


def reference_times(
    video: Video, events: Sequence[Event], scenario: Scenario | None, settings: ClipSettings
) -> list[float]:
    """The times that windows are placed around: events, else a simulated drive's encounters or judged moments."""
    times = [e.time_s for e in known_events(events, settings) if e.time_s is not None]
    if not times and scenario is not None:
        times = [encounter.time_s for encounter in scenario.encounters]
    return times or list(video.normal_at_s)
