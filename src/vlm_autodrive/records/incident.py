"""Incident metadata: what people or sensors have recorded of a video and its event, in one vocabulary.

Every field may be unknown, which is None; ``none`` is a value of its own and means that there was none. Spellings of
the data sets that are read, and common ones of fleets and insurers, are in :data:`INCIDENT_SYNONYMS`.
"""

from typing import Literal, get_args

from pydantic import Field

from vlm_autodrive.records.base import Record

_MAX_KMH, _MAX_G = 400.0, 50.0

Weather = Literal["clear", "cloudy", "rain", "snow", "fog"]
Light = Literal["bright", "normal", "day", "twilight", "dark"]
Scene = Literal["urban", "suburban", "highway", "rural", "industrial", "tunnel", "mountain", "car_park"]
RoadLayout = Literal["straight", "curve", "intersection", "t_junction", "ramp", "roundabout"]
RoadSurface = Literal["dry", "wet", "snowy", "icy", "loose"]
TrafficDensity = Literal["none", "light", "moderate", "heavy"]
Zone = Literal["residential", "commercial", "industrial", "school", "work_zone", "parking", "open_country"]
EgoManoeuvre = Literal[
    "straight", "turn_left", "turn_right", "lane_change_left", "lane_change_right", "overtake", "merge", "u_turn",
    "reverse", "start", "stopped",
]  # fmt: skip
Braking = Literal["none", "normal", "hard"]
OtherType = Literal["car", "van", "truck", "bus", "motorcycle", "cyclist", "pedestrian", "animal", "object"]
OtherRole = Literal["ahead", "behind", "oncoming", "crossing", "beside", "parked"]
OtherManoeuvre = Literal[
    "straight", "brake", "turn_left", "turn_right", "lane_change", "cut_in", "merge", "overtake", "cross", "drift",
    "u_turn", "reverse", "start", "stopped",
]  # fmt: skip
ImpactSide = Literal[
    "none", "front", "front_left", "front_right", "left", "right", "rear", "rear_left", "rear_right"
]  # fmt: skip
PedestrianAction = Literal["none", "present", "waiting", "walking_along", "crossing", "on_road"]
CyclistAction = Literal["none", "present", "waiting", "riding_along", "crossing"]
Responsibility = Literal["driver", "other", "road", "shared", "undetermined"]


class IncidentMetadata(Record):
    """What is recorded of a video's surroundings and of its event; None where nothing is.

    The fields' descriptions are the sentences of the manifest's schema and of its documentation.
    """

    weather: Weather | None = Field(default=None, description="The weather.")
    light: Light | None = Field(
        default=None, description="The light; `day` where the source does not say how bright the day is."
    )
    scene: Scene | None = Field(default=None, description="The kind of place.")
    road_layout: RoadLayout | None = Field(default=None, description="The course of the road where it happens.")
    road_surface: RoadSurface | None = Field(
        default=None, description="The state of the road surface; `loose` is gravel, sand or earth."
    )
    traffic_density: TrafficDensity | None = Field(
        default=None,
        description="How dense the traffic around the ego vehicle is; `none` where there is no other vehicle.",
    )
    zone: Zone | None = Field(default=None, description="What the road leads through.")
    ego_manoeuvre: EgoManoeuvre | None = Field(
        default=None, description="What the ego vehicle is about when it happens, before any evasion."
    )
    ego_braking: Braking | None = Field(
        default=None, description="How hard the ego vehicle brakes; `hard` from about 4 m/s² on."
    )
    other_type: OtherType | None = Field(default=None, description="What the other party is.")
    other_role: OtherRole | None = Field(
        default=None, description="Where the other party is relative to the ego vehicle before it happens."
    )
    other_manoeuvre: OtherManoeuvre | None = Field(default=None, description="What the other party does.")
    ego_impact_side: ImpactSide | None = Field(
        default=None, description="The side of the ego vehicle that is hit; `none` without contact."
    )
    other_impact_side: ImpactSide | None = Field(
        default=None, description="The side of the other party that is hit; `none` without contact."
    )
    pedestrians: PedestrianAction | None = Field(
        default=None,
        description="What the pedestrians in view do; the most critical action where there are several.",
    )
    cyclists: CyclistAction | None = Field(
        default=None, description="What the cyclists in view do; the most critical action where there are several."
    )
    responsibility: Responsibility | None = Field(
        default=None,
        description="Who is responsible, only as somebody has recorded it: the ego vehicle's `driver`, the `other` "
        "party, the `road`, several of them (`shared`), or found to be `undetermined`.",
    )
    speed_kmh: float | None = Field(
        default=None, ge=0.0, le=_MAX_KMH, description="Speed of the ego vehicle at the event, in km/h."
    )
    longitudinal_g: float | None = Field(
        default=None,
        ge=-_MAX_G,
        le=_MAX_G,
        description="Largest longitudinal acceleration within a second of the event, in g; braking is negative.",
    )
    lateral_g: float | None = Field(
        default=None,
        ge=-_MAX_G,
        le=_MAX_G,
        description="Largest lateral acceleration within a second of the event, in g; to the right is positive.",
    )

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the fields that are known."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    def surroundings(self) -> "IncidentMetadata":
        """The fields that hold for the whole video, whatever happens in it."""
        return IncidentMetadata(**{name: getattr(self, name) for name in SURROUNDINGS})

    def over(self, other: "IncidentMetadata") -> "IncidentMetadata":
        """These fields, and those of ``other`` where these are unknown."""
        return other.model_copy(update={name: getattr(self, name) for name in self.known})


