"""The index page with all events, and a printable page for each."""

import base64
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from PIL import Image

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.detection.results import TIMELINE_FILE
from vlm_autodrive.detection.short_list.incident import incident_facts, unknowns
from vlm_autodrive.detection.short_list.listing import ListedEvent, ListedTrip
from vlm_autodrive.detection.short_list.strips import FRAME_WIDTH
from vlm_autodrive.engines import find_times
from vlm_autodrive.html_pages import page_templates
from vlm_autodrive.palette import class_colour
from vlm_autodrive.progress import format_clock, format_seconds
from vlm_autodrive.records import ESCAPED, file_name_text, shown_name

INDEX_FILE = "index.html"
INCIDENTS = "incidents"

_EMBEDDED = 200
_EMBEDDED_WIDTH = 1200
_SAME_MOMENT_S = 0.05


@dataclass(frozen=True)
class _Frame:
    """One frame of an incident page: its time, seconds after the event, what marks it, and its place in percent."""

    time_s: float
    after_s: float
    is_event: bool
    is_cited: bool
    place: float


def write_index(out: Path, trips: Sequence[ListedTrip], events: Sequence[ListedEvent], *, embed: bool) -> Path:
    """Write ``index.html``: it lists all events, and needs no network.

    Style and program are part of the page; pictures and clips lie beside it and are loaded when they are scrolled to.
    The page's program gets the events as data and writes them as text, so that no name or trace can become markup.

    Args:
        out: Where it is written.
        trips: All trips, those without events too.
        events: The events, in the order in which they are shown first.
        embed: Embed the film strips of the first 200 events.
    """
    templates = _templates()
    program = Path(__file__).with_name("templates").joinpath("index.js").read_text(encoding="utf-8")
    by_folder = {trip.folder.name: trip for trip in trips}
    rows = [
        _row(out, event, by_folder[event.folder], embed=embed and number < _EMBEDDED)
        for number, event in enumerate(events)
    ]
    labels = {each.name: each.label for trip in trips for each in trip.taxonomy.classes}
    page = templates.get_template("index.html.j2").render(
        rows=rows,
        trips=trips,
        events=events,
        classes=[
            (name, labels[name], colour_of(trips, name))
            for name in labels
            if any(e.event_class == name for e in events)
        ],
        files=[name for name in ("events.csv", "events.jsonl", "events.parquet") if events],
        judged_s=sum(trip.detections.duration_s or 0.0 for trip in trips),
        not_judged_s=sum(hole.duration_s or 0.0 for trip in trips for hole in trip.detections.not_judged),
        problems=[(trip.name, problem) for trip in trips if (problem := _problem(trip))],
        models={trip.detections.model: trip.detections.training for trip in trips},
        expectations=sorted({trip.detections.expectation for trip in trips} - {""}),
        thresholds=sorted({trip.detections.threshold for trip in trips}),
        not_embedded=max(0, sum(event.strip is not None for event in events[_EMBEDDED:])) if embed else 0,
        embedded=_EMBEDDED,
        timeline=TIMELINE_FILE,
        program=program,
        program_hash=base64.b64encode(hashlib.sha256(program.encode()).digest()).decode(),
    )
    write_text(out / INDEX_FILE, page)
    return out / INDEX_FILE


def write_incident_pages(out: Path, trips: Sequence[ListedTrip], events: Sequence[ListedEvent]) -> None:
    """Write a page for each event, which needs no other file to be read or printed."""
    folder = out / INCIDENTS
    folder.mkdir(exist_ok=True)
    template = _templates().get_template("incident.html.j2")
    by_folder = {trip.folder.name: trip for trip in trips}
    for event in events:
        trip = by_folder[event.folder]
        frames = _frames(event)
        page = template.render(
            event=event,
            trip=trip,
            label=trip.label(event.event_class),
            colour=_css(class_colour(trip.taxonomy.event_names, event.event_class)),
            frames=frames,
            strip=_data_uri((out / event.strip).read_bytes()) if event.strip else "",
            size=_size(out / event.strip) if event.strip else (0, 0),
            frame_width=FRAME_WIDTH,
            probabilities=[(each.label, event.probabilities.get(each.name)) for each in trip.taxonomy.classes],
            reasoning=list(_pieces(event, frames)),
            contradiction=_contradiction(trip, event),
            facts=incident_facts(trip, event),
            unknowns=unknowns(trip, event),
        )
        # Not synced to the disk one by one, as `write_text` does: of thousands that takes minutes, and a page that is
        # lost with the power is made again by the next call.
        partial = folder / ".partial"
        partial.write_text(page, encoding="utf-8", errors=ESCAPED)
        partial.replace(out / event.page)


