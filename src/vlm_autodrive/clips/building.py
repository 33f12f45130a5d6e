"""The stage that turns a catalog into clips: every video gives at least one record."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import input_key, making
from vlm_autodrive.clips.audit import say_summary
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import assign_splits
from vlm_autodrive.clips.truth import scenario_in_window
from vlm_autodrive.clips.windows import Window, draw, events_inside, place_normal_windows, place_window, worst_event
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, Event, Scenario, Split, Taxonomy, Video
from vlm_autodrive.stores import carry_questions, read_events, read_scenarios, read_taxonomy, read_videos, write_clips


def build_clips(
    catalog: Path, out: Path, settings: ClipSettings, reporter: Reporter = SILENT, *, overwrite: bool = False
) -> Path:
    """Cut the videos of a catalog into labelled clips and share them out to splits.

    Args:
        catalog: A catalog, as :func:`vlm_autodrive.datasets.importing.import_dataset` writes it.
        out: Folder of the clip set.
        settings: How to cut.
        reporter: Told the counts, and what was left out and why.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If the catalog is none, if no event in it is of known kind though there are events, or if
            one is not and ``unknown_events`` is ``error``.
    """
    input_key(catalog, "catalog")
    with making(out, "clips", {"catalog": catalog}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            taxonomy = read_taxonomy(catalog)
            events = read_events(catalog)
            clips = cut_clips(read_videos(catalog), events, read_scenarios(catalog), taxonomy, settings)
            if events and all(event.event_class is None for event in events):
                raise UserError(
                    f"all {len(events)} events are of unknown kind, so that no clip would show an event; name their "
                    "classes (for Nexar's layout in an overlay.csv beside train, with id,class), and import again."
                )
            write_clips(folder, out, taxonomy, clips)
            carry_questions(catalog, folder)
            say_summary(clips, taxonomy, settings, reporter)
    return out


def cut_clips(
    videos: Sequence[Video],
    events: Sequence[Event],
    scenarios: Mapping[str, Scenario],
    taxonomy: Taxonomy,
    settings: ClipSettings,
) -> list[Clip]:
    """The clips of a catalog, in its order; the stage without its files."""
    unknown = [e for e in events if e.event_class is None]
    if unknown and settings.unknown_events == "error":
        raise UserError(
            f"{len(unknown)} events are of unknown kind, the first in video {unknown[0].video_id}; "
            "name their classes in an overlay, or set unknown_events: leave_out."
        )
    cutter = _Cutter(videos, events, scenarios, taxonomy, settings)
    strata = {video.video_id: cutter.severity(video) for video in videos}
    splits = assign_splits(videos, strata, settings)
    return [clip for video in videos for clip in cutter.clips_of(video, splits[video.group_id])]


class _Cutter:
    """Knows the whole catalog, since siblings and the events' usual places bear on every window."""

    def __init__(
        self,
        videos: Sequence[Video],
        events: Sequence[Event],
        scenarios: Mapping[str, Scenario],
        taxonomy: Taxonomy,
        settings: ClipSettings,
    ) -> None:
        self._scenarios, self._taxonomy, self._settings = scenarios, taxonomy, settings
        self._events: dict[str, list[Event]] = {video.video_id: [] for video in videos}
        for event in events:
            self._events[event.video_id].append(event)
        for listed in self._events.values():
            listed.sort(key=lambda e: e.time_s if e.time_s is not None else float("inf"))
        self._siblings: dict[str, list[Video]] = {}
        for video in videos:
            if video.triplet_id is not None and video.duration_s and not video.problem:
                self._siblings.setdefault(video.triplet_id, []).append(video)
        self._usual_places = [
            event.time_s / video.duration_s
            for video in videos
            if video.duration_s
            for event in self._events[video.video_id]
            if event.time_s is not None
        ]

    def severity(self, video: Video) -> int:
        """Rank of the video's most severe class; videos of unknown kind come after all classes."""
        names = self._taxonomy.names
        ranks = [names.index(e.event_class) for e in self._events[video.video_id] if e.event_class is not None]
        if ranks:
            return min(ranks)
        return len(names) - 1 if video.positive is False else len(names)

    def clips_of(self, video: Video, split: Split) -> list[Clip]:
        """The clips of one video; if nothing of it can be used, one that says why."""
        events = self._events[video.video_id]
        problem = video.problem or self._why_not(video, events)
        windows = [] if problem else self._windows(video, events, split)
        clips: list[Clip] = []
        for window in windows:
            event = worst_event(events_inside(window, self._counted(events)), self._taxonomy)
            if event is not None and event.event_class is None:
                continue
            clips.append(self._clip(video, split, len(clips), window, event))
        if not clips:
            known = worst_event(events, self._taxonomy)
            whole = (0.0, video.duration_s or 0.0)
            problem = problem or "an event of unknown kind is in every window"
            clips.append(self._clip(video, split, 0, whole, known, problem))
        return clips

    def _why_not(self, video: Video, events: Sequence[Event]) -> str:
        """Why a readable video gives no clips; empty if it does."""
        if not video.duration_s:
            return "its length is unknown"
        if video.positive is None and not events:
            return "the annotations do not tell whether an event is in it"
        if video.positive and not events:
            return "an event is said to be in it, but none is annotated"
        if any(e.time_s is None for e in events):
            return "the time of an event in it is unknown"
        if events and not self._counted(events):
            return "its events do not involve the recording vehicle"
        if events and all(e.event_class is None for e in self._counted(events)):
            return "its events are of unknown kind"
        return ""

    def _counted(self, events: Sequence[Event]) -> list[Event]:
        return [e for e in events if not (self._settings.ego_only and e.ego_involved is False)]

    def _references(self, video: Video) -> list[float]:
        """The times that windows are placed around: events, or else a simulated drive's encounters."""
        counted = self._counted(self._events[video.video_id])
        times = [e.time_s for e in counted if e.time_s is not None and e.event_class is not None]
        scenario = self._scenarios.get(video.video_id)
        if not times and scenario is not None:
            times = [encounter.time_s for encounter in scenario.encounters]
        return times

    def _windows(self, video: Video, events: Sequence[Event], split: Split) -> list[Window]:
        s = self._settings
        # More windows of one event are variety to learn from, but no new evidence.
        per_event, per_normal = (s.windows_per_event, s.windows_per_normal) if split == "train" else (1, 1)
        assert video.duration_s is not None
        key = video.triplet_id or video.video_id
        references = self._references(video)
        windows: list[Window] = []
        count = per_event * len(references) if events else per_normal
        for number in range(count):
            place = number % len(references) if references else 0
            share = draw(s.seed, key, "window", number)
            if references:
                others = [
                    (times[place], v.duration_s or 0.0)
                    for v in self._siblings.get(video.triplet_id or "", ())
                    if v.video_id != video.video_id and len(times := self._references(v)) > place
                ]
                times_s = [references[place], *(t for t, _ in others)]
                durations_s = [video.duration_s, *(d for _, d in others)]
            else:
                times_s, durations_s = [self._usual_place(key, number) * video.duration_s], [video.duration_s]
            window = place_window(times_s, durations_s, share, s)
            if window not in windows:
                windows.append(window)
        if video.duration_s > 2 * s.window_s:
            extra = int(s.normal_windows_per_minute * video.duration_s / 60)
            event_times = [e.time_s for e in events if e.time_s is not None]
            windows += place_normal_windows(extra, video.duration_s, event_times, video.video_id, s)
        return windows

    def _usual_place(self, key: str, number: int) -> float:
        """Where in a Normal video of real footage to look: where in some positive video the event is."""
        share = draw(self._settings.seed, key, "place", number)
        places = self._usual_places
        return places[int(share * len(places))] if places else share

    def _clip(
        self, video: Video, split: Split, number: int, window: Window, event: Event | None, problem: str = ""
    ) -> Clip:
        start_s, end_s = window
        scenario = self._scenarios.get(video.video_id)
        if event is not None:
            event_class = event.event_class
        else:
            event_class = self._taxonomy.normal.name if video.positive is False or not problem else None
        alert_s = event.alert_time_s if event is not None else None
        return Clip(
            clip_id=f"{video.video_id}-w{number}",
            video_id=video.video_id,
            path=video.path,
            start_s=start_s,
            end_s=end_s,
            split=split,
            event_class=event_class,
            event_time_s=round(event.time_s - start_s, 6) if event is not None and event.time_s is not None else None,
            alert_time_s=round(alert_s - start_s, 6) if alert_s is not None and start_s <= alert_s < end_s else None,
            ego_involved=event.ego_involved if event is not None else None,
            group_id=video.group_id,
            triplet_id=video.triplet_id,
            metadata=video.metadata,
            scenario=scenario_in_window(scenario, start_s, end_s) if scenario is not None else None,
            problem=problem,
        )
