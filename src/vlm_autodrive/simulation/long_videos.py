"""Long videos: ordinary driving in which now and then an encounter ends badly."""

import numpy as np

from vlm_autodrive.records import Distraction, Distractor, Family, Scenario
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.outcomes import EncounterOutcome, cause_of, solve
from vlm_autodrive.simulation.physics import DT, EGO_BODY, Array, Body, Trajectory
from vlm_autodrive.simulation.random_encounters import COLORS, Look, draw_look, draw_setup, draw_speed
from vlm_autodrive.simulation.scenery import CHUNK_M
from vlm_autodrive.simulation.settings import SimulateSettings
from vlm_autodrive.simulation.traffic import Vehicle, close_pass, draw_traffic, harmless
from vlm_autodrive.simulation.trajectories import (
    BrakingDip,
    EncounterTrajectory,
    SimulatedVideo,
    VideoTrajectories,
    approach,
)

_FAMILIES: tuple[Family, ...] = ("lead_brake", "crossing_vehicle", "pedestrian_crossing", "cyclist_crossing")
_MIN_GAP_S = 20.0
_STANDSTILL_S = 3.0
_AFTER_S = 4.6
_APPROACH_S = 4.0
_TRAFFIC_EVERY_S = 20.0
_KINDS: tuple[Distractor, ...] = ("speed_bump", "brake_for_nothing", "calm_close_pass")


def draw_long_video(settings: SimulateSettings, index: int, *, train_only: bool = False) -> SimulatedVideo:
    """Draw one long video: its events, and between them benign encounters and distractions."""
    rng = np.random.default_rng([settings.seed, 4 if train_only else 3, index])
    look = draw_look(rng, "oncoming_drift" if index % 2 else "pedestrian_crossing")
    families: list[Family] = [*_FAMILIES]
    if look.lanes > 1:
        families.append("cut_in")
    if look.ego_lane == 0:
        families.append("oncoming_drift")
    speed = draw_speed(rng, look.scene, "pedestrian_crossing")
    slots = _slots(rng, settings)
    parts: list[tuple[Trajectory, Array]] = []
    encounters: list[tuple[EncounterOutcome, int]] = []
    distractions: list[Distraction] = []
    step, v, latest = 0, speed, -round(_MIN_GAP_S / DT)
    junction: float | None = None
    total = round(settings.long_video_duration_s / DT) + 1
    for moment, wanted in slots:
        if wanted in _KINDS:
            kind: Distractor = wanted
            if moment > step * DT + 4.0:
                step, v = _go_on(parts, step, v, speed, round(moment / DT), None)
                dip = BrakingDip(0.0) if kind == "brake_for_nothing" else None
                distractions.append(Distraction(kind=kind, time_s=round(moment, 2)))
                step, v = _go_on(parts, step, v, speed, step + round(2.4 / DT), dip)
            continue
        outcome = _encounter(rng, families, look, speed, wanted)
        onset = max(round(moment / DT) - outcome.event_step, step + round(_APPROACH_S / DT))
        if wanted != "normal":
            onset = max(onset, latest + round(_MIN_GAP_S / DT) - outcome.event_step)
        step, v = _go_on(parts, step, v, speed, onset, None)
        if abs(v - speed) > 1e-9:  # not yet at cruising speed again
            step, v = _go_on(parts, step, v, speed, step + round((speed - v) / 1.5 / DT) + 2, None)
        if outcome.setup.family == "crossing_vehicle":  # side streets lie where two pieces of road allow one
            line = _length(parts) + float(outcome.motion.actor.s[0])
            junction = line if junction is None else junction
            step, v = _go_on(parts, step, v, speed, step + round((junction - line) % CHUNK_M / speed / DT), None)
        if wanted != "normal":
            latest = step + outcome.event_step
        encounters.append((outcome, step))
        length = min(outcome.event_step + round(_AFTER_S / DT), len(outcome.motion.ego.s))
        motion = outcome.motion
        parts.append((Trajectory(*(x[:length] for x in _arrays(motion.ego))), motion.acceleration[:length]))
        step, v = step + length, float(motion.ego.speed[length - 1])
        if outcome.event_class == "collision":
            still = round(_STANDSTILL_S / DT)
            zero = np.zeros(still)
            parts.append((Trajectory(zero, zero, zero, zero), zero))
            step, v = step + still, 0.0
    step, v = _go_on(parts, step, v, speed, max(total, step), None)
    ego, acceleration, starts = _joined(parts, total)
    placed = tuple(
        _placed(outcome, onset, starts[onset], ego, str(rng.choice(COLORS[:4]))) for outcome, onset in encounters
    )
    traffic = _traffic(rng, look, ego, placed, distractions)
    trajectories = VideoTrajectories(0.0, ego, acceleration, placed, tuple(distractions), traffic)
    return SimulatedVideo(trajectories, look, settings.seed, int(rng.integers(2**31)), False, None, None)


