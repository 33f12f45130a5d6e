"""Film strips: the frames around each event, side by side in one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from vlm_autodrive.detection.results import EVENTS_FILE
from vlm_autodrive.detection.short_list.listing import ListedEvent, ListedTrip
from vlm_autodrive.detection.trip_pictures import Picture, read_trip_pictures
from vlm_autodrive.palette import PAPER, Colour, class_colour
from vlm_autodrive.progress import Task

STRIPS = "strips"
FRAME_WIDTH = 400

_FRAMES = 6
_AROUND_S = (-0.5, 0.5, -1.0, 1.0, -1.5, -2.0, 1.5, 2.0, -2.5, -3.0)
_APART_S = 0.25  # a cited moment nearer than this to another is shown by its frame
_GAP = 4
_EDGE = 6
_AT_ONCE = 16  # events whose pictures are held in memory
_QUALITY = 80


def strip_times(event: ListedEvent, length_s: float) -> tuple[float, ...]:
    """The moments that a strip shows, in order: the event, those that the reasoning cites, and others around it."""
    cited = sorted(event.cited_times_s, key=lambda time_s: abs(time_s - event.trip_time_s))
    chosen = [event.trip_time_s]
    for time_s in [*cited, *(event.trip_time_s + step_s for step_s in _AROUND_S)]:
        inside = 0 <= time_s < length_s and all(abs(time_s - other) >= _APART_S for other in chosen)
        if inside and len(chosen) < _FRAMES:
            chosen.append(round(time_s, 3))
    return tuple(sorted(chosen))


def write_strips(out: Path, trip: ListedTrip, events: Sequence[ListedEvent], task: Task) -> dict[str, ListedEvent]:
    """Make the film strips of a trip's events that have none yet.

    Args:
        out: The folder of the index.
        trip: The trip.
        events: Its events.
        task: Advanced by each event.

    Returns:
        The events, by id, with their strips or the reason why there is none.
    """
    (out / STRIPS).mkdir(exist_ok=True)
    times_s = {event.event_id: strip_times(event, trip.length_s) for event in events}
    listed: dict[str, ListedEvent] = {}
    fresh: list[ListedEvent] = []
    for event in events:
        if is_newer(out / _place(event), trip):
            listed[event.event_id] = _with_strip(event, times_s[event.event_id])
            task.advance()
        else:
            fresh.append(event)
    for start in range(0, len(fresh), _AT_ONCE):
        some = sorted(fresh[start : start + _AT_ONCE], key=lambda event: event.trip_time_s)
        for event, (pictures, problem) in zip(some, _read(trip, some, times_s), strict=True):
            if pictures:
                colour = class_colour(trip.taxonomy.event_names, event.event_class)
                at = times_s[event.event_id].index(event.trip_time_s)
                partial = out / STRIPS / f".{event.event_id}.partial"
                film_strip(pictures, at, colour).save(partial, format="JPEG", quality=_QUALITY)
                partial.replace(out / _place(event))
                listed[event.event_id] = _with_strip(event, times_s[event.event_id])
            else:
                listed[event.event_id] = event.model_copy(update={"problem": f"no pictures: {problem}"})
            task.advance()
    return listed


def is_newer(path: Path, trip: ListedTrip) -> bool:
    """Whether a file is there, and was made after its trip was searched."""
    return path.is_file() and path.stat().st_mtime_ns >= (trip.folder / EVENTS_FILE).stat().st_mtime_ns


def film_strip(pictures: Sequence[Picture], at: int, colour: Colour) -> Image.Image:
    """Pictures side by side, the event's with an edge in the colour of its class."""
    height = round(pictures[at].shape[0] * FRAME_WIDTH / pictures[at].shape[1])
    strip = Image.new("RGB", (len(pictures) * (FRAME_WIDTH + _GAP) - _GAP, height), PAPER)
    for number, pixels in enumerate(pictures):
        picture = Image.fromarray(pixels).resize((FRAME_WIDTH, height), Image.Resampling.LANCZOS)
        if number == at:
            ImageDraw.Draw(picture).rectangle((0, 0, FRAME_WIDTH - 1, height - 1), outline=colour, width=_EDGE)
        strip.paste(picture, (number * (FRAME_WIDTH + _GAP), 0))
    return strip


def _read(
    trip: ListedTrip, events: Sequence[ListedEvent], times_s: Mapping[str, tuple[float, ...]]
) -> list[tuple[list[Picture], str]]:
    """The pictures of each event, or why there are none; a fault at one event leaves the others theirs."""
    wanted = [time_s for event in events for time_s in times_s[event.event_id]]
    pictures, problem = read_trip_pictures(trip.detections, wanted, FRAME_WIDTH, trip.blur)
    if problem and len(events) > 1:
        return [one for event in events for one in _read(trip, [event], times_s)]
    found = iter(pictures)
    results = []
    for event in events:
        some = [picture for _ in times_s[event.event_id] if (picture := next(found)) is not None]
        results.append((some if len(some) == len(times_s[event.event_id]) else [], problem))
    return results


def _place(event: ListedEvent) -> str:
    return f"{STRIPS}/{event.event_id}.jpg"


def _with_strip(event: ListedEvent, times_s: tuple[float, ...]) -> ListedEvent:
    return event.model_copy(update={"strip": _place(event), "strip_times_s": times_s})
