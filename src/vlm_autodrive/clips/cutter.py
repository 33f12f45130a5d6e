"""Cutting one video into clips: its windows, their labels, and the reason if there is none."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlm_autodrive.clips.anticipation import causal_window, check_causal, too_short, window_before
from vlm_autodrive.clips.measurements import with_measurements
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.video_records import VideoRecords, known_events, reference_times, relevant_events
from vlm_autodrive.clips.windows import (
    draw,
    events_inside,
    place_normal_windows,
    place_window,
    scenario_in_window,
    section_of,
    window_like,
    worst_event,
)
from vlm_autodrive.records import ANTICIPATION, Clip, Event, IncidentMetadata, Taxonomy, Video
from vlm_autodrive.video import Window


@dataclass(frozen=True)
class Cutter:
    """Cuts the videos of a catalog, each by itself: a video's clips depend on its records and on what is held here.

    Attributes:
        taxonomy: The classes.
        settings: How to cut.
        event_positions: When each event is in its video, and how long that video is, in turns: Normal windows are
            placed by them.
    """

    taxonomy: Taxonomy
    settings: ClipSettings
    event_positions: "array[float]"

    def clips_of(self, records: VideoRecords) -> list[Clip]:
        """The clips of one video; if nothing of it can be used, one that says why."""
        clips = self._cut(records)
        for series in records.telemetry:
            clips = with_measurements(clips, series, self.taxonomy.normal.name)
        return clips

    def _cut(self, records: VideoRecords) -> list[Clip]:
        problem = records.video.problem or self._why_not(records.video, records.events)
        if problem:
            return [self.unusable(records, problem)]
        if any(e.time_s is None for e in records.events):
            clips = self._whole_video_clip(records)
        else:
            clips = self._anticipation_clips(records) if self.settings.anticipation_s else self._event_clips(records)
        return clips or [self.unusable(records, "an event of unknown kind is in every window")]

    def _event_clips(self, records: VideoRecords) -> list[Clip]:
        """Clips that show the events, or the record without a clip in their place."""
        clips: list[Clip] = []
        relevant = relevant_events(records.events, self.settings)
        for window in self._windows(records):
            event = worst_event(events_inside(window, relevant), self.taxonomy)
            if event is None or event.event_class is not None:
                clips.append(self._clip(records, len(clips), window, event))
        return clips

    def _fits_one_window(self, video: Video) -> bool:
        """Whether a window holds the whole video, and so its events, whenever they are."""
        is_short = (video.duration_s or 0.0) <= self.settings.window_s
        return is_short and not self.settings.anticipation_s and not video.section_starts_s

    def _whole_video_clip(self, records: VideoRecords) -> list[Clip]:
        """One clip of a whole short video, in which an event is at an unknown time."""
        event = worst_event(relevant_events(records.events, self.settings), self.taxonomy)
        if event is None or event.event_class is None:
            return []
        return [self._clip(records, 0, (0.0, records.video.duration_s or 0.0), event)]

    def _anticipation_clips(self, records: VideoRecords) -> list[Clip]:
        """Clips that end before the events, for each time of ``anticipation_s``."""
        clips: list[Clip] = []
        for lead_s in self.settings.anticipation_s:
            for window, event, problem in self._anticipation_windows(records, lead_s):
                clip = self._clip(records, len(clips), window, event, problem)
                clip = clip.model_copy(update={"metadata": {**clip.metadata, ANTICIPATION: f"{lead_s:g}"}})
                if not problem:
                    check_causal(clip, lead_s)
                clips.append(clip)
        return clips

    def _why_not(self, video: Video, events: Sequence[Event]) -> str:
        """Why a readable video gives no clips; empty if it does."""
        if not video.duration_s:
            return "its length is unknown"
        if video.positive is None and not events and not video.normal_at_s:
            return "the annotations do not tell whether an event is in it"
        if video.positive and not events:
            return "an event is said to be in it, but none is annotated"
        if any(e.time_s is None for e in events) and not self._fits_one_window(video):
            return "the time of an event in it is unknown"
        if events and not relevant_events(events, self.settings):
            return "its events do not involve the recording vehicle"
        if events and all(e.event_class is None for e in relevant_events(events, self.settings)):
            return "its events are of unknown kind"
        return ""

    def _references(self, records: VideoRecords) -> list[float]:
        return reference_times(records.video, records.events, records.scenario, self.settings)

    def _windows(self, records: VideoRecords) -> list[Window]:
        s, video = self.settings, records.video
        # More windows of one event are variety to train on, but no new evidence to evaluate on.
        per_event, per_normal = (s.windows_per_event, s.windows_per_normal) if records.split == "train" else (1, 1)
        assert video.duration_s is not None
        key = video.triplet_id or video.video_id
        references = self._references(records)
        windows: list[Window] = []
        count = per_event * len(references) if records.events else 0 if video.normal_at_s else per_normal
        for number in range(count):
            place = number % len(references) if references else 0
            # The jitter. It is drawn by the triplet's name, so that siblings get the same.
            fraction = draw(s.seed, key, "window", number)
            length_s = s.window_s
            if references:
                others = [
                    (sibling.references_s[place], sibling.duration_s)
                    for sibling in records.siblings
                    if len(sibling.references_s) > place
                ]
                times_s = [references[place], *(t for t, _ in others)]
                durations_s = [video.duration_s, *(d for _, d in others)]
            else:
                # A Normal video has no event to place a window around. Were its windows placed evenly, a window's place
                # in its video would tell the class, so each takes the place that some event has in its video.
                time_s, reference_duration_s = self._draw_event_position(key, number, video.duration_s)
                length_s = min(length_s, reference_duration_s)
                times_s, durations_s = [time_s / reference_duration_s * video.duration_s], [video.duration_s]
            # The window lies in the continuous section that shows the time, as if that were the whole video.
            from_s, to_s = section_of(times_s[0], video.section_starts_s, video.duration_s)
            times_s[0], durations_s[0] = times_s[0] - from_s, to_s - from_s
            start_s, end_s = place_window(times_s, durations_s, fraction, length_s, s.edge_margin_s)
            window = round(start_s + from_s, 6), round(end_s + from_s, 6)
            if window not in windows:
                windows.append(window)
        windows += [window for window in self._judged_windows(records) if window not in windows]
        return windows + self._extra_normal_windows(records)

    def _judged_windows(self, records: VideoRecords) -> Iterator[Window]:
        """A window around each moment that a reviewer judged to be Normal, placed as that of an event is."""
        s, video = self.settings, records.video
        assert video.duration_s is not None
        for time_s in video.normal_at_s:
            from_s, to_s = section_of(time_s, video.section_starts_s, video.duration_s)
            fraction = draw(s.seed, video.video_id, "judged", f"{time_s:.3f}")
            start_s, end_s = place_window([time_s - from_s], [to_s - from_s], fraction, s.window_s, s.edge_margin_s)
            window = round(start_s + from_s, 6), round(end_s + from_s, 6)
            if not events_inside(window, records.events):
                yield window

    def _anticipation_windows(self, records: VideoRecords, lead_s: float) -> Iterator[tuple[Window, Event | None, str]]:
        s, video, events = self.settings, records.video, records.events
        assert video.duration_s is not None
        for event in known_events(events, s):
            earliest_s = self._section_start(video, event.time_s or 0.0)
            before = window_before(event, relevant_events(events, s), lead_s, s.window_s, earliest_s)
            yield before.window, event, before.problem
        if not events:
            times = self._references(records)
            if times:
                for time_s in times:
                    window = causal_window(time_s, lead_s, s.window_s, self._section_start(video, time_s))
                    yield window, None, too_short(window, lead_s, s.window_s)
            else:
                key = f"{video.video_id}|{lead_s:g}"
                time_s, reference_duration_s = self._draw_event_position(key, 0, video.duration_s)
                model = causal_window(time_s, lead_s, s.window_s)
                start_s, end_s = window_like(model, reference_duration_s, video.duration_s)
                window = max(start_s, self._section_start(video, end_s)), end_s
                yield window, None, too_short(window, lead_s, s.window_s)
        for window in self._extra_normal_windows(records):
            yield window, None, ""

    def _extra_normal_windows(self, records: VideoRecords) -> list[Window]:
        """Normal windows of a long video, away from its events and, for anticipation, from what announces them."""
        s, video = self.settings, records.video
        assert video.duration_s is not None
        if video.duration_s <= 2 * s.window_s or video.partly_annotated:
            return []
        # Normal windows may show what comes after an event, but not the event, nor (for anticipation) its approach.
        blocked = []
        for event in records.events:
            if event.time_s is not None:
                first_s = event.time_s - max(s.anticipation_s, default=0.0)
                if s.anticipation_s and event.alert_time_s is not None:
                    first_s = min(first_s, event.alert_time_s)
                blocked.append((first_s - s.edge_margin_s, event.time_s + s.edge_margin_s))
        blocked += [(start_s, start_s) for start_s in video.section_starts_s]
        count = int(s.normal_windows_per_minute * video.duration_s / 60)
        return place_normal_windows(count, video.duration_s, blocked, video.video_id, s)

    def _section_start(self, video: Video, time_s: float) -> float:
        return section_of(time_s, video.section_starts_s, video.duration_s or 0.0)[0]

    def _draw_event_position(self, key: str, number: int, duration_s: float) -> tuple[float, float]:
        """When some event is in its video, and how long that video is; by chance where there is no event at all."""
        fraction = draw(self.settings.seed, key, "place", number)
        positions = self.event_positions
        if not positions:
            return fraction * duration_s, duration_s
        place = 2 * int(fraction * (len(positions) // 2))
        return positions[place], positions[place + 1]

    def unusable(self, records: VideoRecords, problem: str) -> Clip:
        """The record of a video that gives no clip, with the reason."""
        known = worst_event(records.events, self.taxonomy)
        return self._clip(records, 0, (0.0, records.video.duration_s or 0.0), known, problem)

    def _incident(self, records: VideoRecords, event: Event | None) -> IncidentMetadata:
        incident = records.video.incident
        if event is not None:
            return event.incident.over(incident)
        if not records.events:
            return incident
        # Beside an event only what holds for the whole video is true, and the road may take another course there.
        return incident.surroundings().model_copy(update={"road_layout": None})

    def _clip(self, records: VideoRecords, number: int, window: Window, event: Event | None, problem: str = "") -> Clip:
        video, scenario = records.video, records.scenario
        start_s, end_s = window
        if event is not None:
            event_class = event.event_class
        else:
            event_class = self.taxonomy.normal.name if video.positive is False or not problem else None
        alert_s = event.alert_time_s if event is not None else None
        return Clip(
            clip_id=f"{video.video_id}-w{number}",
            video_id=video.video_id,
            path=video.path,
            video_stream=video.video_stream,
            start_s=start_s,
            end_s=end_s,
            split=records.split,
            event_class=event_class,
            event_time_s=round(event.time_s - start_s, 6) if event is not None and event.time_s is not None else None,
            alert_time_s=round(alert_s - start_s, 6) if alert_s is not None and start_s <= alert_s < end_s else None,
            ego_involved=event.ego_involved if event is not None else None,
            group_id=video.group_id,
            triplet_id=video.triplet_id,
            metadata=video.metadata,
            incident=self._incident(records, event),
            scenario=scenario_in_window(scenario, start_s, end_s) if scenario is not None else None,
            problem=problem,
            source=video.source,
        )
