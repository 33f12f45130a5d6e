"""The stage: from a folder of detections to its short list."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import waiting_lock
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.detection.short_list.clips import find_clips, write_clips
from vlm_autodrive.detection.short_list.exports import write_exports
from vlm_autodrive.detection.short_list.listing import ListedEvent, ListedTrip, list_events, read_trips
from vlm_autodrive.detection.short_list.pages import INCIDENTS, INDEX_FILE, write_incident_pages, write_index
from vlm_autodrive.detection.short_list.settings import ShortListSettings
from vlm_autodrive.detection.short_list.strips import STRIPS, write_strips
from vlm_autodrive.detection.short_list.tables import write_tables
from vlm_autodrive.progress import Reporter

_LOCK = ".short_list.lock"


def write_short_list(out: Path, settings: ShortListSettings | None = None, reporter: Reporter = TERMINAL) -> Path:
    """Write the short list of all events in a folder of detections.

    Writes ``index.html`` and a page for each event in ``incidents/``, their film strips in ``strips/``, the tables
    ``events.csv``, ``events.jsonl`` and ``events.parquet``, and what ``settings`` ask for besides. Pictures and clips
    that an earlier call made are kept, unless their trip was searched anew since.

    Args:
        out: What ``autodrive detect`` wrote; all trips in it are listed, of this run and of earlier ones.
        settings: Clips, annotated copies and exports.
        reporter: Gets the progress, in events.

    Returns:
        The index page.

    Raises:
        UserError: If there are no detections in ``out``.
    """
    settings = settings or ShortListSettings()
    with waiting_lock(out / _LOCK):  # another process lists what both have found
        trips = read_trips(out)
        events = list_events(trips)
        if events:
            events = _with_pictures(out, trips, events, settings, reporter)
        _remove_others(out, f"{STRIPS}/*.jpg", (event.strip for event in events if event.strip))
        _remove_others(out, f"{INCIDENTS}/*.html", (event.page for event in events))
        names = {each.name: None for trip in trips for each in trip.taxonomy.classes}
        write_tables(out, events, list(names))
        write_incident_pages(out, trips, events)
        for problem in write_exports(out, settings.formats, trips, events):
            reporter.say(problem)
        index = write_index(out, trips, events, embed=settings.single_file)
    without = sum(bool(event.problem) for event in events)
    words = f"Short list: {len(events)} event{'' if len(events) == 1 else 's'} in {out / INDEX_FILE}."
    reporter.say(words + (f" {without} of them lack pictures or clips: their rows say why." if without else ""))
    return index


def _with_pictures(
    out: Path,
    trips: Sequence[ListedTrip],
    events: Sequence[ListedEvent],
    settings: ShortListSettings,
    reporter: Reporter,
) -> list[ListedEvent]:
    of_trip: defaultdict[str, list[ListedEvent]] = defaultdict(list)
    for event in events:
        of_trip[event.folder].append(event)
    made: dict[str, ListedEvent] = {}
    clips = find_clips(out)
    with reporter.task("Short list (strips and clips)", 2 * len(events)) as task:
        for trip in trips:
            listed = write_strips(out, trip, of_trip[trip.folder.name], task)
            made |= write_clips(out, trip, list(listed.values()), settings, clips, task)
    return [made[event.event_id] for event in events]


def _remove_others(out: Path, pattern: str, places: Iterable[str]) -> None:
    """Remove the strips or pages of events that are no longer found; clips stay, which may be wanted elsewhere."""
    current = {out / place for place in places}
    for path in out.glob(pattern):
        if path not in current:
            path.unlink()
