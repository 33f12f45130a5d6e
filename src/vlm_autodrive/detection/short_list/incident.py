"""What an incident page says of its event beside the pictures: with what it was found, and what is not known."""

from typing import Any

from vlm_autodrive.detection.short_list.listing import ListedEvent, ListedTrip
from vlm_autodrive.progress import format_clock


def incident_facts(trip: ListedTrip, event: ListedEvent) -> list[tuple[str, str]]:
    """With what the event was found, as pairs of a name and a value."""
    settings: dict[str, Any] = trip.provenance.settings
    windows = f"{settings['window_s']:g} s, one every {settings['stride_s']:g} s"
    needed = settings["min_windows"]
    return [
        ("Model", event.model),
        ("Training", trip.detections.training or "not told by the model's card"),
        ("Windows", windows),
        ("Threshold", f"{event.threshold:.3g} for any event, in {needed} window{'' if needed == 1 else 's'} or more"),
        ("To expect", trip.detections.expectation or "not known: the model is not calibrated"),
        ("Searched", trip.provenance.created),
    ]


def unknowns(trip: ListedTrip, event: ListedEvent) -> list[str]:
    """What is not known of the event, in sentences."""
    found = trip.detections
    stride_s = trip.provenance.settings["stride_s"]
    told = ["Nobody has confirmed this event: it is what the model says, and the model can be wrong."]
    told.append(
        f"When exactly it happened: windows lie {stride_s:g} s apart, and the time is no sharper than that, unless the "
        "reasoning names it."
    )
    if event.wall_clock is None:
        told.append("The date and the time of day: neither the name nor the header of the file tells them.")
    elif len(event.wall_clock) <= len("2000-01-01T00:00:00.000"):
        told.append("The time zone: the time of day is that of the camera's clock, which may be wrong.")
    if not event.reasoning:
        told.append("Why the model thinks so: no reasoning was asked of it, or it gave none.")
    missing = [
        w for w in found.windows if w.probabilities is None and w.start_s < event.end_s and event.start_s < w.end_s
    ]
    if missing:
        told.append(
            f"What {len(missing)} of the windows at the event show: the first, at {format_clock(missing[0].start_s)}, "
            f"has no score ({missing[0].reason})."
        )
    if found.reason:
        told.append(f"What the rest of the trip shows, as far as it could not be read: {found.reason}.")
    if event.problem:
        told.append(f"What it looks like: {event.problem}.")
    return told + [f"Of the file, {kind}: {words}." for kind, words in found.notes.items()]
