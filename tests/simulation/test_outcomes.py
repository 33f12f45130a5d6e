"""The class of an encounter is what its motion says, and a triplet differs in one parameter."""

import dataclasses

import numpy as np
import pytest

from vlm_autodrive.simulation.families import roll_out
from vlm_autodrive.simulation.outcomes import CLASSES, EncounterOutcome, solve
from vlm_autodrive.simulation.physics import (
    DT,
    EGO_BODY,
    NEAR_GAP_M,
    NORMAL_GAP_M,
    Body,
    Trajectory,
    box_gap,
    classify,
    relative_speed,
)
from vlm_autodrive.simulation.random_encounters import FAMILIES, draw_look, draw_setup, draw_speed
from vlm_autodrive.simulation.trajectories import BrakingDip, cruise


def _box(s: float, d: float, heading: float = 0.0) -> Trajectory:
    return Trajectory(*(np.array([x]) for x in (s, d, heading, 0.0)))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (_box(7.0, 0.0), 3.0),  # behind one another: 7 - 2 - 2
        (_box(0.0, 3.0), 1.0),  # beside one another: 3 - 1 - 1
        (_box(5.0, 5.0), np.hypot(1.0, 3.0)),  # corner to corner
        (_box(5.0, 0.0, np.pi / 2), 2.0),  # across the way: 5 - 2 - 1
        (_box(0.0, 0.0, np.pi / 2), 0.0),  # a cross, no corner of one in the other
        (_box(2 + np.sqrt(2) + 0.5 * np.sqrt(2) + 0.4, 0.0, np.pi / 4), 0.4),  # a corner ahead
    ],
)
def test_gap_of_boxes_by_hand(other: Trajectory, expected: float) -> None:
    body = Body(4.0, 2.0)
    assert box_gap(_box(0.0, 0.0), body, other, body)[0] == pytest.approx(expected, abs=1e-9)
    assert box_gap(other, body, _box(0.0, 0.0), body)[0] == pytest.approx(expected, abs=1e-9)


def test_classes_by_hand() -> None:
    assert classify("lead_brake", 0.0, 3.1, 8.0, 0.0) == "collision"
    assert classify("lead_brake", 0.0, 2.9, 8.0, 0.0) is None  # a mere touch is ambiguous
    assert classify("lead_brake", 0.5, 0.0, 6.0, 0.0) == "near_collision"
    assert classify("lead_brake", 0.5, 0.0, 2.0, 0.0) is None  # nobody had to do anything
    assert classify("lead_brake", 0.5, 0.0, 2.0, 0.8) == "near_collision"
    assert classify("lead_brake", 1.2, 0.0, 2.0, 0.0) is None
    assert classify("lead_brake", 2.5, 0.0, 3.0, 0.0) == "normal"
    assert classify("lead_brake", 2.5, 0.0, 5.0, 0.0) is None


def _solved(family: str, count: int) -> list[dict[str, EncounterOutcome]]:
    rng = np.random.default_rng(list(family.encode()))
    found = []
    for _ in range(80):
        look = draw_look(rng, family)
        outcomes = solve(draw_setup(rng, family, look, draw_speed(rng, look.scene, family)), rng)
        if outcomes is not None:
            found.append(outcomes)
        if len(found) == count:
            return found
    pytest.fail(f"{family}: only {len(found)} of 80 drawn encounters have all three outcomes")


@pytest.mark.parametrize("family", FAMILIES)
def test_three_outcomes_from_one_parameter(family: str) -> None:
    for outcomes in _solved(family, 2):
        assert tuple(outcomes) == CLASSES
        setups = [dataclasses.asdict(e.setup) for e in outcomes.values()]
        changed = setups[0]["changed"]
        assert len({s.pop(changed) for s in setups}) == 3
        assert setups[0] == setups[1] == setups[2]
        for name, outcome in outcomes.items():
            _check_physics(family, name, outcome)


def _check_physics(family: str, name: str, outcome: EncounterOutcome) -> None:
    """Measure again, alone and at every step, what the solver chose from a coarse scan of many."""
    alone = roll_out(outcome.setup, np.array([outcome.value]))
    ego, actor = (Trajectory(*(x[:, 0] for x in (p.s, p.d, p.heading, p.speed))) for p in (alone.ego, alone.actor))
    gap = box_gap(ego, EGO_BODY, actor, outcome.setup.body)
    step = outcome.event_step
    if name == "collision":
        assert gap[step] == 0.0
        assert gap[:step].min() > 0.0
        assert relative_speed(ego, actor)[step] >= 3.0
        assert outcome.impact_speed_mps == pytest.approx(relative_speed(ego, actor)[step])
        assert outcome.motion.ego.speed[-1] == 0.0  # it ends at a standstill
    else:
        assert gap.min() == pytest.approx(outcome.minimum_gap_m, abs=1e-6)
        assert gap[step] <= 1.05 * gap.min() + 0.02 + 1e-9
        assert outcome.impact_speed_mps is None
    peak = -alone.acceleration[: step + round(1.0 / DT)].min()
    if name == "near_collision":
        assert NEAR_GAP_M[0] <= gap.min() <= NEAR_GAP_M[1]
        assert peak >= 4.8 or outcome.shift_m >= 0.4
    if name == "normal":
        assert gap.min() >= NORMAL_GAP_M[family]
        assert peak <= 4.2 + 1e-9
    assert np.abs(np.diff(outcome.motion.ego.s)).max() < 30 * DT  # nobody jumps, not at the impact either
    assert np.abs(np.diff(outcome.motion.actor.s)).max() < 30 * DT


def test_braking_for_nothing_ends_where_it_began() -> None:
    plain, _ = cruise(12.0, 5.0, None)
    dipped, acceleration = cruise(12.0, 5.0, BrakingDip(-4.0))
    assert acceleration.min() < -5.0
    assert dipped.speed.min() < 9.0
    assert dipped.speed[0] == pytest.approx(12.0, abs=0.15)
    assert dipped.speed[-1] == pytest.approx(plain.speed[-1])
    assert dipped.s[-1] == pytest.approx(plain.s[-1])
    assert dipped.s[0] > plain.s[0]  # slower for a while, it has come a shorter way