def long_video_scenario(video: SimulatedVideo, video_id: str, settings: SimulateSettings) -> Scenario:
    """The ground truth record of a long video."""
    return scenario_of(video, video_id, settings.seed, None, settings.long_video_duration_s)


def _slots(rng: np.random.Generator, settings: SimulateSettings) -> list[tuple[float, str]]:
    """When something is to happen: an event class, ``normal`` for a benign encounter, or a distraction."""
    last = settings.long_video_duration_s - 12.0
    count = max(min(settings.long_video_events, int((last - 15.0) // (_MIN_GAP_S + 8.0)) + 1), 0)
    spare = max(last - 15.0 - max(count - 1, 0) * (_MIN_GAP_S + 6.0), 0.0)
    moments = 15.0 + np.sort(rng.random(count)) * spare + np.arange(count) * (_MIN_GAP_S + 6.0)
    classes = ["collision" if (i + int(rng.integers(2))) % 2 else "near_collision" for i in range(count)]
    slots: list[tuple[float, str]] = list(zip(moments.tolist(), classes, strict=True))
    time = 8.0
    while time < last:
        if all(time < m - 16.0 or time > m + 14.0 for m in moments.tolist()):
            slots.append((time, "normal" if rng.random() < 0.4 else _KINDS[int(rng.integers(3))]))
            time += float(rng.uniform(14.0, 30.0))
        time += 3.0
    return sorted(slots)


def _encounter(
    rng: np.random.Generator, families: list[Family], look: Look, speed: float, wanted: str
) -> EncounterOutcome:
    while True:
        family = families[int(rng.integers(len(families)))]
        outcomes = solve(draw_setup(rng, family, look, speed), rng, (wanted,))
        if outcomes is not None:
            return outcomes[wanted]


def _length(parts: list[tuple[Trajectory, Array]]) -> float:
    return sum(float(p.s[-1] - p.s[0] + p.speed[-1] * DT) for p, _ in parts)


def _arrays(path: Trajectory) -> tuple[Array, ...]:
    return path.s, path.d, path.heading, path.speed


def _go_on(
    parts: list[tuple[Trajectory, Array]], step: int, v: float, cruising: float, until: int, dip: BrakingDip | None
) -> tuple[int, float]:
    """Ordinary driving up to a step, coming back to cruising speed."""
    count = until - step
    if count <= 0:
        return step, v
    time = np.arange(count) * DT
    if dip is not None:
        acceleration = dip.acceleration(time)
        speed = v + np.concatenate([[0.0], np.cumsum(acceleration[:-1] * DT)])
    else:
        limit = 1.8 if v < cruising else -1.5
        speed = np.clip(v + limit * (time + DT), min(v, cruising), max(v, cruising))
        acceleration = np.where(np.abs(speed - cruising) > 1e-6, limit, 0.0)
    zero = np.zeros(count)
    parts.append((Trajectory(np.concatenate([[0.0], np.cumsum(speed[:-1] * DT)]), zero, zero, speed), acceleration))
    return until, float(speed[-1])


def _joined(parts: list[tuple[Trajectory, Array]], total: int) -> tuple[Trajectory, Array, dict[int, float]]:
    """All parts behind one another; also the place at which each begins, by its first step."""
    place, shift, step = 0.0, 0.0, 0
    found: list[tuple[Array, ...]] = []
    starts = {}
    for path, acceleration in parts:
        starts[step] = place
        count = len(path.s)
        # What is left of a swerve is steered back calmly in the next stretch.
        back = shift * np.exp(-np.arange(count) * DT / 0.9) * (1.0 if abs(shift) > 1e-3 else 0.0)
        heading = np.arctan2(np.gradient(back, DT), np.maximum(path.speed, 3.0)) if count > 1 else path.heading
        found.append((path.s - path.s[0] + place, path.d + back, path.heading + heading, path.speed, acceleration))
        place += float(path.s[-1] - path.s[0] + path.speed[-1] * DT)
        shift = float(path.d[-1] + back[-1])
        step += count
    s, d, heading, speed, acceleration = (np.concatenate(x)[:total] for x in zip(*found, strict=True))
    return Trajectory(s, d, heading, speed), acceleration, starts


def _placed(outcome: EncounterOutcome, onset: int, start: float, ego: Trajectory, color: str) -> EncounterTrajectory:
    """An encounter in its place in the drive; before and after it the actor is not there."""
    count = len(ego.s)
    before = min(round(_APPROACH_S / DT) + outcome.event_step, onset)
    early = approach(outcome, before)
    motion = outcome.motion
    stay = outcome.event_step + round(
        (_AFTER_S + _STANDSTILL_S - 0.6 if outcome.event_class == "collision" else 4.5) / DT
    )
    stay = min(stay, len(motion.actor.s))
    first, last = onset - before, min(onset + stay, count)
    kept = last - onset
    arrays = []
    for a, b in zip(_arrays(early), _arrays(motion.actor), strict=True):
        whole = np.zeros(count)
        whole[first:last] = np.concatenate([a, b[:kept]])
        arrays.append(whole)
    arrays[0][first:last] += start
    extra = [np.zeros(count), np.zeros(count)]
    for whole, values in zip(extra, (motion.height, motion.tilt), strict=True):
        whole[onset:last] = values[:kept]
    present = np.zeros(count, dtype=bool)
    present[first:last] = True
    return EncounterTrajectory(
        outcome, color, onset * DT, Trajectory(*arrays), extra[0], extra[1], present, cause_of(outcome)
    )


def _traffic(
    rng: np.random.Generator,
    look: Look,
    ego: Trajectory,
    encounters: tuple[EncounterTrajectory, ...],
    distractions: list[Distraction],
) -> tuple[Vehicle, ...]:
    """Vehicles all along the drive, each drawn near a moment and kept if it never meets anybody."""
    coarse = np.arange(0, len(ego.s), 5)
    time = coarse * DT
    others: list[tuple[Trajectory, Body]] = [(Trajectory(*(x[coarse] for x in _arrays(ego))), EGO_BODY)]
    for encounter in encounters:
        actor = Trajectory(*(np.where(encounter.present, x, -1e6)[coarse] for x in _arrays(encounter.actor)))
        others.append((actor, encounter.outcome.setup.body))
    kept: list[Vehicle] = []
    for moment in np.arange(0.0, time[-1], _TRAFFIC_EVERY_S):
        step = min(round(float(moment) / DT), len(ego.s) - 1)
        for vehicle in draw_traffic(rng, look, float(max(ego.speed[step], 6.0)), -20.0, 110.0)[:7]:
            there = Vehicle(
                vehicle.kind, vehicle.color, vehicle.s + float(ego.s[step]), float(moment), vehicle.d, vehicle.speed
            )
            if harmless(there, time, others):
                kept.append(there)
    for distraction in distractions:
        if distraction.kind == "calm_close_pass":
            step = round(distraction.time_s / DT)
            kept.append(close_pass(rng, look, distraction.time_s, float(ego.s[step]), float(ego.speed[step])))
    return tuple(kept)
