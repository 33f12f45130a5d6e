"""The questions of each dimension, with options that are the same for every clip, whatever is true of it.

Options that were picked to go with the truth would tell of it, and through it of the class where, say, it rains in
more of the collisions. So a question has one set of options, and is not asked where none of them is true.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlm_autodrive.supervision.facts import Facts

Presupposed = Literal["", "event", "road user", "contact"]

OTHERWISE: Mapping[Presupposed, str] = {
    "event": "there is no such event",
    "road user": "there is none to watch",
    "contact": "it is not hit",
}
"""The right option where what a question presupposes is not there."""


@dataclass(frozen=True)
class IncidentQuestion:
    """One question of a dimension.

    Attributes:
        name: As in the table of prompts.
        dimension: What it is about; a clip is asked one question of each at most.
        field: The field of incident metadata that answers it.
        options: Each option, and the values of the field for which it is right.
        presupposed: What has to be there for it; its option of :data:`OTHERWISE` is right where it is not.
    """

    name: str
    dimension: str
    field: str
    options: Mapping[str, tuple[str, ...]]
    presupposed: Presupposed = ""

    @property
    def all_options(self) -> tuple[str, ...]:
        """The options, that for what is not there last."""
        return (*self.options, *([OTHERWISE[self.presupposed]] if self.presupposed else []))

    def answer(self, facts: Facts) -> str | None:
        """The right option; None if it is not known, or is none of them."""
        if self.presupposed and _is_missing(facts, self.presupposed):
            return OTHERWISE[self.presupposed]
        value = getattr(facts.incident, self.field)
        if self.presupposed == "contact" and value == "none":
            return OTHERWISE["contact"]
        return next((option for option, values in self.options.items() if value in values), None)


def _is_missing(facts: Facts, presupposed: Presupposed) -> bool:
    if presupposed == "road user":
        return facts.scenario is not None and facts.alone
    return not facts.label.is_event or (presupposed == "contact" and facts.label.contact is False)


_EGO_DOES = {
    "it goes straight on": ("straight",),
    "it turns": ("turn_left", "turn_right", "u_turn"),
    "it changes lanes or overtakes": ("lane_change_left", "lane_change_right", "overtake", "merge"),
    "it stands, sets off or backs up": ("stopped", "start", "reverse"),
}
_EGO_BRAKES = {"not at all": ("none",), "moderately": ("normal",), "hard": ("hard",)}
_OTHER_DOES = {
    "it slows down or stands still": ("brake", "stopped"),
    "it leaves its lane": ("lane_change", "cut_in", "merge", "drift", "overtake"),
    "it crosses or turns": ("cross", "turn_left", "turn_right", "u_turn"),
}
_OTHER_IS = {
    "a car or van": ("car", "van"),
    "a truck or bus": ("truck", "bus"),
    "a person on foot or on two wheels": ("pedestrian", "cyclist", "motorcycle"),
}
_OTHER_IS_AT = {
    "ahead of us": ("ahead",),
    "coming towards us": ("oncoming",),
    "to the side": ("crossing", "beside"),
}
_HIT_AT = {
    "the front": ("front", "front_left", "front_right"),
    "one of its sides": ("left", "right"),
    "the rear": ("rear", "rear_left", "rear_right"),
}
_AT_FAULT = {"the ego driver": ("driver",), "the other party": ("other",)}
_ON_FOOT = {
    "there are none": ("none",),
    "they wait or walk beside the road": ("waiting", "walking_along"),
    "they cross or stand on the road": ("crossing", "on_road"),
}
_ON_BICYCLES = {
    "there are none": ("none",),
    "they wait or ride along the road": ("waiting", "riding_along"),
    "they cross the road": ("crossing",),
}

INCIDENT_QUESTIONS: tuple[IncidentQuestion, ...] = (
    IncidentQuestion(
        "weather", "weather", "weather",
        {"clear": ("clear",), "cloudy": ("cloudy",), "rain": ("rain",), "snow": ("snow",)},
    ),
    IncidentQuestion(
        "light", "light", "light",
        {"daylight": ("bright", "normal", "day"), "twilight": ("twilight",), "darkness": ("dark",)},
    ),
    IncidentQuestion(
        "brightness", "light", "light",
        {
            "bright daylight": ("bright",), "plain daylight": ("normal",), "twilight": ("twilight",),
            "darkness": ("dark",),
        },
    ),
    IncidentQuestion(
        "road_kind", "road", "scene",
        {
            "urban road": ("urban",), "suburban road": ("suburban",), "highway": ("highway",),
            "rural road": ("rural",),
        },
    ),
    IncidentQuestion(
        "road_surface", "road", "road_surface",
        {
            "dry": ("dry",), "wet": ("wet",), "snow or ice on it": ("snowy", "icy"),
            "gravel, sand or earth": ("loose",),
        },
    ),
    IncidentQuestion(
        "road_course", "road", "road_layout",
        {
            "straight on": ("straight",), "round a bend": ("curve",),
            "over a junction": ("intersection", "t_junction", "roundabout"), "up or down a ramp": ("ramp",),
        },
    ),
    IncidentQuestion(
        "traffic", "surroundings", "traffic_density",
        {
            "no other vehicle": ("none",), "a few vehicles": ("light",), "some traffic": ("moderate",),
            "dense traffic": ("heavy",),
        },
    ),
    IncidentQuestion(
        "along_the_road", "surroundings", "zone",
        {
            "homes": ("residential",), "shops and offices": ("commercial",),
            "works and warehouses": ("industrial",), "open country": ("open_country",),
        },
    ),
    IncidentQuestion(
        "place", "surroundings", "zone",
        {
            "homes": ("residential",), "a school": ("school",), "road works": ("work_zone",),
            "parking spaces": ("parking",),
        },
    ),
    IncidentQuestion("ego_does", "ego_motion", "ego_manoeuvre", _EGO_DOES),
    IncidentQuestion(
        "ego_does_at_event", "ego_motion", "ego_manoeuvre",
        {
            "it goes straight on": ("straight",),
            "it turns or changes lanes": (
                "turn_left", "turn_right", "u_turn", "lane_change_left", "lane_change_right", "overtake", "merge",
            ),
            "it stands, sets off or backs up": ("stopped", "start", "reverse"),
        },
        "event",
    ),
    IncidentQuestion("ego_brakes", "ego_motion", "ego_braking", _EGO_BRAKES),
    IncidentQuestion("ego_brakes_at_event", "ego_motion", "ego_braking", _EGO_BRAKES, "event"),
    IncidentQuestion("other_does", "other_motion", "other_manoeuvre", _OTHER_DOES, "road user"),
    IncidentQuestion("other_does_at_event", "other_motion", "other_manoeuvre", _OTHER_DOES, "event"),
    IncidentQuestion("other_is", "road_users", "other_type", _OTHER_IS, "road user"),
    IncidentQuestion("other_is_at_event", "road_users", "other_type", _OTHER_IS, "event"),
    IncidentQuestion("other_place", "road_users", "other_role", _OTHER_IS_AT, "road user"),
    IncidentQuestion("other_place_before_event", "road_users", "other_role", _OTHER_IS_AT, "event"),
    IncidentQuestion("ego_hit", "impact_sides", "ego_impact_side", _HIT_AT, "contact"),
    IncidentQuestion("other_hit", "impact_sides", "other_impact_side", _HIT_AT, "contact"),
    IncidentQuestion("fault_or_both", "responsibility", "responsibility", _AT_FAULT | {"both": ("shared",)}, "event"),
    IncidentQuestion(
        "fault_or_road", "responsibility", "responsibility", _AT_FAULT | {"the road": ("road",)}, "event"
    ),
    IncidentQuestion(
        "fault_or_open", "responsibility", "responsibility",
        _AT_FAULT | {"it cannot be told": ("undetermined",)}, "event",
    ),
    IncidentQuestion("on_foot", "people", "pedestrians", _ON_FOOT),
    IncidentQuestion("on_foot_at_event", "people", "pedestrians", _ON_FOOT, "event"),
    IncidentQuestion("on_bicycles", "people", "cyclists", _ON_BICYCLES),
    IncidentQuestion("on_bicycles_at_event", "people", "cyclists", _ON_BICYCLES, "event"),
)  # fmt: skip
DIMENSIONS = tuple(dict.fromkeys(question.dimension for question in INCIDENT_QUESTIONS))
"""All dimensions but that of the event and its why."""
