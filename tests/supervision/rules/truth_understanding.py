"""Reads the questions of understanding VQA and their answers: rows as in :mod:`.truth_sentences`.

Of an answer that stands for several values of incident metadata, one of them has to be true.
"""


def _of(field, **answers):
    return {answer.replace("_", " "): ("recorded", field, *values.split()) for answer, values in answers.items()}


def _looks(field, **answers):
    return {answer.replace("_", " "): ("is", field, value, True) for answer, value in answers.items()}


NO_EVENT = {"there is no such event": ("event", False)}
NOBODY = {"there is none to watch": ("nobody",)}
NOT_HIT = {"it is not hit": ("contact", False)}
EGO = _of(
    "ego_manoeuvre", it_goes_straight_on="straight", it_turns="turn_left turn_right u_turn",
    it_changes_lanes_or_overtakes="lane_change_left lane_change_right overtake merge",
    it_turns_or_changes_lanes="turn_left turn_right u_turn lane_change_left lane_change_right overtake merge",
)  # fmt: skip
EGO["it stands, sets off or backs up"] = ("recorded", "ego_manoeuvre", "stopped", "start", "reverse")
BRAKES = _of("ego_braking", not_at_all="none", moderately="normal", hard="hard")
OTHER_DOES = _of(
    "other_manoeuvre", it_slows_down_or_stands_still="brake stopped",
    it_crosses_or_turns="cross turn_left turn_right u_turn",
    it_leaves_its_lane="lane_change cut_in merge drift overtake",
)  # fmt: skip
OTHER_IS = _of(
    "other_type", a_car_or_van="car van", a_truck_or_bus="truck bus",
    a_person_on_foot_or_on_two_wheels="pedestrian cyclist motorcycle",
)  # fmt: skip
OTHER_AT = _of("other_role", ahead_of_us="ahead", coming_towards_us="oncoming", to_the_side="crossing beside")
HIT = {
    "the_front": "front front_left front_right", "one_of_its_sides": "left right",
    "the_rear": "rear rear_left rear_right",
}  # fmt: skip
FOOT = _of(
    "pedestrians", there_are_none="none", they_wait_or_walk_beside_the_road="waiting walking_along",
    they_cross_or_stand_on_the_road="crossing on_road",
)  # fmt: skip
BICYCLES = _of(
    "cyclists", there_are_none="none", they_wait_or_ride_along_the_road="waiting riding_along",
    they_cross_the_road="crossing",
)  # fmt: skip
FAULT = _of("responsibility", the_ego_driver="driver", the_other_party="other", both="shared", the_road="road")
FAULT |= _of("responsibility", it_cannot_be_told="undetermined")

COLLISION, NEAR, NORMAL = ("class", "collision"), ("class", "near-collision"), ("class", "normal")
HARD, MODERATE, UNBRAKED = (("recorded", "ego_braking", value) for value in ("hard", "normal", "none"))
WHY = {
    "collision, since there is contact": (COLLISION, ("contact", True)),
    "collision, since there is contact in spite of hard braking": (COLLISION, ("contact", True), HARD),
    "collision, since there is contact and the ego vehicle does not brake": (COLLISION, ("contact", True), UNBRAKED),
    "collision, since there is contact and the picture jolts": (COLLISION, ("contact", True), ("jolts",)),
    "near-Collision, since contact is only just avoided": (NEAR, ("contact", False)),
    "near-Collision, since the ego vehicle brakes hard and contact is only just avoided":
    (NEAR, ("contact", False), HARD),
    "near-Collision, since the ego vehicle steers away and contact is only just avoided":
    (NEAR, ("contact", False), ("steers away",)),
    "normal, since no road user is touched or barely missed": (NORMAL, ("contact", False)),
    "normal, since there is room to spare": (NORMAL, ("room",)),
    "normal, since the ego vehicle need not brake": (NORMAL, UNBRAKED),
    "normal, since moderate braking is enough": (NORMAL, MODERATE),
}  # fmt: skip

W = "the road user to watch"
QUESTIONS = (
    ("event", "What does the dashcam record, and what shows it|Which is it, and why", WHY),
    ("scene", "What is the weather(?: like)?",
     _looks("weather", clear="Clear", cloudy="Cloudy", rain="Rain", snow="Snow")),
    ("scene", "What is the light like|How light is it outside",
     _of("light", daylight="bright normal day") | _looks("light", twilight="Twilight", darkness="Dark")),
    ("scene", "How bright is it|What kind of light is there",
     _looks("light", bright_daylight="Bright", plain_daylight="Normal", twilight="Twilight", darkness="Dark")),
    ("scene", "What kind of road is it|On what kind of road is it",
     _looks("scene", urban_road="Urban", suburban_road="Sub-urban", highway="Highway", rural_road="Rural")),
    ("scene", "What is the road surface like|What does the road surface look like",
     _of("road_surface", dry="dry", wet="wet", snow_or_ice_on_it="snowy icy")
     | {"gravel, sand or earth": ("recorded", "road_surface", "loose")}),
    ("scene", "How does the road run|Where does the road lead",
     _of("road_layout", straight_on="straight", round_a_bend="curve", up_or_down_a_ramp="ramp",
         over_a_junction="intersection t_junction roundabout")),
    ("scene", "How much traffic is there|How busy is the road",
     _of("traffic_density", no_other_vehicle="none", a_few_vehicles="light", some_traffic="moderate",
         dense_traffic="heavy")),
    ("scene", "What is beside the road|What does the road lead through|Which of these is beside the road"
     "|Which of these does the road pass",
     _of("zone", homes="residential", shops_and_offices="commercial", open_country="open_country", a_school="school",
         works_and_warehouses="industrial", road_works="work_zone", parking_spaces="parking")),
    ("other", "What does the ego vehicle do|What is the ego vehicle about", EGO),
    ("part", "What is the ego vehicle about at the event|What does the ego vehicle do at the event",
     EGO | NO_EVENT),
    ("other", "How hard does the ego vehicle brake|Is the ego vehicle braked, and how hard", BRAKES),
    ("part", "How hard does the ego vehicle brake at the event", BRAKES | NO_EVENT),
    ("other", f"What does {W} do", OTHER_DOES | NOBODY),
    ("part", "What does the other party do in the event", OTHER_DOES | NO_EVENT),
    ("other", f"(?:What|Who) is {W}", OTHER_IS | NOBODY),
    ("part", "What is the other party in the event|Who else takes part in the event", OTHER_IS | NO_EVENT),
    ("other", f"Where is {W} at first", OTHER_AT | NOBODY),
    ("part", "Where is the other party before the event", OTHER_AT | NO_EVENT),
    ("part", "Where is the ego vehicle hit|Which part of the ego vehicle is hit",
     _of("ego_impact_side", **HIT) | NOT_HIT),
    ("part", "Where is the other party hit|Which part of the other party is hit",
     _of("other_impact_side", **HIT) | NOT_HIT),
    ("part", "Who is at fault in the event|Whose fault is the event", FAULT | NO_EVENT),
    ("other", "What do people on foot do|Are there people on foot, and what do they do", FOOT),
    ("part", "What do people on foot do at the event", FOOT | NO_EVENT),
    ("other", "What do cyclists do|Are there cyclists, and what do they do", BICYCLES),
    ("part", "What do cyclists do at the event", BICYCLES | NO_EVENT),
)  # fmt: skip
