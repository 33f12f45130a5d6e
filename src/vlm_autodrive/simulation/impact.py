"""Motion after contact: who is stopped, thrown or turned, and how the ego vehicle comes to rest."""

from dataclasses import dataclass

import numpy as np

from vlm_autodrive.simulation.families import Rollout, Setup
from vlm_autodrive.simulation.physics import DT, Array, Trajectory, smoothstep

_MASS = {"car": 1.4, "van": 2.2, "truck": 6.0, "pedestrian": 0.08, "cyclist": 0.1}  # tonnes
_EGO_MASS = 1.6


@dataclass(frozen=True)
class Motion:
    """One outcome of an encounter, from the onset on, one column of a rollout.

    Attributes:
        ego: The recording vehicle.
        actor: The other road user.
        acceleration: The ego vehicle's, along the road.
        height: How high the actor is thrown.
        tilt: How far it has fallen over, in radians.
    """

    ego: Trajectory
    actor: Trajectory
    acceleration: Array
    height: Array
    tilt: Array


def motion_of(setup: Setup, rollout: Rollout, column: int, contact: int | None) -> Motion:
    """One column of the rollout, with the laws of impact in force from step ``contact`` on."""
    ego = Trajectory(*(x[:, column].copy() for x in _parts(rollout.ego)))
    actor = Trajectory(*(x[:, column].copy() for x in _parts(rollout.actor)))
    acceleration = rollout.acceleration[:, column].copy()
    height, tilt = np.zeros_like(acceleration), np.zeros_like(acceleration)
    if contact is None:
        return Motion(ego, actor, acceleration, height, tilt)
    after = slice(contact, None)
    time = np.arange(len(ego.s) - contact) * DT
    before = float(ego.speed[contact])
    along = float(actor.speed[contact] * np.cos(actor.heading[contact]))
    across = float(actor.speed[contact] * np.sin(actor.heading[contact]))
    thrown = setup.actor in ("pedestrian", "cyclist")
    mass = _MASS[setup.actor]
    # Impulse model: the speed along the road that both have after a perfectly inelastic collision, by conservation of
    # momentum. A little of it is lost below (0.92); who is hit goes a little faster than common, and so comes free.
    common = (_EGO_MASS * before + mass * along) / (_EGO_MASS + mass)
    if setup.family == "oncoming_drift":
        common = max(common, 0.12 * before)  # a head-on encounter stops the ego vehicle, but does not throw it back
    braking = max(0.9 * setup.brake_limit, 5.0)
    ego_v = _slide(0.93 * before if thrown else 0.92 * common, braking, time)
    turn = {"oncoming_drift": -0.2, "crossing_vehicle": -0.14 * setup.side, "cut_in": -0.07 * (setup.side or 1)}
    heading = turn.get(setup.family, 0.0) * smoothstep(time / 0.5)
    ego.s[after] = ego.s[contact] + _distance(ego_v * np.cos(heading))
    ego.d[after] = ego.d[contact] + _distance(ego_v * np.sin(heading))
    ego.heading[after] = ego.heading[contact] * (1 - smoothstep(time / 0.4)) + heading
    ego.speed[after] = ego_v
    acceleration[after] = np.gradient(ego_v, DT)

    # People are so light that they hardly slow a car; they are thrown ahead of it and up, and fall by 9.81 m/s².
    if thrown:
        along_v = _slide(1.25 * before + 1.5, braking * 0.8, time)
        across_v = across * 0.5 * np.exp(-time / 0.5)
        height[after] = np.maximum(4.2 * time - 0.5 * 9.81 * time**2, 0.0)
        tilt[after] = (np.pi / 2) * smoothstep(time / 0.45)
        spin = 1.2 * smoothstep(time / 1.0)
    elif setup.family == "crossing_vehicle":
        along_v = _slide(common * 1.05 + 0.4, braking * 0.9, time)
        across_v = across * 0.6 * np.exp(-time / 0.45)
        spin = setup.side * 0.75 * smoothstep(time / 1.0)
    elif setup.family == "oncoming_drift":
        along_v = np.maximum(common, 1.0) * np.exp(-time / 0.3)
        across_v = -1.2 * np.exp(-time / 0.4)
        spin = 0.45 * smoothstep(time / 0.8)
    else:
        along_v = _slide(common * 1.08 + 0.6, braking * 0.85, time)
        across_v = across * np.exp(-time / 0.2)
        spin = -0.18 * (setup.side or 1) * smoothstep(time / 0.8)
    actor.s[after] = actor.s[contact] + _distance(along_v)
    actor.d[after] = actor.d[contact] + _distance(across_v)
    actor.heading[after] = actor.heading[contact] + spin
    actor.speed[after] = np.hypot(along_v, across_v)
    return Motion(ego, actor, acceleration, height, tilt)


def _parts(path: Trajectory) -> tuple[Array, ...]:
    return path.s, path.d, path.heading, path.speed


def _slide(speed: float, deceleration: float, time: Array) -> Array:
    result: Array = np.maximum(speed - deceleration * time, 0.0)
    return result


def _distance(speed: Array) -> Array:
    result: Array = np.concatenate([[0.0], np.cumsum(speed[:-1] * DT)])
    return result
