"""A picture of one trip's timeline: frames at its events, the events, and the probability of each class over time."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from vlm_autodrive.detection import canvas
from vlm_autodrive.detection.canvas import Axis
from vlm_autodrive.detection.events import event_probability
from vlm_autodrive.detection.trip_pictures import Picture, read_trip_pictures
from vlm_autodrive.palette import ANY_EVENT, BAD, EDGE, FAINT, GOOD, INK, LINE, PAPER, class_colour
from vlm_autodrive.progress import format_clock
from vlm_autodrive.records import Event, Taxonomy, VideoDetections, shown_name
from vlm_autodrive.video import Blur

_WIDTH = 1600
_LEFT, _RIGHT = 132, 28
_STRIP_PICTURES = 10
_FEWEST_TILES = 4  # a single picture would be as high as the rest together
_LEADER = 22
_CURVE_HEIGHT = 220
_GAP = 14
_LANE = 24


def write_timeline(
    path: Path,
    detections: VideoDetections,
    taxonomy: Taxonomy,
    truth: Sequence[Event] | None = None,
    blur: Blur = None,
) -> None:
    """Draw a trip's timeline into a PNG file.

    Args:
        path: The picture.
        detections: What was found in it; frames that cannot be read or blurred are left out.
        taxonomy: The classes.
        truth: The true events, if they are known.
        blur: What is blurred in its frames.
    """
    times_s = strip_times(detections)
    pictures: list[Picture | None] = []
    if detections.files:
        width = (_WIDTH - _LEFT - _RIGHT) // len(times_s)
        pictures, _ = read_trip_pictures(detections, times_s, width, blur)
    shown = [(time_s, each) for time_s, each in zip(times_s, pictures, strict=False) if each is not None]
    draw_timeline(detections, shown, taxonomy, truth).save(path, format="PNG")


def strip_times(detections: VideoDetections) -> list[float]:
    """The moments that a timeline's frame strip shows, in order: the likeliest events, and others spread between them.

    The others lie as far from all of these as they can, so that no part of the trip goes unseen.
    """
    end_s = _end(detections)
    events = sorted(detections.events, key=lambda event: -event.probability)[:_STRIP_PICTURES]
    times_s = list({event.time_s: None for event in events})
    grid_s = [(index + 0.5) * end_s / _STRIP_PICTURES for index in range(_STRIP_PICTURES)]
    while len(times_s) < _STRIP_PICTURES:
        times_s.append(max(grid_s, key=lambda time_s: min((abs(time_s - shown) for shown in times_s), default=0.0)))
    return sorted(times_s)


def draw_timeline(
    detections: VideoDetections,
    pictures: Sequence[tuple[float, Picture]],
    taxonomy: Taxonomy,
    truth: Sequence[Event] | None = None,
) -> Image.Image:
    """Draw a trip's timeline.

    Args:
        detections: What was found in the trip.
        pictures: The frame strip: trip times in order, each with its picture.
        taxonomy: The classes.
        truth: The true events, if they are known; an empty sequence says that there are none.
    """
    axis = Axis(_LEFT, _WIDTH - _RIGHT, _end(detections))
    tile = axis.width // max(len(pictures), _FEWEST_TILES)
    strip = max((round(p.shape[0] * tile / p.shape[1]) for _, p in pictures), default=-_LEADER)
    truth = None if truth is None else sorted(truth, key=lambda event: event.time_s or 0.0)
    found = canvas.place_labels(
        axis,
        [
            (e.time_s, f"{taxonomy.by_name(e.event_class).label} {format_clock(e.time_s, True)}")
            for e in detections.events
        ],
    )
    known = canvas.place_labels(axis, [(e.time_s or 0.0, _true_label(e, taxonomy)) for e in truth or ()])
    found_lanes = max((lane for _, lane in found), default=0) + 1
    known_lanes = 0 if truth is None else max((lane for _, lane in known), default=0) + 1
    strip_top = 84
    found_top = strip_top + strip + _LEADER + 4
    known_top = found_top + found_lanes * _LANE + (_GAP if known_lanes else 0)
    curve_top = known_top + known_lanes * _LANE + _GAP
    image = Image.new("RGB", (_WIDTH, curve_top + _CURVE_HEIGHT + 52), PAPER)
    draw = ImageDraw.Draw(image)
    _draw_head(draw, detections, taxonomy)
    _draw_strip(image, draw, detections, pictures, taxonomy, axis, (strip_top, strip_top + strip), tile)
    _draw_spans(draw, detections, taxonomy, axis, (found_top, curve_top + _CURVE_HEIGHT))
    canvas.row_name(draw, _LEFT, found_top + 3, "found")
    for event, (x, lane) in zip(detections.events, found, strict=True):
        colour = class_colour(taxonomy.event_names, event.event_class)
        label = f"{taxonomy.by_name(event.event_class).label} {format_clock(event.time_s, True)}"
        canvas.flag(draw, axis.x(event.time_s), x, found_top + lane * _LANE, label, colour)
    if not detections.events:
        canvas.text(draw, (_LEFT, found_top + 3), "no event", FAINT)
    if truth is not None:
        canvas.row_name(draw, _LEFT, known_top + 3, "true")
        for true, (_, lane) in zip(truth, known, strict=True):
            rows = (known_top + lane * _LANE, curve_top + _CURVE_HEIGHT)
            canvas.dashed(draw, axis.x(true.time_s or 0.0), rows, GOOD)
        for true, (x, lane) in zip(truth, known, strict=True):
            label = _true_label(true, taxonomy)
            canvas.flag(draw, axis.x(true.time_s or 0.0), x, known_top + lane * _LANE, label, GOOD)
        if not truth:
            canvas.text(draw, (_LEFT, known_top + 3), "no event", FAINT)
    _draw_curves(draw, detections, taxonomy, axis, curve_top)
    return image


def _draw_head(draw: ImageDraw.ImageDraw, detections: VideoDetections, taxonomy: Taxonomy) -> None:
    colours = [
        (each.label, class_colour(taxonomy.event_names, each.name)) for each in taxonomy.classes if each.is_event
    ]
    entries = [("any event", ANY_EVENT), *colours, (f"threshold {detections.threshold:.3g}", EDGE)]
    room = canvas.legend(draw, _WIDTH - _RIGHT, 20, entries) - 48
    canvas.text(draw, (24, 14), canvas.shorten(draw, _title(detections), room, 22), INK, 22)
    said = (f"{format_clock(detections.duration_s or 0.0)} of video", detections.model, detections.training)
    scanned = " · ".join(filter(None, said))
    canvas.text(draw, (24, 46), canvas.shorten(draw, scanned, 900, 15), FAINT, 15)
    if detections.reason:
        words = canvas.shorten(draw, "Not all of it could be read: " + detections.reason, 1000, 14)
        canvas.text(draw, (24, 64), words, BAD, 14)


def _title(detections: VideoDetections) -> str:
    name = shown_name(Path(detections.video).name)
    return f"{name} and {len(detections.files) - 1} more files" if len(detections.files) > 1 else name


def _draw_strip(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    detections: VideoDetections,
    pictures: Sequence[tuple[float, Picture]],
    taxonomy: Taxonomy,
    axis: Axis,
    rows: tuple[int, int],
    tile: int,
) -> None:
    """Frames side by side, each with its time and a line to its place on the axis of time."""
    events = {event.time_s: class_colour(taxonomy.event_names, event.event_class) for event in detections.events}
    spread = axis.width / max(len(pictures), 1)
    top, bottom = rows
    for index, (time_s, pixels) in enumerate(pictures):
        left = axis.left + round(index * spread + (spread - tile) / 2)
        right = left + tile - 4
        image.paste(Image.fromarray(pixels).resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top))
        colour = events.get(time_s, FAINT)
        if time_s in events:
            draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=colour, width=4)
        words = format_clock(time_s, True)
        draw.rectangle((left, bottom - 20, left + canvas.label_width(words) - 4, bottom), fill=colour)
        canvas.text(draw, (left + 4, bottom - 19), words, PAPER)
        middle, x = (left + right) // 2, axis.x(time_s)
        draw.line((middle, bottom + 2, x, bottom + _LEADER), fill=colour, width=2 if time_s in events else 1)


def _draw_spans(
    draw: ImageDraw.ImageDraw, detections: VideoDetections, taxonomy: Taxonomy, axis: Axis, rows: tuple[int, int]
) -> None:
    for event in detections.events:
        colour = class_colour(taxonomy.event_names, event.event_class)
        box = (axis.x(event.start_s), rows[0], axis.x(event.end_s), rows[1])
        draw.rectangle(box, fill=canvas.blend(colour, 0.14))
    for event in detections.events:
        x = axis.x(event.time_s)
        draw.line((x, rows[0], x, rows[1]), fill=class_colour(taxonomy.event_names, event.event_class), width=2)


def _draw_curves(
    draw: ImageDraw.ImageDraw, detections: VideoDetections, taxonomy: Taxonomy, axis: Axis, top: int
) -> None:
    bottom = top + _CURVE_HEIGHT
    canvas.text(draw, (24, top - 8), "probability", FAINT, 14)
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - round(level * _CURVE_HEIGHT)
        draw.line((axis.left, y, axis.right, y), fill=LINE)
        canvas.text(draw, (axis.left - 10, y - 8), f"{level:g}", FAINT, 14, anchor="ra")
    for window in detections.windows:
        if window.probabilities is None:
            middle = (window.start_s + window.end_s) / 2
            canvas.hatch(draw, axis.x(middle) - 3, axis.x(middle) + 3, (top, bottom))
    y = bottom - round(detections.threshold * _CURVE_HEIGHT)
    draw.line((axis.left, y, axis.right, y), fill=EDGE, width=2)
    spans = [(w.start_s, w.end_s) for w in detections.windows]
    any_event = [event_probability(window, taxonomy) for window in detections.windows]
    canvas.curve(draw, axis, spans, any_event, (top, bottom), ANY_EVENT)
    for name in reversed(taxonomy.event_names):  # so that the most severe lies on top
        values = [None if w.probabilities is None else w.probabilities[name] for w in detections.windows]
        canvas.curve(draw, axis, spans, values, (top, bottom), class_colour(taxonomy.event_names, name))
    canvas.time_axis(draw, axis, bottom)


def _true_label(event: Event, taxonomy: Taxonomy) -> str:
    label = "Event" if event.event_class is None else taxonomy.by_name(event.event_class).label
    return f"{label} {format_clock(event.time_s or 0.0, True)}"


def _end(detections: VideoDetections) -> float:
    return max((window.end_s for window in detections.windows), default=detections.duration_s or 1.0)
