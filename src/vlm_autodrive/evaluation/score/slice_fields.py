"""The fields by whose values clips make slices.

Of the incident metadata only the surroundings make slices. All other fields are recorded of events: a slice by them
would hold clips of one class alone, and its accuracy would be that class's recall under another name. A shock is
measured of clips of all classes that have telemetry; the others are in none of its slices. So it is with the events
that a camera marked itself, of clips whose camera is known.
"""

from vlm_autodrive.records import SURROUNDINGS, Clip

SLICE_FIELDS = (*SURROUNDINGS, "ego", "source", "length", "shock", "camera_event", "family")
"""The fields of a clip by whose values the clips are divided."""
_SHOCK_G = 0.5  # harder than drivers brake by themselves, and what cameras take for an event at a medium setting
LENGTHS_S = {3.0: "under 3 s", 6.0: "3 to 6 s", 12.0: "6 to 12 s", 30.0: "12 to 30 s", float("inf"): "30 s or more"}


def slice_value(clip: Clip, field: str) -> str:
    """A clip's value in a field; empty if it has none."""
    if field == "family":
        return _family(clip)
    if field == "ego":
        return "" if clip.ego_involved is None else "involved" if clip.ego_involved else "not involved"
    if field == "source":
        return clip.source
    if field == "length":
        return next(label for end_s, label in LENGTHS_S.items() if clip.duration_s < end_s)
    if field == "shock":
        if clip.peak_g is None:
            return ""
        return f"{_SHOCK_G} g or more" if clip.peak_g >= _SHOCK_G else f"below {_SHOCK_G} g"
    if field == "camera_event":
        return "" if clip.camera_marked is None else "marked" if clip.camera_marked else "not marked"
    recorded = clip.incident if clip.scenario is None else clip.incident.over(clip.scenario.incident)
    return getattr(recorded, field) or ""


def _family(clip: Clip) -> str:
    """The kind of encounter in the window, the one nearest to the clip's event first."""
    if clip.scenario is None:
        return ""
    inside = [e for e in clip.scenario.encounters if 0 <= e.time_s <= clip.duration_s]
    if not inside:
        return "plain_driving"
    event_time_s = clip.event_time_s
    if event_time_s is None:
        return inside[0].family
    return min(inside, key=lambda encounter: abs(encounter.time_s - event_time_s)).family
