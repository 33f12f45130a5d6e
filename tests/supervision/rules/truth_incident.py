"""What captions say of incident metadata, read by a table of its own: which values of a field some words allow."""

_SIDES = {
    "at the front": "front", "at the left front": "front_left", "at the right front": "front_right",
    "on the left": "left", "on the right": "right", "at the rear": "rear", "at the left rear": "rear_left",
    "at the right rear": "rear_right",
}  # fmt: skip
VALUES = {
    "road_surface": {
        "a dry road surface": "dry", "a dry surface": "dry", "a wet road surface": "wet", "a wet surface": "wet",
        "snow on the road": "snowy", "a snow-covered surface": "snowy", "ice on the road": "icy",
        "an icy surface": "icy", "loose ground": "loose", "an unpaved surface": "loose",
    },
    "road_layout": {
        "the road runs straight": "straight", "no bend ahead": "straight", "the road bends": "curve", "a bend": "curve",
        "an intersection": "intersection", "a crossroads": "intersection", "a T-junction": "t_junction",
        "a three-way junction": "t_junction", "a slip road": "ramp", "a ramp": "ramp", "a roundabout": "roundabout",
    },
    "traffic_density": {
        "no other vehicle around": "none", "an empty road": "none", "little traffic": "light",
        "few other vehicles": "light", "some traffic": "moderate", "several other vehicles": "moderate",
        "dense traffic": "heavy", "many other vehicles": "heavy",
    },
    "zone": {
        "homes along the road": "residential", "a residential area": "residential",
        "shops and offices along the road": "commercial", "a shopping area": "commercial",
        "works and warehouses along the road": "industrial", "an industrial area": "industrial",
        "a school nearby": "school", "a school zone": "school", "road works": "work_zone",
        "a construction site": "work_zone", "a parking area": "parking", "parking spaces around": "parking",
        "open country": "open_country", "open land around": "open_country",
    },
    "ego_manoeuvre": {
        "goes straight on": "straight", "keeps straight ahead": "straight", "turns left": "turn_left",
        "is turning left": "turn_left", "turns right": "turn_right", "is turning right": "turn_right",
        "moves to the left lane": "lane_change_left", "changes to the left lane": "lane_change_left",
        "moves to the right lane": "lane_change_right", "changes to the right lane": "lane_change_right",
        "overtakes": "overtake", "is overtaking": "overtake", "merges into traffic": "merge", "is merging": "merge",
        "turns round": "u_turn", "makes a U-turn": "u_turn", "reverses": "reverse", "backs up": "reverse",
        "pulls away": "start", "sets off": "start", "stands still": "stopped", "is standing": "stopped",
    },
    "ego_braking": {
        "does not brake": "none", "is not braked": "none", "brakes moderately": "normal",
        "is braked moderately": "normal", "brakes hard": "hard", "is braked hard": "hard",
    },
    "other_type": {
        "a car": "car", "a van": "van", "a truck": "truck", "a bus": "bus", "a motorcycle": "motorcycle",
        "a cyclist": "cyclist", "a pedestrian": "pedestrian", "an animal": "animal", "an obstacle": "object",
    },
    "other_role": {
        "ahead": "ahead", "in front": "ahead", "behind": "behind", "coming towards us": "oncoming",
        "coming the other way": "oncoming", "from a crossing direction": "crossing", "on a crossing path": "crossing",
        "beside us": "beside", "alongside": "beside", "parked by the road": "parked", "parked": "parked",
    },
    "other_manoeuvre": {
        "goes straight on": "straight", "keeps straight ahead": "straight", "brakes": "brake", "slows down": "brake",
        "turns left": "turn_left", "is turning left": "turn_left", "turns right": "turn_right",
        "is turning right": "turn_right", "changes lanes": "lane_change", "moves to another lane": "lane_change",
        "cuts in": "cut_in", "moves into our lane": "cut_in", "merges": "merge", "merges into traffic": "merge",
        "overtakes": "overtake", "is overtaking": "overtake", "crosses": "cross", "crosses our way": "cross",
        "drifts out of its lane": "drift", "strays from its lane": "drift", "turns round": "u_turn",
        "makes a U-turn": "u_turn", "reverses": "reverse", "backs up": "reverse", "pulls away": "start",
        "sets off": "start", "stands still": "stopped", "is standing": "stopped",
    },
    "ego_impact_side": _SIDES,
    "other_impact_side": _SIDES,
    "pedestrians": {
        "nobody on foot": "none", "no pedestrian in view": "none", "people on foot": "present",
        "pedestrians in view": "present", "somebody on foot waits": "waiting", "a person stands and waits": "waiting",
        "somebody walks along the road": "walking_along", "a person walks beside the road": "walking_along",
        "somebody on foot crosses": "crossing", "a person walks across the road": "crossing",
        "somebody on foot is on the road": "on_road", "a person stands on the road": "on_road",
    },
    "cyclists": {
        "no bicycle": "none", "no cyclist in view": "none", "bicycles in view": "present",
        "cyclists in view": "present", "somebody on a bicycle waits": "waiting", "a bicycle waits": "waiting",
        "somebody rides a bicycle along the road": "riding_along", "a bicycle rides our way": "riding_along",
        "somebody on a bicycle crosses": "crossing", "a bicycle crosses the road": "crossing",
    },
    "responsibility": {
        "the ego driver is at fault": "driver", "the fault is the ego driver's": "driver",
        "the other party is at fault": "other", "the fault is the other party's": "other",
        "the road itself is at fault": "road", "the fault lies in the road": "road", "the fault is shared": "shared",
        "several share the fault": "shared", "whose fault it is stays open": "undetermined",
        "it is not settled whose fault it is": "undetermined",
    },
}  # fmt: skip

LISTED = ("road_surface", "road_layout", "traffic_density", "zone", "pedestrians", "cyclists")
"""What stands in lists, one thing beside the other."""


def _recorded(*fields):
    return tuple(("recorded", field, f"<{field}>") for field in fields)


_WHO = "(?:<other_type>|another road user)"
SENTENCES = (
    ("other", "(?:the ego|our) vehicle <ego_manoeuvre>(?: and <ego_braking>)?",
     *_recorded("ego_manoeuvre", "ego_braking")),
    ("other", "(?:the ego|our) vehicle <ego_braking>", *_recorded("ego_braking")),
    ("other", f"{_WHO}(?: <other_role>)? <other_manoeuvre>",
     *_recorded("other_type", "other_role", "other_manoeuvre")),
    ("other", f"{_WHO} is <other_role>", *_recorded("other_type", "other_role")),
    ("other", "the other party is <other_type>", *_recorded("other_type")),
    ("part", "(?:ego speed at the event: about <n> m/s(?:, |$))?(?:the ego vehicle is hit <ego_impact_side>(?:, |$))?"
     "(?:the other party is hit <other_impact_side>)?", ("speed at the event", "<n>"),
     *_recorded("ego_impact_side", "other_impact_side")),
    ("part", "<responsibility>", *_recorded("responsibility")),
)  # fmt: skip
"""Rows as in :mod:`.truth_sentences`."""
