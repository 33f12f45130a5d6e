"""Matched triplets and additional Normal videos; everything else is drawn before the outcomes are solved."""

import numpy as np

from vlm_autodrive.records import Distraction, Distractor, Family
from vlm_autodrive.simulation.families import LANE_M
from vlm_autodrive.simulation.outcomes import CLASSES, EncounterOutcome, solve
from vlm_autodrive.simulation.physics import DT, EGO_BODY, Body, Trajectory
from vlm_autodrive.simulation.random_encounters import FAMILIES, Look, draw_look, draw_setup, draw_speed
from vlm_autodrive.simulation.traffic import Vehicle, close_pass, draw_traffic, harmless, keep_harmless
from vlm_autodrive.simulation.trajectories import (
    BrakingDip,
    SimulatedVideo,
    VideoTrajectories,
    approach,
    clip_trajectories,
    cruise,
    cut,
    joined,
)

EVENT_S = (1.6, 5.2)
_DISTRACTION_RATE = 0.33
_PLAIN_DISTRACTION_RATE = 0.6
_APART_S = 1.05
_KINDS: tuple[Distractor, ...] = ("speed_bump", "brake_for_nothing", "calm_close_pass")


def draw_triplet(seed: int, index: int, duration_s: float) -> list[SimulatedVideo]:
    """The three outcomes of one scenario: Normal, Near-Collision, Collision."""
    return _draw([seed, 1, index], duration_s, CLASSES)


def draw_single(seed: int, index: int, duration_s: float) -> list[SimulatedVideo]:
    """One more Normal video: every second one plain driving, the others a benign encounter."""
    key = [seed, 2, index]
    return _draw_plain(key, duration_s) if index % 2 == 0 else _draw(key, duration_s, ("normal",))


def _draw(key: list[int], duration_s: float, wanted: tuple[str, ...]) -> list[SimulatedVideo]:
    rng = np.random.default_rng(key)
    family = FAMILIES[int(rng.integers(len(FAMILIES)))]
    look = draw_look(rng, family)
    # The event's place in the video is drawn before anything is solved, and is the same for all outcomes: neither it
    # nor the look, the traffic or the distraction can tell the class.
    place = float(rng.random())
    kind = _KINDS[int(rng.integers(3))] if rng.random() < _DISTRACTION_RATE else None
    if kind == "brake_for_nothing":
        place = 0.75 + 0.25 * place  # it needs some seconds before the onset
    noise_seed = int(rng.integers(2**31))
    while True:
        setup = draw_setup(rng, family, look, draw_speed(rng, look.scene, family))
        outcomes = solve(setup, rng, wanted)
        if outcomes is not None:
            break
    events = [e.event_step * DT for e in outcomes.values()]
    event_s = round((EVENT_S[0] + place * (EVENT_S[1] - EVENT_S[0])) / DT) * DT
    room = (max(events) - event_s + 0.25, min(events) - _APART_S)  # from the onset; the same in all outcomes
    dip, passing, bump = _distraction(rng, kind, room, look, setup.ego_speed)
    traffic = _traffic(rng, look, list(outcomes.values()), event_s, duration_s)
    if passing is not None:
        time = np.arange(-event_s, 7.0, 0.1)
        if harmless(passing, time, _paths(list(outcomes.values()), time)):
            traffic.append(passing)
        else:
            passing = None
    videos = []
    for name, outcome in outcomes.items():
        shift = event_s - outcome.event_step * DT
        shown: tuple[Distraction, ...] = ()
        if dip is not None:
            shown = (Distraction(kind="brake_for_nothing", time_s=round(dip.start_s + shift, 2)),)
        elif passing is not None:
            shown = (Distraction(kind="calm_close_pass", time_s=round(passing.time_s + shift, 2)),)
        elif bump is not None:
            shown = (Distraction(kind="speed_bump", time_s=round(bump + shift, 2)),)
        trajectories = clip_trajectories(
            outcome, look.actor_color, event_s, duration_s, dip, shown, tuple(traffic), outcomes.get("normal")
        )
        matched = len(outcomes) == len(CLASSES)
        videos.append(
            SimulatedVideo(
                trajectories,
                look,
                key[-1],
                noise_seed + CLASSES.index(name),  # three cameras: equal noise would make equal frames byte for byte
                matched,
                setup.changed if matched else None,
                outcome.value if matched else None,
            )
        )
    return videos


