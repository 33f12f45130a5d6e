"""A picture of one video's timeline: frame strip, events and the probabilities over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vlm_autodrive.detection import canvas
from vlm_autodrive.detection.canvas import Axis
from vlm_autodrive.detection.events import event_probability
from vlm_autodrive.palette import ANY_EVENT, BAD, EDGE, FAINT, GOOD, INK, LINE, PAPER, class_colour
from vlm_autodrive.progress import format_clock
from vlm_autodrive.records import Event, Taxonomy, VideoDetections, shown_name
from vlm_autodrive.video import VideoError, read_pictures

_WIDTH = 1600
_LEFT, _RIGHT = 132, 28
_STRIP_PICTURES = 10
_CURVE_HEIGHT = 220
_GAP = 14
_LANE = 24


def write_timeline(
    path: Path, video: Path, detections: VideoDetections, taxonomy: Taxonomy, truth: Sequence[Event] | None = None
) -> None:
    """Draw a video's timeline into a PNG file.

    Args:
        path: The picture.
        video: The video, for the frame strip; if it cannot be read the strip is left out.
        detections: What was found in it.
        taxonomy: The classes.
        truth: The true events, if they are known.
    """
    end_s = _end(detections)
    times = [(index + 0.5) * end_s / _STRIP_PICTURES for index in range(_STRIP_PICTURES)]
    try:
        width = (_WIDTH - _LEFT - _RIGHT) // _STRIP_PICTURES
        pictures = read_pictures(detections.files or video, times, width, stream=detections.video_stream)
    except VideoError:
        pictures = []
    draw_timeline(detections, pictures, taxonomy, truth).save(path, format="PNG")


def draw_timeline(
    detections: VideoDetections,
    pictures: Sequence[NDArray[np.uint8]],
    taxonomy: Taxonomy,
    truth: Sequence[Event] | None = None,
) -> Image.Image:
    """Draw a video's timeline.

    Args:
        detections: What was found in the video.
        pictures: Pictures of a frame strip, evenly spread over it.
        taxonomy: The classes.
        truth: The true events, if they are known; an empty sequence says that there are none.
    """
    axis = Axis(_LEFT, _WIDTH - _RIGHT, _end(detections))
    strip = max((round(p.shape[0] * axis.width / len(pictures) / p.shape[1]) for p in pictures), default=0)
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
    found_top = strip_top + strip + _GAP
    known_top = found_top + found_lanes * _LANE + (_GAP if known_lanes else 0)
    curve_top = known_top + known_lanes * _LANE + _GAP
    image = Image.new("RGB", (_WIDTH, curve_top + _CURVE_HEIGHT + 52), PAPER)
    draw = ImageDraw.Draw(image)
    _draw_head(draw, detections, taxonomy)
    _draw_strip(image, pictures, axis, strip_top, strip)
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
    canvas.text(draw, (24, 14), canvas.shorten(draw, shown_name(Path(detections.video).name), 900, 22), INK, 22)
    said = (f"{format_clock(detections.duration_s or 0.0)} of video", detections.model, detections.training)
    scanned = " · ".join(filter(None, said))
    canvas.text(draw, (24, 46), canvas.shorten(draw, scanned, 900, 15), FAINT, 15)
    if detections.reason:
        words = canvas.shorten(draw, "Not all of it could be read: " + detections.reason, 1000, 14)
        canvas.text(draw, (24, 64), words, BAD, 14)
    first = taxonomy.classes[0]
    entries = [
        ("any event", ANY_EVENT),
        (first.label, class_colour(taxonomy.event_names, first.name)),
        (f"threshold {detections.threshold:.3g}", EDGE),
    ]
    canvas.legend(draw, _WIDTH - _RIGHT, 20, entries)


def _draw_strip(image: Image.Image, pictures: Sequence[NDArray[np.uint8]], axis: Axis, top: int, height: int) -> None:
    for index, pixels in enumerate(pictures):
        left = axis.left + index * axis.width // len(pictures)
        right = axis.left + (index + 1) * axis.width // len(pictures) - 2
        image.paste(Image.fromarray(pixels).resize((right - left, height), Image.Resampling.LANCZOS), (left, top))


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
    first = taxonomy.classes[0].name
    severe = [None if w.probabilities is None else w.probabilities[first] for w in detections.windows]
    any_event = [event_probability(window, taxonomy) for window in detections.windows]
    for values, colour in ((any_event, ANY_EVENT), (severe, class_colour(taxonomy.event_names, first))):
        canvas.curve(draw, axis, [(w.start_s, w.end_s) for w in detections.windows], values, (top, bottom), colour)
    canvas.time_axis(draw, axis, bottom)


def _true_label(event: Event, taxonomy: Taxonomy) -> str:
    label = "Event" if event.event_class is None else taxonomy.by_name(event.event_class).label
    return f"{label} {format_clock(event.time_s or 0.0, True)}"


def _end(detections: VideoDetections) -> float:
    return max((window.end_s for window in detections.windows), default=detections.duration_s or 1.0)
