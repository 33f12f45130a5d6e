"""Incident metadata in plain words, for captions: what is written of each value, first the usual wording.

What a value does not say, such as how heavy a rain is, none of its wordings says either.
"""

from vlm_autodrive.records import IncidentMetadata

Wordings = tuple[str, ...]

ROAD_SURFACE: dict[str, Wordings] = {
    "dry": ("a dry road surface", "a dry surface"),
    "wet": ("a wet road surface", "a wet surface"),
    "snowy": ("snow on the road", "a snow-covered surface"),
    "icy": ("ice on the road", "an icy surface"),
    "loose": ("loose ground", "an unpaved surface"),
}
ROAD_LAYOUT: dict[str, Wordings] = {
    "straight": ("the road runs straight", "no bend ahead"),
    "curve": ("the road bends", "a bend"),
    "intersection": ("an intersection", "a crossroads"),
    "t_junction": ("a T-junction", "a three-way junction"),
    "ramp": ("a slip road", "a ramp"),
    "roundabout": ("a roundabout",),
}
TRAFFIC_DENSITY: dict[str, Wordings] = {
    "none": ("no other vehicle around", "an empty road"),
    "light": ("little traffic", "few other vehicles"),
    "moderate": ("some traffic", "several other vehicles"),
    "heavy": ("dense traffic", "many other vehicles"),
}
ZONE: dict[str, Wordings] = {
    "residential": ("homes along the road", "a residential area"),
    "commercial": ("shops and offices along the road", "a shopping area"),
    "industrial": ("works and warehouses along the road", "an industrial area"),
    "school": ("a school nearby", "a school zone"),
    "work_zone": ("road works", "a construction site"),
    "parking": ("a parking area", "parking spaces around"),
    "open_country": ("open country", "open land around"),
}
EGO_MANOEUVRE: dict[str, Wordings] = {
    "straight": ("goes straight on", "keeps straight ahead"),
    "turn_left": ("turns left", "is turning left"),
    "turn_right": ("turns right", "is turning right"),
    "lane_change_left": ("moves to the left lane", "changes to the left lane"),
    "lane_change_right": ("moves to the right lane", "changes to the right lane"),
    "overtake": ("overtakes", "is overtaking"),
    "merge": ("merges into traffic", "is merging"),
    "u_turn": ("turns round", "makes a U-turn"),
    "reverse": ("reverses", "backs up"),
    "start": ("pulls away", "sets off"),
    "stopped": ("stands still", "is standing"),
}
BRAKING: dict[str, Wordings] = {
    "none": ("does not brake", "is not braked"),
    "normal": ("brakes moderately", "is braked moderately"),
    "hard": ("brakes hard", "is braked hard"),
}
OTHER_TYPE: dict[str, str] = {
    "car": "a car", "van": "a van", "truck": "a truck", "bus": "a bus", "motorcycle": "a motorcycle",
    "cyclist": "a cyclist", "pedestrian": "a pedestrian", "animal": "an animal", "object": "an obstacle",
}  # fmt: skip
OTHER_ROLE: dict[str, Wordings] = {
    "ahead": ("ahead", "in front"),
    "behind": ("behind",),
    "oncoming": ("coming towards us", "coming the other way"),
    "crossing": ("from a crossing direction", "on a crossing path"),
    "beside": ("beside us", "alongside"),
    "parked": ("parked by the road", "parked"),
}
OTHER_MANOEUVRE: dict[str, Wordings] = {
    "straight": ("goes straight on", "keeps straight ahead"),
    "brake": ("brakes", "slows down"),
    "turn_left": ("turns left", "is turning left"),
    "turn_right": ("turns right", "is turning right"),
    "lane_change": ("changes lanes", "moves to another lane"),
    "cut_in": ("cuts in", "moves into our lane"),
    "merge": ("merges", "merges into traffic"),
    "overtake": ("overtakes", "is overtaking"),
    "cross": ("crosses", "crosses our way"),
    "drift": ("drifts out of its lane", "strays from its lane"),
    "u_turn": ("turns round", "makes a U-turn"),
    "reverse": ("reverses", "backs up"),
    "start": ("pulls away", "sets off"),
    "stopped": ("stands still", "is standing"),
}
SIDES: dict[str, str] = {
    "front": "at the front", "front_left": "at the left front", "front_right": "at the right front",
    "left": "on the left", "right": "on the right", "rear": "at the rear", "rear_left": "at the left rear",
    "rear_right": "at the right rear",
}  # fmt: skip
PEDESTRIANS: dict[str, Wordings] = {
    "none": ("nobody on foot", "no pedestrian in view"),
    "present": ("people on foot", "pedestrians in view"),
    "waiting": ("somebody on foot waits", "a person stands and waits"),
    "walking_along": ("somebody walks along the road", "a person walks beside the road"),
    "crossing": ("somebody on foot crosses", "a person walks across the road"),
    "on_road": ("somebody on foot is on the road", "a person stands on the road"),
}
CYCLISTS: dict[str, Wordings] = {
    "none": ("no bicycle", "no cyclist in view"),
    "present": ("bicycles in view", "cyclists in view"),
    "waiting": ("somebody on a bicycle waits", "a bicycle waits"),
    "riding_along": ("somebody rides a bicycle along the road", "a bicycle rides our way"),
    "crossing": ("somebody on a bicycle crosses", "a bicycle crosses the road"),
}
RESPONSIBILITY: dict[str, Wordings] = {
    "driver": ("the ego driver is at fault", "the fault is the ego driver's"),
    "other": ("the other party is at fault", "the fault is the other party's"),
    "road": ("the road itself is at fault", "the fault lies in the road"),
    "shared": ("the fault is shared", "several share the fault"),
    "undetermined": ("whose fault it is stays open", "it is not settled whose fault it is"),
}


def place_wordings(incident: IncidentMetadata) -> list[Wordings]:
    """Surface, course and surroundings of the road, and its traffic, as far as they are known."""
    tables = (
        (ROAD_SURFACE, incident.road_surface),
        (ROAD_LAYOUT, incident.road_layout),
        (TRAFFIC_DENSITY, incident.traffic_density),
        (ZONE, incident.zone),
    )
    return [table[value] for table, value in tables if value is not None]


def people_wordings(incident: IncidentMetadata) -> list[Wordings]:
    """What pedestrians and cyclists do, as far as it is known, beside one that is the other party itself."""
    tables = (("pedestrian", PEDESTRIANS, incident.pedestrians), ("cyclist", CYCLISTS, incident.cyclists))
    return [table[value] for who, table, value in tables if value is not None and who != incident.other_type]
