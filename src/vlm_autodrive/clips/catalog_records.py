"""The records of a catalog, read as they are asked for: those of a million videos would not fit in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

from vlm_autodrive.artifacts import (
    EVENTS_FILE,
    SCENARIOS_FILE,
    TELEMETRY_FILE,
    iterate_videos,
    reading_rows_by_video,
)
from vlm_autodrive.records import Event, Scenario, TelemetrySeries, Video, has_records


@dataclass(frozen=True)
class CatalogRecords:
    """How to get at the records of a catalog.

    Attributes:
        videos: All videos from the first on, each time that it is called.
        events_of: The events of a video, by its id.
        scenario_of: The simulation's truth of a video, by its id; None for real footage.
        telemetry_of: What sensors recorded along a video, by its id.
        event_count: How many events there are.
    """

    videos: Callable[[], Iterable[Video]]
    events_of: Callable[[str], Sequence[Event]]
    scenario_of: Callable[[str], Scenario | None]
    telemetry_of: Callable[[str], Sequence[TelemetrySeries]]
    event_count: int

    def events_by_time(self, video: Video) -> list[Event]:
        """The events of a video by time, those at an unknown time last."""
        return sorted(self.events_of(video.video_id), key=lambda e: inf if e.time_s is None else e.time_s)


@contextmanager
def reading_catalog(catalog: Path) -> Iterator[CatalogRecords]:
    """The records of a catalog on disk, whose files stay open for as long."""
    with ExitStack() as files:
        events = files.enter_context(reading_rows_by_video(catalog / EVENTS_FILE, Event))
        scenarios = files.enter_context(reading_rows_by_video(catalog / SCENARIOS_FILE, Scenario))
        series = None
        if has_records(catalog / TELEMETRY_FILE):
            series = files.enter_context(reading_rows_by_video(catalog / TELEMETRY_FILE, TelemetrySeries))
        yield CatalogRecords(
            videos=lambda: iterate_videos(catalog),
            events_of=events.of,
            scenario_of=lambda video_id: next(reversed(scenarios.of(video_id)), None),
            telemetry_of=_none if series is None else series.of,
            event_count=len(events),
        )


def catalog_in_memory(
    videos: Sequence[Video], events: Sequence[Event], scenarios: Mapping[str, Scenario]
) -> CatalogRecords:
    """The records of a catalog that are in memory already, without telemetry."""
    events_of: dict[str, list[Event]] = {}
    for event in events:
        events_of.setdefault(event.video_id, []).append(event)
    return CatalogRecords(
        videos=lambda: videos,
        events_of=lambda video_id: events_of.get(video_id, ()),
        scenario_of=scenarios.get,
        telemetry_of=_none,
        event_count=len(events),
    )


def _none(_video_id: str) -> tuple[()]:
    return ()