def colour_of(trips: Sequence[ListedTrip], event_class: str) -> str:
    """The CSS colour of a class, by the first taxonomy that has it."""
    taxonomy = next(trip.taxonomy for trip in trips if event_class in trip.taxonomy.names)
    return _css(class_colour(taxonomy.event_names, event_class))


def _templates() -> Environment:
    environment = page_templates("vlm_autodrive.detection.short_list")
    environment.filters.update(clock=lambda s: format_clock(s, True), duration=format_seconds, url=_url, shown=_shown)
    return environment


def _row(out: Path, event: ListedEvent, trip: ListedTrip, *, embed: bool) -> dict[str, Any]:
    """What the index page's program needs to know of an event."""
    strip = event.strip and (_embedded(out / event.strip) if embed else _url(event.strip))
    return {
        "id": event.event_id,
        "trip": event.trip,
        "cls": event.event_class,
        "p": round(event.probability, 4),
        "ps": [[each.label, round(event.probabilities.get(each.name, 0.0), 4)] for each in trip.taxonomy.classes],
        "t": event.trip_time_s,
        "file": _shown(event.file),
        "ft": event.file_time_s,
        "clock": event.wall_clock,
        "why": _plain(event),
        "says": _contradiction(trip, event),
        "strip": strip,
        "at": round(_event_place(event), 4),
        "clip": event.clip and _url(event.clip),
        "marked": event.annotated_clip and _url(event.annotated_clip),
        "page": _url(event.page),
        "line": _url(f"{event.folder}/{TIMELINE_FILE}"),
        "problem": event.problem,
    }


def _event_place(event: ListedEvent) -> float:
    """Where in its film strip the event is, from 0 at the left to 1."""
    times_s = event.strip_times_s
    if not times_s:
        return 0.0
    nearest = min(range(len(times_s)), key=lambda number: abs(times_s[number] - event.trip_time_s))
    return (nearest + 0.5) / len(times_s)


def _problem(trip: ListedTrip) -> str:
    holes = dict.fromkeys(hole.reason for hole in trip.detections.not_judged)
    return trip.detections.reason or "; ".join(holes)


def _contradiction(trip: ListedTrip, event: ListedEvent) -> str:
    """In what the reasoning differs from the event: in class, in time, or both; empty if in neither."""
    parts = []
    if event.contradicts and event.reasoning_class:
        parts.append(f"comes to {trip.label(event.reasoning_class)}")
    if event.reasoning_time_s is not None and abs(event.reasoning_time_s - event.trip_time_s) > _SAME_MOMENT_S:
        parts.append(f"puts the event at {format_clock(event.reasoning_time_s, True)}")
    return " and ".join(parts)


def _plain(event: ListedEvent) -> str:
    return "".join(text if time_s is None else format_clock(time_s, True) for text, time_s in _cited(event.reasoning))


def _pieces(event: ListedEvent, frames: Sequence[_Frame]) -> Iterator[tuple[str, int | None]]:
    """The reasoning in pieces: its text, and of a cited moment the number of the frame nearest to it."""
    for text, time_s in _cited(event.reasoning):
        if time_s is None:
            yield text, None
        else:
            near = [n for n, frame in enumerate(frames) if abs(frame.time_s - time_s) < 0.26]
            yield format_clock(time_s, True), min(near, key=lambda n: abs(frames[n].time_s - time_s)) if near else -1


def _cited(reasoning: str) -> Iterator[tuple[str, float | None]]:
    end = 0
    for cited in find_times(reasoning):
        if cited.labelled:
            yield reasoning[end : cited.start], None
            yield reasoning[cited.start : cited.end], cited.time_s
            end = cited.end
    yield reasoning[end:], None


def _frames(event: ListedEvent) -> list[_Frame]:
    last = max(1, len(event.strip_times_s) - 1)
    return [
        _Frame(
            time_s=time_s,
            after_s=time_s - event.trip_time_s,
            is_event=time_s == event.trip_time_s,
            is_cited=any(abs(time_s - cited_s) < 0.26 for cited_s in event.cited_times_s),
            place=100 * number / last,
        )
        for number, time_s in enumerate(event.strip_times_s)
    ]


def _embedded(strip: Path) -> str:
    with Image.open(strip) as picture:
        picture.thumbnail((_EMBEDDED_WIDTH, _EMBEDDED_WIDTH), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        picture.save(stream, format="JPEG", quality=75)
    return _data_uri(stream.getvalue())


def _size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _url(place: str) -> str:
    return quote(place)


def _shown(name: str) -> str:
    return shown_name(file_name_text(name))


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"
