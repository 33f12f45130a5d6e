"""Families of encounters: scripted road users and the driver model, vectorised over one parameter.

Time zero is the onset of the hazard, place zero the ego vehicle's middle at that moment, in the
middle of its lane. All values of the changed parameter are computed side by side (second axis).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vlm_autodrive.records import Family
from vlm_autodrive.simulation.physics import BODIES, DT, EGO_BODY, Array, Body, Trajectory, heading_of, smoothstep

LANE_M = 3.6
HORIZON_S = 9.6
_JERK_MPS3 = 22.0
_STEPS = round(HORIZON_S / DT) + 1
CROSSING = ("crossing_vehicle", "pedestrian_crossing", "cyclist_crossing")


@dataclass(frozen=True)
class Setup:
    """One drawn encounter. ``changed`` names the field that a triplet varies.

    Attributes:
        family: The kind of scenario.
        changed: ``reaction_time_s``, ``initial_gap_m``, ``actor_start_s`` or ``drift_m``.
        ego_speed: Cruising speed.
        brake_limit: What the road surface allows, in m/s².
        margin_m: The distance that the driver wants to keep.
        reaction_time_s: From the onset to the driver's answer.
        swerve_m: How far the driver steers aside; 0 for none.
        actor: The other road user's kind.
        side: 1 if it comes from the right, -1 from the left, 0 if it is ahead.
        actor_speed: Its speed at the onset.
        actor_brake: How hard it brakes, in m/s².
        actor_slowest: The speed that it brakes down to.
        manoeuvre_s: How long its lane change or drift takes.
        initial_gap_m: Free distance along the road at the onset; for crossings, to the line that it walks.
        start_m: Crossings: how far from the ego lane's middle it starts.
        actor_start_s: Crossings: how much later than foreseen it starts.
        drift_m: Oncoming: how far it leaves its lane.
    """

    family: Family
    changed: str
    ego_speed: float
    brake_limit: float
    margin_m: float
    reaction_time_s: float
    swerve_m: float
    actor: str
    side: int
    actor_speed: float
    actor_brake: float = 0.0
    actor_slowest: float = 0.0
    manoeuvre_s: float = 1.5
    initial_gap_m: float = 20.0
    start_m: float = 4.0
    actor_start_s: float = 0.0
    drift_m: float = 0.0

    @property
    def body(self) -> Body:
        """The other road user's outline."""
        return BODIES[self.actor]

    def with_value(self, value: float) -> "Setup":
        """The same encounter with another value of the changed parameter."""
        values: dict[str, float] = {self.changed: value}
        return replace(self, **values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Rollout:
    """Ego and actor from the onset on, as if nothing were hit; time first, parameter values second."""

    ego: Trajectory
    actor: Trajectory
    acceleration: Array


def roll_out(setup: Setup, values: Array) -> Rollout:
    """Simulate the encounter for each value of its changed parameter."""
    if setup.family in CROSSING:
        return _crossing(setup, values)
    if setup.family == "oncoming_drift":
        return _oncoming(setup, values)
    return _following(setup, values)


def _field(setup: Setup, name: str, values: Array) -> Array:
    return values if setup.changed == name else np.full_like(values, getattr(setup, name))


def _times() -> Array:
    result: Array = np.arange(_STEPS)[:, None] * DT
    return result


def _following(setup: Setup, values: Array) -> Rollout:
    """The actor is ahead and slows down, or comes into the lane ahead from beside it."""
    time = _times()
    count = len(values)
    reaction = _field(setup, "reaction_time_s", values)
    gap = _field(setup, "initial_gap_m", values)
    reach = (setup.body.length + EGO_BODY.length) / 2
    slowest = setup.actor_slowest
    starts = 0.0 if setup.family == "lead_brake" else setup.manoeuvre_s
    speed = np.maximum(setup.actor_speed - setup.actor_brake * np.maximum(time - starts, 0.0), slowest)
    actor_s = gap + reach + np.vstack([np.zeros((1, 1)), np.cumsum(speed[:-1] * DT, axis=0)])
    across = setup.side * LANE_M * (1.0 - smoothstep(time / setup.manoeuvre_s))
    actor_d = np.broadcast_to(across if setup.side else np.zeros_like(time), (_STEPS, count))
    braking = (np.gradient(speed[:, 0], DT) < -0.5) | (speed[:, 0] <= 0.0)
    still_to_go = np.maximum(speed[:, 0] ** 2 - slowest**2, 0.0) / (2 * max(setup.actor_brake, 0.5))

    def answer(step: int, s: Array, v: Array) -> Array:
        # v² / 2d is the constant deceleration that uses up the distance d; a braking actor still rolls still_to_go.
        free = actor_s[step] - s - reach - setup.margin_m
        other = speed[step, 0]
        if braking[step]:
            need = np.maximum(v * v - slowest**2, 0.0) / (2 * np.maximum(free + still_to_go[step], 0.3))
        else:
            need = np.maximum(v - other, 0.0) ** 2 / (2 * np.maximum(free, 0.3))
        follow = np.clip(0.5 * (other - v), 0.0, 1.5)
        pressing = (v > other) & ((need > 0.5) | (free < 0.8 * v))
        result: Array = np.where(pressing, -np.maximum(1.05 * need, 1.0), follow)
        return result

    ego_s, ego_v, ego_a = _drive(setup, reaction, answer)
    shift = -(setup.side or 1) * setup.swerve_m * smoothstep((time - reaction) / 1.1)
    return _rollout(ego_s, shift, ego_v, ego_a, actor_s, actor_d, np.broadcast_to(speed, actor_s.shape), 0.0)


def _crossing(setup: Setup, values: Array) -> Rollout:
    """The actor comes from the side and crosses the ego lane at a right angle."""
    time = _times()
    count = len(values)
    reaction = _field(setup, "reaction_time_s", values)
    # A later start of the actor is, seen from its onset, an ego vehicle that is nearer by so much driving.
    line = setup.initial_gap_m - setup.ego_speed * _field(setup, "actor_start_s", values) + EGO_BODY.length / 2
    waits = setup.family != "crossing_vehicle"
    pace = smoothstep(time / 0.3) if waits else np.ones_like(time)
    speed = setup.actor_speed * pace
    walked = np.vstack([np.zeros((1, 1)), np.cumsum(speed[:-1] * DT, axis=0)])
    across = setup.side * (setup.start_m - walked)
    cleared = setup.side * across[:, 0] < -(EGO_BODY.width / 2 + setup.body.length / 2 + 0.6)

    def answer(step: int, s: Array, v: Array) -> Array:
        free = line - s - EGO_BODY.length / 2 - setup.body.width / 2
        need = np.maximum(v * v / (2 * np.maximum(free - setup.margin_m, 0.3)), 1.2)
        go = np.clip(setup.ego_speed - v, 0.0, 1.5)
        result: Array = np.where((free < -EGO_BODY.length) | cleared[step], go, -1.08 * need)
        return result

    ego_s, ego_v, ego_a = _drive(setup, reaction, answer)
    shift = setup.side * setup.swerve_m * smoothstep((time - reaction) / 1.1)  # aside, behind its back
    actor_d = np.broadcast_to(across, (_STEPS, count))
    actor_s = np.broadcast_to(line, (_STEPS, count))
    return _rollout(
        ego_s, shift, ego_v, ego_a, actor_s, actor_d, np.broadcast_to(speed, actor_s.shape), -setup.side * np.pi / 2
    )


def _oncoming(setup: Setup, values: Array) -> Rollout:
    """An oncoming vehicle leaves its lane towards the ego lane, and goes back after a while."""
    time = _times()
    reaction = _field(setup, "reaction_time_s", values)
    drift = _field(setup, "drift_m", values)
    reach = (setup.body.length + EGO_BODY.length) / 2
    ttc = np.maximum(setup.initial_gap_m / (setup.ego_speed + setup.actor_speed) - reaction, 0.2)
    out, back = smoothstep(time / setup.manoeuvre_s), smoothstep((time - setup.manoeuvre_s - 2.2) / 1.6)
    actor_d = -LANE_M + drift * (out - back)
    actor_s = setup.initial_gap_m + reach - setup.actor_speed * time + 0.0 * drift
    level = np.clip(4.4 / ttc, 1.5, setup.brake_limit)

    def answer(step: int, s: Array, v: Array) -> Array:
        passed = actor_s[step] < s
        result: Array = np.where(passed, np.clip(setup.ego_speed - v, 0.0, 1.5), -level)
        return result

    ego_s, ego_v, ego_a = _drive(setup, reaction, answer)
    length = np.clip(0.55 * ttc, 0.7, 1.8)
    calm = smoothstep((time - reaction - ttc - 1.0) / 2.0)
    shift = setup.swerve_m * (smoothstep((time - reaction) / length) - calm)
    speed = np.full_like(actor_s, setup.actor_speed)
    heading = np.pi - heading_of(actor_d, speed)
    ego = Trajectory(ego_s, shift, heading_of(shift, ego_v), ego_v)
    return Rollout(ego, Trajectory(actor_s, actor_d, heading, speed), ego_a)


def _drive(setup: Setup, reaction: Array, answer: Callable[[int, Array, Array], Array]) -> tuple[Array, Array, Array]:
    """Let the driver answer after the reaction time, within jerk and grip."""
    count = len(reaction)
    s, v, a = np.zeros(count), np.full(count, setup.ego_speed), np.zeros(count)
    all_s, all_v, all_a = (np.empty((_STEPS, count)) for _ in range(3))
    for step in range(_STEPS):
        all_s[step], all_v[step], all_a[step] = s, v, a
        # A foot needs time to press the pedal: the jerk limit is what makes the camera dive before it stands.
        wanted = np.where(step * DT >= reaction, np.maximum(answer(step, s, v), -setup.brake_limit), 0.0)
        a = a + np.clip(wanted - a, -_JERK_MPS3 * DT, _JERK_MPS3 * DT)
        s = s + v * DT
        v = np.maximum(v + a * DT, 0.0)
        a = np.where((v <= 0.0) & (a < 0.0), 0.0, a)
    return all_s, all_v, all_a


def _rollout(
    ego_s: Array,
    shift: Array,
    ego_v: Array,
    ego_a: Array,
    actor_s: Array,
    actor_d: Array,
    actor_v: Array,
    turn: float,
) -> Rollout:
    ego = Trajectory(ego_s, shift, heading_of(shift, ego_v), ego_v)
    heading = np.full_like(actor_s, turn) if turn else heading_of(actor_d, actor_v)
    return Rollout(ego, Trajectory(actor_s, actor_d, heading, actor_v), ego_a)
