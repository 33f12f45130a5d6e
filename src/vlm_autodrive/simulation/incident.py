"""Incident metadata of a simulated video: every field is read off the motion and the scenery.

The rules, beside what the fields mean in :class:`~vlm_autodrive.records.IncidentMetadata`:

- ``road_surface``: in snow the road is drawn white, in rain it has less grip and is called wet.
- ``road_layout``: an intersection within 12 m of where it happens, else the bend of the road; of a whole video only if
  no intersection comes into view.
- ``traffic_density``: moving vehicles in view per kilometre of all lanes, between the onset and the event; of a whole
  video only if it is the same throughout.
- ``zone``: detached houses are residential, closed rows of blocks with bands of windows commercial, fields and trees
  open country.
- ``ego_manoeuvre``: the ego vehicle keeps its lane until it evades, so it is always ``straight``.
- ``ego_braking``: by the hardest braking up to contact, or to a second after the closest approach.
- ``other_role``: by place and heading at the onset. ``other_manoeuvre``: by the motion from then to the event.
- ``ego_impact_side``, ``other_impact_side``: see :func:`~vlm_autodrive.simulation.impact_sides.impact_sides`.
- ``pedestrians``, ``cyclists``: there are none but those of encounters; unknown where one of another encounter is near.
- ``responsibility``: see :func:`~vlm_autodrive.simulation.responsibility.responsibility_of`.
- ``longitudinal_g``, ``lateral_g``: means over 0.1 s, about the length of a crash pulse, along and across the vehicle.
"""

import numpy as np

from vlm_autodrive.records import IncidentMetadata, find_incident_value
from vlm_autodrive.simulation.families import LANE_M
from vlm_autodrive.simulation.impact_sides import impact_sides
from vlm_autodrive.simulation.outcomes import EncounterOutcome
from vlm_autodrive.simulation.physics import DT, Array
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.responsibility import HARD_BRAKING_MPS2, responsibility_of
from vlm_autodrive.simulation.scenery import junctions_between
from vlm_autodrive.simulation.trajectories import EncounterTrajectory, VideoTrajectories
from vlm_autodrive.simulation.video_scene import crossings_of

DENSITY_PER_KM = (11.0, 22.0)
"""Vehicles per kilometre of lane up to which traffic is light and moderate: the upper ends of the levels of service B
and D on motorways in the Highway Capacity Manual (18 and 35 passenger cars per mile and lane)."""
BRAKES_MPS2 = 0.5
SIDEWAYS_M = 0.3
SIGHT_M = 140.0
SIGHT_SLOPE = 0.67
"""How far to the side the camera sees at a distance ahead of 1: the tangent of half its field of view of 68 degrees."""

_JUNCTION_M = 12.0
_NEARBY_S = 6.0
_PULSE_STEPS = 5
_G_MPS2 = 9.81
_ZONES = {"Urban": "commercial", "Sub-urban": "residential", "Rural": "open_country", "Highway": "open_country"}
_SURFACES = {"Clear": "dry", "Cloudy": "dry", "Rain": "wet", "Snow": "snowy"}


def surroundings_of(trajectories: VideoTrajectories, look: Look) -> IncidentMetadata:
    """What holds at every moment of a video."""
    ego = trajectories.ego
    in_view = junctions_between(look, crossings_of(trajectories), float(ego.s[0]), float(ego.s[-1]) + SIGHT_M)
    densities = {_density(vehicles, look) for vehicles in np.unique(_vehicles_in_view(trajectories)).tolist()}
    kinds = {encounter.outcome.setup.actor for encounter in trajectories.encounters}
    fields = {
        "weather": find_incident_value("weather", look.weather),
        "light": find_incident_value("light", look.light),
        "scene": find_incident_value("scene", look.scene),
        "road_layout": None if in_view else _course(look),
        "road_surface": _SURFACES[look.weather],
        "traffic_density": densities.pop() if len(densities) == 1 else None,
        "zone": _ZONES[look.scene],
        "pedestrians": None if "pedestrian" in kinds else "none",
        "cyclists": None if "cyclist" in kinds else "none",
    }
    return IncidentMetadata.model_validate(fields)