def _distraction(
    rng: np.random.Generator, kind: str | None, room: tuple[float, float], look: Look, speed: float
) -> tuple[BrakingDip | None, Vehicle | None, float | None]:
    """Place a distraction between the first frame and a second before the event, before any reaction."""
    low, high = room
    if kind is None or high <= low:
        return None, None, None
    if kind == "brake_for_nothing":
        latest = min(high, -0.1) - BrakingDip(0.0).end_s
        if latest > low:
            return BrakingDip(float(rng.uniform(low, latest))), None, None
        kind = "speed_bump"
    if kind == "calm_close_pass" and low < -0.05:
        time_s = float(rng.uniform(low, min(high, -0.02)))
        return None, close_pass(rng, look, time_s, speed * time_s, speed), None
    return None, None, float(rng.uniform(low, high))


def _traffic(
    rng: np.random.Generator, look: Look, outcomes: list[EncounterOutcome], event_s: float, duration_s: float
) -> list[Vehicle]:
    time = np.arange(-event_s, duration_s, 0.1)
    speed = outcomes[0].setup.ego_speed
    drawn = draw_traffic(rng, look, speed, -60.0, 160.0)
    if outcomes[0].setup.family == "lead_brake":
        drawn = [v for v in drawn if abs(v.d) > LANE_M / 2]
    return keep_harmless(drawn, time, _paths(outcomes, time))


def _paths(outcomes: list[EncounterOutcome], time: "np.typing.NDArray[np.float64]") -> list[tuple[Trajectory, Body]]:
    """Ego and actor of every outcome at coarse times, from before the onset on."""
    found: list[tuple[Trajectory, Body]] = []
    before = max(1, round(-float(time[0]) / DT))
    steps = np.round(time / DT).astype(int) + before
    for outcome in outcomes:
        road, _ = cruise(outcome.setup.ego_speed, before * DT, None)
        for path, body in (
            (joined(road, outcome.motion.ego), EGO_BODY),
            (joined(approach(outcome, before), outcome.motion.actor), outcome.setup.body),
        ):
            kept = steps[steps < len(path.s)]
            pad = len(steps) - len(kept)
            kept = np.concatenate([kept, np.full(pad, len(path.s) - 1)])
            found.append((Trajectory(path.s[kept], path.d[kept], path.heading[kept], path.speed[kept]), body))
    return found


def _draw_plain(key: list[int], duration_s: float) -> list[SimulatedVideo]:
    rng = np.random.default_rng(key)
    family: Family = "plain_driving"
    look = draw_look(rng, family)
    speed = draw_speed(rng, look.scene, family)
    noise_seed = int(rng.integers(2**31))
    count = round(duration_s / DT) + 1
    kind = _KINDS[int(rng.integers(3))] if rng.random() < _PLAIN_DISTRACTION_RATE else None
    moment = float(rng.uniform(0.3, duration_s - 2.6))
    dip = BrakingDip(moment) if kind == "brake_for_nothing" else None
    time = np.arange(count) * DT
    acceleration = dip.acceleration(time) if dip is not None else np.zeros(count)
    v = speed + np.concatenate([[0.0], np.cumsum(acceleration[:-1] * DT)])
    zero = np.zeros(count)
    ego = Trajectory(np.concatenate([[0.0], np.cumsum(v[:-1] * DT)]), zero, zero, v)
    coarse = cut(ego, 0, count)
    others = [(Trajectory(*(x[::5] for x in (coarse.s, coarse.d, coarse.heading, coarse.speed))), EGO_BODY)]
    traffic = keep_harmless(draw_traffic(rng, look, speed, -40.0, 220.0), time[::5], others)
    if kind == "calm_close_pass":
        traffic.append(close_pass(rng, look, moment, speed * moment, speed))
    shown = (Distraction(kind=kind, time_s=round(moment, 2)),) if kind is not None else ()
    trajectories = VideoTrajectories(0.0, ego, acceleration, (), shown, tuple(traffic))
    return [SimulatedVideo(trajectories, look, key[-1], noise_seed, False, None, None)]