SURROUNDINGS = ("weather", "light", "scene", "road_layout", "road_surface", "traffic_density", "zone")
"""Fields of the whole video; all others are of its event."""

INCIDENT_NUMBERS: dict[str, tuple[float, float]] = {
    "speed_kmh": (0.0, _MAX_KMH),
    "longitudinal_g": (-_MAX_G, _MAX_G),
    "lateral_g": (-_MAX_G, _MAX_G),
}
"""Fields that are numbers, each with the least and the largest that is plausible; all others have a list of values."""

_SIDES: dict[str, tuple[str, ...]] = {
    "none": ("no contact", "no impact", "no"),
    "front": ("head", "front end", "frontal", "12 o'clock"),
    "front_left": ("left front",),
    "front_right": ("right front",),
    "left": ("left side", "9 o'clock"),
    "right": ("right side", "3 o'clock"),
    "rear": ("back", "rear end", "6 o'clock"),
    "rear_left": ("left rear",),
    "rear_right": ("right rear",),
}

INCIDENT_SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "weather": {
        "clear": ("sunny", "fine", "dry weather"),
        "cloudy": ("overcast", "clouds"),
        "rain": ("rainy", "raining", "wet weather"),
        "snow": ("snowy", "snowing"),
        "fog": ("foggy", "mist", "haze"),
    },
    "light": {
        "bright": ("bright daylight", "sunlight"),
        "normal": ("plain daylight",),
        "day": ("daytime", "daylight"),
        "twilight": ("dusk", "dawn", "dawn/dusk"),
        "dark": ("night", "nighttime", "darkness", "dark - lighted"),
    },
    "scene": {
        "urban": ("city", "city street", "town"),
        "suburban": ("sub-urban", "suburb"),
        "highway": ("motorway", "freeway", "expressway"),
        "rural": ("country", "countryside", "country road"),
        "industrial": (),
        "tunnel": (),
        "mountain": ("mountain road",),
        "car_park": ("parking lot", "parking garage"),
    },
    "road_layout": {
        "straight": ("arterials", "arterial", "straight road"),
        "curve": ("bend", "curved"),
        "intersection": ("crossroads", "junction", "four-way intersection"),
        "t_junction": ("T-junction", "three-way intersection"),
        "ramp": ("slip road", "on-ramp", "off-ramp"),
        "roundabout": ("traffic circle",),
    },
    "road_surface": {
        "dry": (),
        "wet": ("damp",),
        "snowy": ("snow-covered", "slush"),
        "icy": ("ice", "black ice"),
        "loose": ("gravel", "sand", "dirt", "unpaved"),
    },
    "traffic_density": {
        "none": ("empty", "no traffic"),
        "light": ("low", "sparse"),
        "moderate": ("medium", "normal"),
        "heavy": ("high", "dense", "congested", "traffic jam"),
    },
    "zone": {
        "residential": ("housing",),
        "commercial": ("business", "shopping", "downtown"),
        "industrial": ("industrial estate",),
        "school": ("school zone",),
        "work_zone": ("construction", "road works"),
        "parking": ("parking area",),
        "open_country": ("country", "fields", "outside town"),
    },
    "ego_manoeuvre": {
        "straight": ("going straight", "straight ahead", "going ahead"),
        "turn_left": ("turning left", "left turn"),
        "turn_right": ("turning right", "right turn"),
        "lane_change_left": ("changing to the left lane",),
        "lane_change_right": ("changing to the right lane",),
        "overtake": ("overtaking", "passing"),
        "merge": ("merging",),
        "u_turn": ("U-turn", "turning back"),
        "reverse": ("reversing", "backing"),
        "start": ("starting", "pulling away", "moving off"),
        "stopped": ("stationary", "standing", "parked", "waiting"),
    },
    "ego_braking": {
        "none": ("no", "no braking"),
        "normal": ("moderate", "light", "yes", "braking"),
        "hard": ("harsh", "emergency", "hard braking", "sudden"),
    },
    "other_type": {
        "car": ("passenger car", "sedan", "SUV", "taxi"),
        "van": ("minivan",),
        "truck": ("lorry", "HGV", "pickup"),
        "bus": ("coach",),
        "motorcycle": ("motorbike", "scooter", "moped"),
        "cyclist": ("bicycle", "bike", "e-bike"),
        "pedestrian": ("person", "walker"),
        "animal": ("deer", "dog"),
        "object": ("obstacle", "fixed object", "debris"),
    },
    "other_role": {
        "ahead": ("lead", "leading", "lead vehicle", "in front"),
        "behind": ("following", "follower"),
        "oncoming": ("opposite direction", "opposing"),
        "crossing": ("cross traffic",),
        "beside": ("adjacent", "side by side", "next lane"),
        "parked": ("parking",),
    },
    "other_manoeuvre": {
        "straight": ("going straight", "straight ahead", "moving ahead"),
        "brake": ("braking", "slowing down", "sudden braking"),
        "turn_left": ("turning left", "left turn"),
        "turn_right": ("turning right", "right turn"),
        "lane_change": ("changing lane", "changes lane"),
        "cut_in": ("cutting in", "cuts in"),
        "merge": ("merging",),
        "overtake": ("overtaking", "passing"),
        "cross": ("crossing",),
        "drift": ("drifting", "leaves its lane", "wrong lane"),
        "u_turn": ("U-turn", "turning back"),
        "reverse": ("reversing", "backing"),
        "start": ("starting", "pulling away", "moving off"),
        "stopped": ("stationary", "standing", "waiting"),
    },
    "ego_impact_side": _SIDES,
    "other_impact_side": _SIDES,
    "pedestrians": {
        "none": ("no",),
        "present": ("yes",),
        "waiting": ("standing",),
        "walking_along": ("walking", "on pavement"),
        "crossing": ("cross",),
        "on_road": ("standing on the road",),
    },
    "cyclists": {
        "none": ("no",),
        "present": ("yes",),
        "waiting": ("standing",),
        "riding_along": ("riding",),
        "crossing": ("cross",),
    },
    "responsibility": {
        "driver": ("ego", "ego driver", "own driver", "at fault", "insured"),
        "other": ("third party", "other party", "other driver"),
        "road": ("road condition", "infrastructure", "environment"),
        "shared": ("both", "mixed", "partial"),
        "undetermined": ("unclear", "disputed", "inconclusive"),
    },
}
"""Further spellings of each value, by field, compared by letters and digits alone as the values themselves are."""


def incident_values(field: str) -> tuple[str, ...]:
    """The values that a field can have, in order; empty for a number."""
    if field in INCIDENT_NUMBERS:
        return ()
    annotation = IncidentMetadata.model_fields[field].annotation
    return tuple(get_args(get_args(annotation)[0]))


def find_incident_value(field: str, text: str) -> str | None:
    """The value of a field that a file means by ``text``; None if it is none of its values or their synonyms."""
    return _SPELLED[field].get(_plain(text))


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


_SPELLED = {
    field: {_plain(text): value for value, others in values.items() for text in (value, *others)}
    for field, values in INCIDENT_SYNONYMS.items()
}
