"""Whether a value of incident metadata is true of a film, as measured on its motion and on the scenery as drawn."""

import numpy as np

from tests.supervision.rules.truth_films import OUTLINES, PEOPLE, STEP_S
from vlm_autodrive.simulation.scenery import junctions_between
from vlm_autodrive.simulation.video_scene import crossings_of

VIEW_M, VIEW_SLOPE = 140.0, 0.67
PER_KM = {"none": (0.0, 0.0), "light": (0.0, 14.0), "moderate": (7.0, 28.0), "heavy": (17.0, np.inf)}
"""Vehicles per kilometre of lane, with room for what the clip shows before the hazard and after the closest moment."""
MPS2 = {"none": (-np.inf, 0.6), "normal": (0.4, 4.1), "hard": (3.9, np.inf)}


def _junctions(film, first_m, last_m):
    return junctions_between(film.look, crossings_of(film.take.trajectories), first_m, last_m)


def _layout(film, value):
    if value in ("t_junction", "roundabout", "ramp"):
        return False
    if value == "intersection":
        place = film.at(film.actor.s, film.closest_s) if film.meeting else np.nan
        return film.meeting is not None and bool(_junctions(film, place - 13.0, place + 13.0))
    seen = film.ego.s[film.shown]
    return (film.look.curvature != 0) == (value == "curve") and not _junctions(film, seen[0], seen[-1] + 100.0)


def _density(film, value):
    time = film.time + film.start_s + film.take.trajectories.start_s
    paths = [(v.pose(time), np.ones(len(time), bool)) for v in film.take.trajectories.traffic]
    meetings = film.take.trajectories.encounters
    paths += [(m.actor, m.present) for m in meetings if m.outcome.setup.actor not in PEOPLE]
    count = np.zeros(len(time))
    for path, there in paths:
        ahead = path.s - film.ego.s
        count += there & (ahead > 0) & (ahead < VIEW_M) & (np.abs(path.d - film.ego.d) < VIEW_SLOPE * ahead)
    per_km = count[film.shown] / (2 * film.look.lanes * VIEW_M / 1000)
    low, high = PER_KM[value]
    return per_km.min() <= high and per_km.max() >= low if value != "none" else per_km.max() == 0


def _keeps_its_lane(film, value):
    """Whether the ego vehicle keeps its lane until it evades."""
    ego, _, time, until = film.whole
    begins = until if film.response_s is None else np.searchsorted(time, film.response_s)
    return value == "straight" and float(np.ptp(ego.d[: begins + 1])) < 0.1


def _braking(film, value):
    if film.meeting is None:
        return False
    low, high = MPS2[value]
    if not low <= film.hardest_braking <= high:
        return False
    before = film.contact_s - 2 * STEP_S if film.contact_s is not None else film.duration_s
    return value == "hard" or film.slowing(0.0, before) < high + 0.3


def _role(film, value):
    return {"brakes": "ahead", "cuts in": "beside", "oncoming": "oncoming", "crosses": "crossing"}[film.manner] == value


def _manoeuvre(film, value):
    _, actor, _, until = film.whole
    until -= film.contact_s is not None
    sideways = float(np.ptp(actor.d[: until + 1]))
    slows = float(-np.diff(actor.speed[: until + 1]).min(initial=0.0)) / STEP_S
    if value == "straight":
        return sideways < 0.35 and slows < 0.6
    if value == "brake":
        return film.manner == "brakes" and slows > 0.4
    return {"cut_in": "cuts in", "cross": "crosses", "drift": "oncoming"}.get(value) == film.manner and sideways > 0.25


def _hit(film, of_ego, value):
    """Whether the middle of what overlaps at contact lies on that side of the vehicle."""
    if film.contact_s is None:
        return value == "none"
    step = round((film.contact_s + film.start_s) / STEP_S)
    boxes = [(film.ego, OUTLINES["ego"]), (film.actor, OUTLINES[film.kind])]
    (path, (length, width)), (other, (other_length, other_width)) = boxes if of_ego else boxes[::-1]
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 401), np.linspace(-0.5, 0.5, 401)), -1).reshape(-1, 2)
    own = grid * (length, width)
    cos, sin = np.cos(path.heading[step]), np.sin(path.heading[step])
    along = path.s[step] + own[:, 0] * cos - own[:, 1] * sin - other.s[step]
    across = path.d[step] + own[:, 0] * sin + own[:, 1] * cos - other.d[step]
    cos, sin = np.cos(other.heading[step]), np.sin(other.heading[step])
    inside = (np.abs(along * cos + across * sin) <= other_length / 2) & (
        np.abs(across * cos - along * sin) <= other_width / 2
    )
    if not inside.any():
        return False
    ahead, right = 2 * grid[inside].mean(0)
    lengthwise, sideways = ("front" if ahead > 0 else "rear"), ("right" if right > 0 else "left")
    both, slack = value.count("_") == 1, 0.12
    if both:
        return value == f"{lengthwise}_{sideways}" and min(abs(ahead), abs(right)) > 0.5 - slack
    stronger, weaker = (ahead, right) if value in ("front", "rear") else (right, ahead)
    said = lengthwise if value in ("front", "rear") else sideways
    return value == said and abs(stronger) > abs(weaker) - slack and abs(weaker) < 0.5 + slack


def _people(kind):
    def holds(film, value):
        there = [m.outcome.setup.actor for m in film.take.trajectories.encounters if (m.present & film.shown).any()]
        if value == "none":
            return kind not in there
        return film.kind == kind and _manoeuvre(film, "cross") == (value == "crossing")

    return holds


def _responsibility(film, value):
    """What the rule needs at the least: a late reaction, a short gap or a pedestrian, and one that comes in the way."""
    if film.meeting is None or not film.decided:
        return False
    ego, actor, _, _ = film.whole
    waits_s = film.meeting.outcome.setup.reaction_time_s
    between = actor.s[0] - ego.s[0] - (OUTLINES["ego"][0] + OUTLINES[film.kind][0]) / 2
    close = film.manner == "brakes" and between / ego.speed[0] < 1.1
    driver = waits_s > 1.5 or close or film.kind == "pedestrian"
    other = film.manner != "brakes" or float(-np.diff(actor.speed).min()) / STEP_S > 3.9
    return {"driver": driver, "other": other, "shared": driver and other, "undetermined": True}[value]


def _of_road_user(check):
    return lambda film, value: film.meeting is not None and check(film, value)


SURFACES = {"Rain": "wet", "Snow": "snowy"}
ZONES = {"Urban": "commercial", "Sub-urban": "residential"}
INCIDENT = {
    "light": lambda f, value: f.look.light.casefold() == value,
    "road_surface": lambda f, value: SURFACES.get(f.look.weather, "dry") == value,
    "zone": lambda f, value: ZONES.get(f.look.scene, "open_country") == value,
    "road_layout": _layout,
    "traffic_density": _density,
    "ego_manoeuvre": _of_road_user(_keeps_its_lane),
    "ego_braking": _braking,
    "other_type": _of_road_user(lambda f, value: f.kind == value),
    "other_role": _of_road_user(_role),
    "other_manoeuvre": _of_road_user(_manoeuvre),
    "ego_impact_side": lambda f, value: _hit(f, True, value),
    "other_impact_side": lambda f, value: _hit(f, False, value),
    "pedestrians": _people("pedestrian"),
    "cyclists": _people("cyclist"),
    "responsibility": _responsibility,
}
"""For each field whether a value of it is true of a film."""
