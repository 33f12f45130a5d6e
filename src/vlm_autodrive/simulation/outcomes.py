"""Solving for the values of one parameter with which the same encounter ends in each of the three classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.simulation.families import CROSSING, Rollout, Setup, roll_out
from vlm_autodrive.simulation.impact import Motion, motion_of
from vlm_autodrive.simulation.physics import (
    DT,
    EGO_BODY,
    EVASIVE_DECELERATION_MPS2,
    NEAR_GAP_M,
    NORMAL_GAP_M,
    Array,
    Trajectory,
    box_gap,
    classify,
    relative_speed,
)

_ACTOR_NAMES = {
    "lead_brake": "the vehicle ahead",
    "cut_in": "the vehicle that cut in",
    "crossing_vehicle": "the crossing vehicle",
    "oncoming_drift": "the oncoming vehicle",
    "pedestrian_crossing": "the pedestrian",
    "cyclist_crossing": "the cyclist",
}
CLASSES = ("normal", "near_collision", "collision")
_GRID = 96
_STRIDE = 3  # of the scan; what it chooses is measured at every step
_RANGES = {
    "reaction_time_s": (0.3, 2.8),
    "actor_start_s": (-1.4, 1.4),
    "drift_m": (0.2, 3.0),
}
_CLEAR_NEAR_GAP_M = (0.24, 0.8)  # well inside the class, so that rounding cannot carry it out
_CLEAR_IMPACT_MPS = 3.5
_LATEST_EVENT_S = 4.3  # a slower encounter is hardly one


@dataclass(frozen=True)
class EncounterOutcome:
    """One way in which an encounter ended. Steps count from the onset, ``DT`` seconds each."""

    setup: Setup
    event_class: str
    value: float
    event_step: int
    minimum_gap_m: float
    impact_speed_mps: float | None
    closing_speed_mps: float
    peak_deceleration_mps2: float
    shift_m: float
    motion: Motion


@dataclass(frozen=True)
class OutcomeGrid:
    """What came of each value of the changed parameter, one array element for each value.

    Attributes:
        event_step: The step of contact, or of the closest approach.
        gap: The smallest free distance in metres; 0 at contact.
        impact: Relative speed at the event, in m/s.
        peak: The ego vehicle's hardest braking, in m/s².
        shift: How far it steered aside, in metres.
        ahead: How far the actor is ahead of the ego vehicle at the event, in metres.
        lateral: How far it is beside it then.
    """

    event_step: Array
    gap: Array
    impact: Array
    peak: Array
    shift: Array
    ahead: Array
    lateral: Array


def parameter_grid(setup: Setup, rng: np.random.Generator, count: int = _GRID) -> Array:
    """The values that are tried."""
    if setup.changed == "initial_gap_m":
        low, high = 1.2, 2.6 * setup.ego_speed
    else:
        low, high = _RANGES[setup.changed]
    step = (high - low) / count
    result: Array = np.round(low + step * (np.arange(count) + rng.random()), 3)
    return result


def measure_outcomes(setup: Setup, rollout: Rollout, stride: int = 1) -> OutcomeGrid:
    """Measure each column of a rollout: smallest gap or contact, speeds, braking, steering."""
    ego, actor = (
        Trajectory(*(x[::stride] for x in (p.s, p.d, p.heading, p.speed))) for p in (rollout.ego, rollout.actor)
    )
    acceleration = rollout.acceleration[::stride]
    gap = _gaps(ego, actor, setup)
    contact = gap <= 0.0
    hit = contact.any(axis=0)
    smallest = gap.min(axis=0)
    # The first step at which the smallest gap is reached but for 5 % and 2 cm. The exact minimum would be seconds late
    # where the ego vehicle stops behind the actor, since it creeps up to it.
    closest = (gap <= 1.05 * smallest + 0.02).argmax(axis=0)
    event = np.where(hit, contact.argmax(axis=0), closest)
    columns = np.arange(gap.shape[1])
    impact = relative_speed(ego, actor)[event, columns]
    steps = np.arange(gap.shape[0])[:, None]
    # Braking and steering count up to the contact, or to a second after the closest approach.
    during = steps <= np.where(hit, event, event + round(1.0 / DT / stride))
    peak = -np.where(during, acceleration, 0.0).min(axis=0)
    shift = np.where(during, np.abs(ego.d), 0.0).max(axis=0)
    ahead = (actor.s - ego.s)[event, columns]
    lateral = np.abs(actor.d - ego.d)[event, columns]
    return OutcomeGrid(event * stride, np.where(hit, 0.0, smallest), impact, peak, shift, ahead, lateral)


def solve(
    setup: Setup, rng: np.random.Generator, wanted: tuple[str, ...] = CLASSES
) -> dict[str, EncounterOutcome] | None:
    """Find a value of the changed parameter for each wanted class, or None if this encounter has none."""
    values = parameter_grid(setup, rng)
    rollout = roll_out(setup, values)
    found = measure_outcomes(setup, rollout, _STRIDE)
    classes = np.array(
        [
            classify(setup.family, found.gap[i], found.impact[i], found.peak[i], found.shift[i]) or ""
            for i in range(len(values))
        ]
    )
    visible = _visible(setup, found) & (found.event_step > round(0.4 / DT))
    visible &= found.event_step < round(_LATEST_EVENT_S / DT)
    # A target is drawn for each class, and the nearest value taken: without it every Near-Collision would have the
    # smallest gap of its class, and every Normal the largest.
    aims = {
        "normal": NORMAL_GAP_M[setup.family] * (rng.uniform(1.02, 1.5) if rng.random() < 0.75 else rng.uniform(1.5, 3)),
        "near_collision": rng.uniform(*_CLEAR_NEAR_GAP_M),
        "collision": rng.uniform(4.0, 9.0) + (9.0 if setup.family == "oncoming_drift" else 0.0),
    }
    result = {}
    for name in wanted:
        usable = visible & (classes == name)
        if name == "near_collision":
            usable &= (found.gap >= _CLEAR_NEAR_GAP_M[0]) & (found.gap <= _CLEAR_NEAR_GAP_M[1])
        if name == "collision":
            usable &= found.impact >= _CLEAR_IMPACT_MPS
        if not usable.any():
            return None
        measure = found.impact if name == "collision" else found.gap
        column = int(np.where(usable, np.abs(measure - aims[name]), np.inf).argmin())
        outcome = _outcome(setup, float(values[column]), _column(rollout, column))
        if outcome is None or outcome.event_class != name:
            return None
        result[name] = outcome
    return result


def _gaps(ego: Trajectory, actor: Trajectory, setup: Setup) -> Array:
    """Gaps of all columns; far apart, the distance of the middles is near enough."""
    gap = np.hypot(actor.s - ego.s, actor.d - ego.d)
    near = (gap < 16.0) & (np.abs(actor.d - ego.d) < 12.0)
    parts = [Trajectory(p.s[near], p.d[near], p.heading[near], p.speed[near]) for p in (ego, actor)]
    gap[near] = box_gap(parts[0], EGO_BODY, parts[1], setup.body)
    return gap


def _visible(setup: Setup, found: OutcomeGrid) -> NDArray[np.bool_]:
    """Whether the decisive moment happens in front of the camera."""
    hit = found.gap <= 0.0
    ahead = 1.8 if setup.family in CROSSING else 1.4
    result = found.ahead > np.where(hit, ahead, 0.6 if setup.family != "oncoming_drift" else -3.0)
    if setup.actor in ("pedestrian", "cyclist"):
        result &= found.lateral < np.where(hit, 1.1, np.where(found.gap <= NEAR_GAP_M[1], 2.2, np.inf))
    return result


def _column(rollout: Rollout, column: int) -> Rollout:
    ego, actor = (
        Trajectory(*(x[:, [column]] for x in (p.s, p.d, p.heading, p.speed))) for p in (rollout.ego, rollout.actor)
    )
    return Rollout(ego, actor, rollout.acceleration[:, [column]])


def _outcome(setup: Setup, value: float, rollout: Rollout) -> EncounterOutcome | None:
    """Measure one column at every step."""
    found = measure_outcomes(setup, rollout)
    gap, impact, peak, shift = (float(x[0]) for x in (found.gap, found.impact, found.peak, found.shift))
    name = classify(setup.family, gap, impact, peak, shift)
    if name is None:
        return None
    step = int(found.event_step[0])
    hit = name == "collision"
    first = max(0, step - round(2.0 / DT))
    before = slice(first, step + 1)
    parts = [
        Trajectory(p.s[before], p.d[before], p.heading[before], p.speed[before]) for p in (rollout.ego, rollout.actor)
    ]
    closing = -np.gradient(box_gap(parts[0], EGO_BODY, parts[1], setup.body)[:, 0], DT)
    return EncounterOutcome(
        setup=setup.with_value(value),
        event_class=name,
        value=value,
        event_step=step,
        minimum_gap_m=gap,
        impact_speed_mps=impact if hit else None,
        closing_speed_mps=float(closing.max()),
        peak_deceleration_mps2=peak,
        shift_m=shift,
        motion=motion_of(setup, rollout, 0, step if hit else None),
    )


def cause_of(outcome: EncounterOutcome, benign: EncounterOutcome | None = None) -> str:
    """The cause of an outcome.

    Args:
        outcome: The outcome.
        benign: The Normal outcome of the same encounter, to measure against.
    """
    name = _ACTOR_NAMES[outcome.setup.family]
    difference = abs(outcome.value - benign.value) if benign is not None else 0.0
    by = f"{difference:.1f} s " if difference >= 0.1 else ""
    changed, kind = outcome.setup.changed, outcome.event_class
    if changed == "reaction_time_s":
        return {
            "normal": "the driver reacted in time",
            "near_collision": f"the driver reacted {by}late and only just avoided {name}",
            "collision": f"the driver reacted {by}too late for {name}",
        }[kind]
    if changed == "initial_gap_m":
        return {
            "normal": f"the gap to {name} was large enough",
            "near_collision": f"the gap to {name} was so short that {_escape(outcome)}",
            "collision": f"the gap to {name} was too short to stop in",
        }[kind]
    if changed == "drift_m":
        return {
            "normal": "the oncoming vehicle strayed only a little from its lane",
            "near_collision": "the oncoming vehicle strayed so far that it passed with hardly any room",
            "collision": "the oncoming vehicle strayed too far into the lane",
        }[kind]
    return {
        "normal": f"{name} started early enough to be seen and avoided calmly",
        "near_collision": f"{name} started {by}later, close ahead, and was only just avoided",
        "collision": f"{name} started {by}later, too close ahead for the driver to stop",
    }[kind]


def _escape(outcome: EncounterOutcome) -> str:
    """What saved a driver who had too short a gap; with some steering aside, gentle braking is enough."""
    hard = outcome.peak_deceleration_mps2 >= EVASIVE_DECELERATION_MPS2
    return "only hard braking avoided contact" if hard else "contact was only just avoided"
