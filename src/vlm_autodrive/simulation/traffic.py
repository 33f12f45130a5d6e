"""Background traffic: vehicles that keep their speed and take no part in an encounter."""

from dataclasses import dataclass

import numpy as np

from vlm_autodrive.simulation.families import LANE_M
from vlm_autodrive.simulation.physics import BODIES, EGO_BODY, Array, Body, Trajectory, box_gap
from vlm_autodrive.simulation.random_encounters import COLORS, Look

_CLEARANCE_M = 0.6
_MOST = 10


@dataclass(frozen=True)
class Vehicle:
    """A vehicle at constant speed: at place ``s`` at time ``time_s``; a negative speed is oncoming."""

    kind: str
    color: str
    s: float
    time_s: float
    d: float
    speed: float

    def pose(self, time: Array) -> Trajectory:
        """Where it is at these times."""
        ones = np.ones_like(time)
        heading = (np.pi if self.speed < 0 else 0.0) * ones
        return Trajectory(self.s + self.speed * (time - self.time_s), self.d * ones, heading, abs(self.speed) * ones)


def draw_traffic(
    rng: np.random.Generator, look: Look, ego_speed: float, first_m: float, last_m: float
) -> list[Vehicle]:
    """Draw vehicles in the other lanes, and perhaps one far ahead; places are those at time 0."""
    found = []
    oncoming_speed = 17.0 if look.scene == "Highway" else float(rng.uniform(8.0, 13.0))
    middle = -(look.ego_lane + 0.5) * LANE_M - (3.0 if look.scene == "Highway" else 0.0)
    for lane in range(look.lanes):
        s = first_m + float(rng.uniform(0.0, 40.0))
        speed = -oncoming_speed * float(rng.uniform(0.9, 1.1))
        while s < last_m * 2:
            found.append(_vehicle(rng, s, middle - (lane + 0.5) * LANE_M, speed))
            s += 14.0 + float(rng.exponential(55.0))
    for lane in range(look.lanes):
        if lane == look.ego_lane:
            continue
        s = first_m + float(rng.uniform(0.0, 60.0))
        speed = ego_speed * float(rng.uniform(0.85, 1.12))
        while s < last_m * 0.6:
            found.append(_vehicle(rng, s, (lane - look.ego_lane) * LANE_M, speed))
            s += 16.0 + float(rng.exponential(45.0))
    if rng.random() < 0.5:
        found.append(_vehicle(rng, float(rng.uniform(50.0, 80.0)), 0.0, ego_speed * 1.05))
    return [found[i] for i in rng.permutation(len(found))]


def _vehicle(rng: np.random.Generator, s: float, d: float, speed: float) -> Vehicle:
    kind = str(rng.choice(["car", "van", "truck"], p=[0.7, 0.2, 0.1]))
    return Vehicle(kind, str(rng.choice(COLORS)), s, 0.0, d, speed)


def harmless(vehicle: Vehicle, time: Array, others: list[tuple[Trajectory, Body]]) -> bool:
    """Whether a vehicle keeps clear of all these paths."""
    pose = vehicle.pose(time)
    body = BODIES[vehicle.kind]
    for path, other in others:
        near = (np.abs(path.s - pose.s) < 14.0) & (np.abs(path.d - pose.d) < 8.0)
        if not near.any():
            continue
        parts = [Trajectory(p.s[near], p.d[near], p.heading[near], p.speed[near]) for p in (pose, path)]
        if float(box_gap(parts[0], body, parts[1], other).min()) < _CLEARANCE_M:
            return False
    return True


def keep_harmless(
    vehicles: list[Vehicle], time: Array, others: list[tuple[Trajectory, Body]], most: int = _MOST
) -> list[Vehicle]:
    """Leave out whoever would meet the ego vehicle or the actor, whatever the outcome."""
    ego = others[0][0]
    kept: list[Vehicle] = []
    for vehicle in vehicles:
        s = vehicle.s + vehicle.speed * (time - vehicle.time_s)
        if len(kept) < most and (np.abs(s - ego.s) < 90.0).any() and harmless(vehicle, time, others):
            kept.append(vehicle)
    return kept


def close_pass(rng: np.random.Generator, look: Look, time_s: float, ego_s: float, ego_speed: float) -> Vehicle:
    """A vehicle that goes by close beside the ego vehicle at the given moment."""
    kind = str(rng.choice(["car", "van", "truck"], p=[0.4, 0.3, 0.3]))
    beside = EGO_BODY.width / 2 + BODIES[kind].width / 2 + float(rng.uniform(0.85, 1.1))
    if look.ego_lane == 0 and look.scene != "Highway":
        return Vehicle(kind, str(rng.choice(COLORS)), ego_s, time_s, -beside, -float(rng.uniform(9.0, 13.0)))
    side = 1 if look.ego_lane == 0 else -1
    faster = float(rng.choice([-4.5, 5.5]))
    return Vehicle(kind, str(rng.choice(COLORS)), ego_s, time_s, side * beside, max(ego_speed + faster, 2.0))