def incident_of(trajectories: VideoTrajectories, look: Look, encounter: EncounterTrajectory) -> IncidentMetadata:
    """What holds of one encounter, beside the surroundings."""
    outcome = encounter.outcome
    ego, actor = outcome.motion.ego, outcome.motion.actor
    first, event = (_step(trajectories, time_s) for time_s in (encounter.onset_s, encounter.event_s))
    place = float(encounter.actor.s[event])
    junction = junctions_between(look, crossings_of(trajectories), place - _JUNCTION_M, place + _JUNCTION_M)
    contact = outcome.event_class == "collision"
    sides = impact_sides(ego, actor, outcome.setup.body, outcome.event_step) if contact else ("none", "none")
    braking, manoeuvre = outcome.peak_deceleration_mps2, _manoeuvre(outcome)
    longitudinal, lateral = _felt_g(trajectories, look, event)
    event_is_one = outcome.event_class != "normal"
    fields = {
        "road_layout": "intersection" if junction else _course(look),
        "traffic_density": _density(float(_vehicles_in_view(trajectories)[first : event + 1].mean()), look),
        "ego_manoeuvre": "straight",
        "ego_braking": "hard" if braking >= HARD_BRAKING_MPS2 else "normal" if braking >= BRAKES_MPS2 else "none",
        "other_type": outcome.setup.actor,
        "other_role": _role(outcome),
        "other_manoeuvre": manoeuvre,
        "ego_impact_side": sides[0],
        "other_impact_side": sides[1],
        "pedestrians": _people(trajectories, encounter, "pedestrian"),
        "cyclists": _people(trajectories, encounter, "cyclist"),
        "responsibility": responsibility_of(trajectories, look, encounter, manoeuvre) if event_is_one else None,
        "speed_kmh": round(3.6 * float(trajectories.ego.speed[max(event - 1, 0)]), 1),
        "longitudinal_g": longitudinal,
        "lateral_g": lateral,
    }
    return IncidentMetadata.model_validate(fields)


def _step(trajectories: VideoTrajectories, time_s: float) -> int:
    return min(max(round(time_s / DT), 0), len(trajectories.ego.s) - 1)


def _course(look: Look) -> str:
    return "curve" if look.curvature else "straight"


def _vehicles_in_view(trajectories: VideoTrajectories) -> Array:
    """How many moving vehicles there are in the camera's view, at every step."""
    ego, time = trajectories.ego, trajectories.start_s + trajectories.time
    paths = [(vehicle.pose(time), np.ones(len(time), dtype=bool)) for vehicle in trajectories.traffic]
    paths += [
        (m.actor, m.present) for m in trajectories.encounters if m.outcome.setup.actor not in ("pedestrian", "cyclist")
    ]
    count = np.zeros(len(time))
    for path, present in paths:
        ahead = path.s - ego.s
        count += present & (ahead > 0.0) & (ahead < SIGHT_M) & (np.abs(path.d - ego.d) < SIGHT_SLOPE * ahead)
    return count


def _density(vehicles: float, look: Look) -> str:
    per_km = vehicles / (2 * look.lanes * SIGHT_M / 1000)
    light, moderate = DENSITY_PER_KM
    return "none" if not vehicles else "light" if per_km <= light else "moderate" if per_km <= moderate else "heavy"


def _role(outcome: EncounterOutcome) -> str:
    ego, actor = outcome.motion.ego, outcome.motion.actor
    along = float(np.cos(actor.heading[0]))
    if abs(along) < 0.5:
        return "crossing"
    if along < 0.0:
        return "oncoming"
    return "beside" if abs(actor.d[0] - ego.d[0]) > LANE_M / 2 else "ahead"


def _manoeuvre(outcome: EncounterOutcome) -> str:
    """What the other road user does between the onset and the event, before any blow changes its motion."""
    actor, until = outcome.motion.actor, outcome.event_step
    sideways = float(np.abs(actor.d[:until] - actor.d[0]).max())
    role = _role(outcome)
    if sideways >= SIDEWAYS_M:
        return {"crossing": "cross", "oncoming": "drift"}.get(role, "cut_in")
    brakes = float(np.diff(actor.speed[:until]).min()) <= -BRAKES_MPS2 * DT
    return "brake" if brakes else "straight"


def _people(trajectories: VideoTrajectories, encounter: EncounterTrajectory, kind: str) -> str | None:
    """What people of a kind do around an encounter."""
    if encounter.outcome.setup.actor == kind:
        return "crossing" if _manoeuvre(encounter.outcome) == "cross" else "waiting"
    near = slice(*(_step(trajectories, encounter.event_s + sign * _NEARBY_S) for sign in (-1, 1)))
    others = [m for m in trajectories.encounters if m.outcome.setup.actor == kind and m.present[near].any()]
    return None if others else "none"


def _felt_g(trajectories: VideoTrajectories, look: Look, event: int) -> tuple[float, float]:
    """The largest accelerations within a second of a step: along the vehicle and, right positive, across it."""
    ego, around = trajectories.ego, round(1 / DT)
    shown = slice(max(event - around, 0), event + around + 1)
    speed, heading = ego.speed[shown], ego.heading[shown]
    pulse_s = _PULSE_STEPS * DT
    mean_speed = (speed[_PULSE_STEPS:] + speed[:-_PULSE_STEPS]) / 2
    along = (speed[_PULSE_STEPS:] - speed[:-_PULSE_STEPS]) / pulse_s
    turning = (heading[_PULSE_STEPS:] - heading[:-_PULSE_STEPS]) / pulse_s
    across = mean_speed * (turning + look.curvature * mean_speed)
    longitudinal, lateral = (round(float(a[np.abs(a).argmax()]) / _G_MPS2, 2) + 0.0 for a in (along, across))
    return longitudinal, lateral
