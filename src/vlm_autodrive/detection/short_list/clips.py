"""Clips: each event cut to a video file that browsers play, across the files of its trip where need be."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vlm_autodrive.detection import canvas
from vlm_autodrive.detection.events import event_probability
from vlm_autodrive.detection.short_list.listing import ListedEvent, ListedTrip
from vlm_autodrive.detection.short_list.settings import ShortListSettings
from vlm_autodrive.detection.short_list.strips import is_newer
from vlm_autodrive.detection.trip_pictures import Picture
from vlm_autodrive.palette import DARK, class_colour, rgb
from vlm_autodrive.progress import Task, format_clock
from vlm_autodrive.video import ClipPiece, VideoError, write_joined_clip

CLIPS = "clips"

_BAND, _INK, _MARK = rgb(DARK["page"]), rgb(DARK["ink"]), rgb(DARK["mark-edge"])
_ANNOTATED = "-annotated"
_NAMED_S = 0.4  # on both sides of a cited moment, it is named


def find_clips(out: Path) -> dict[str, Path]:
    """The clips that are there, by event id, class and kind; of several lengths the latest."""
    found = sorted((out / CLIPS).glob("*.mp4"), key=lambda path: path.stat().st_mtime_ns)
    return {f"{path.stem.rpartition('_')[0]}{_ANNOTATED if _ANNOTATED in path.stem else ''}": path for path in found}


def write_clips(
    out: Path,
    trip: ListedTrip,
    events: Sequence[ListedEvent],
    settings: ShortListSettings,
    found: Mapping[str, Path],
    task: Task,
) -> dict[str, ListedEvent]:
    """Cut the clips of a trip's events that are asked for and not there yet.

    Args:
        out: The folder of the index.
        trip: The trip.
        events: Its events.
        settings: Which clips, and how long.
        found: What :func:`find_clips` found; clips that are not asked for this time are kept from there.
        task: Advanced by each event.

    Returns:
        The events, by id, with their clips, or the reason why one could not be cut.
    """
    listed = {}
    for event in events:
        problems = [event.problem] if event.problem else []
        clips: dict[str, str | None] = {}
        for field, kind, is_asked in (
            ("clip", "", settings.clips or settings.annotate),
            ("annotated_clip", _ANNOTATED, settings.annotate),
        ):
            name = f"{event.event_id}_{event.event_class}"
            target = out / CLIPS / f"{name}_{settings.before_s:g}+{settings.after_s:g}s{kind}.mp4"
            if is_asked and not is_newer(target, trip):
                problems += _cut(trip, event, settings, target, is_annotated=bool(kind))
            clip = target if is_asked else found.get(name + kind, target)
            clips[field] = f"{CLIPS}/{clip.name}" if is_newer(clip, trip) else None
        listed[event.event_id] = event.model_copy(update={**clips, "problem": "; ".join(dict.fromkeys(problems))})
        task.advance()
    return listed


def _cut(
    trip: ListedTrip, event: ListedEvent, settings: ShortListSettings, target: Path, *, is_annotated: bool
) -> list[str]:
    """Cut one clip; returns what is missing of it, if anything."""
    begin_s = max(0.0, event.trip_time_s - settings.before_s)
    end_s = min(event.trip_time_s + settings.after_s, trip.length_s)
    pieces = []
    for file in trip.detections.files:
        start_s, stop_s = max(begin_s, file.start_s), min(end_s, file.start_s + file.duration_s)
        if start_s < stop_s:
            own = start_s - file.start_s, stop_s - file.start_s
            pieces.append(ClipPiece(Path(file.path), *own, offset_s=start_s - begin_s))
    paint = partial(_annotated, trip, event, begin_s, end_s) if is_annotated else None
    target.parent.mkdir(exist_ok=True)
    try:
        stream, blur = trip.detections.video_stream, trip.blur
        missing = write_joined_clip(pieces, target, stream=stream, blur=blur, paint=paint)
    except VideoError as error:
        missing = error.reason
    return [f"clip: {missing}"] if missing else []


def _annotated(
    trip: ListedTrip, event: ListedEvent, begin_s: float, end_s: float, at_s: float, pixels: Picture
) -> Picture:
    """A picture with a band below its text: class and probability, the time, the cited moment, and where it plays."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    width, height = image.size
    size = max(12, height // 26)
    now_s = begin_s + at_s
    colour = class_colour(trip.taxonomy.event_names, event.event_class)
    top = height - round(2.9 * size)
    draw.rectangle((0, top, width, height), fill=_BAND)
    title = f"{trip.label(event.event_class)} {event.probability:.2f} at {format_clock(event.trip_time_s, True)}"
    draw.rectangle((0, top, size // 2, height), fill=colour)
    canvas.text(draw, (size, top + size * 0.3), canvas.shorten(draw, title, width // 2, size), _INK, size)
    chance = _chance_at(trip, now_s)
    right = f"{format_clock(now_s, True)}" + ("" if chance is None else f" · any event {chance:.2f}")
    canvas.text(draw, (width - size, top + size * 0.3), right, _INK, size, anchor="ra")
    axis = canvas.Axis(size, width - size, end_s - begin_s)
    line = top + round(2.2 * size)
    draw.line((axis.left, line, axis.right, line), fill=_INK, width=max(1, size // 10))
    for cited_s in event.cited_times_s:
        x = axis.x(cited_s - begin_s)
        draw.line((x, line - size // 2, x, line + size // 2), fill=_MARK, width=max(2, size // 6))
        if abs(cited_s - now_s) <= _NAMED_S:
            draw.rectangle((width // 2 - 6 * size, top - round(1.4 * size), width // 2 + 6 * size, top), fill=_BAND)
            canvas.text(draw, (width / 2, top - size * 0.3), "cited in the reasoning", _MARK, size, anchor="md")
    x = axis.x(event.trip_time_s - begin_s)
    draw.line((x, line - size // 2, x, line + size // 2), fill=colour, width=max(3, size // 4))
    x = axis.x(at_s)
    draw.ellipse((x - size // 3, line - size // 3, x + size // 3, line + size // 3), fill=_INK)
    return np.asarray(image)


def _chance_at(trip: ListedTrip, time_s: float) -> float | None:
    """The largest probability of any event among the windows that show a moment; None if none was judged."""
    chances = [
        event_probability(window, trip.taxonomy)
        for window in trip.detections.windows
        if window.start_s <= time_s < window.end_s
    ]
    return max((chance for chance in chances if chance is not None), default=None)
