"""The ground truth of a simulated video, from its trajectories: encounters, causes, and states over time."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.records import Encounter, Scenario, Side, StatePoint
from vlm_autodrive.simulation.incident import incident_of, surroundings_of
from vlm_autodrive.simulation.physics import (
    BODIES,
    DT,
    EGO_BODY,
    NORMAL_GAP_M,
    Array,
    box_gap,
)
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.trajectories import EncounterTrajectory, SimulatedVideo, VideoTrajectories

STATE_EVERY_S = 0.2
_SEEN_AHEAD_M = 80.0
_ALERT_AFTER_S = 0.4
_HARD_GAP_FACTOR = 1.5

Evasive = Literal["none", "braking", "steering", "braking_and_steering"]


def scenario_of(video: SimulatedVideo, video_id: str, seed: int, triplet_id: str | None, duration_s: float) -> Scenario:
    """The ground truth record of a video."""
    trajectories, look = video.trajectories, video.look
    encounters = tuple(encounter_of(encounter, trajectories, look) for encounter in trajectories.encounters)
    close = any(e.minimum_gap_m <= _HARD_GAP_FACTOR * NORMAL_GAP_M[e.family] for e in encounters)
    return Scenario(
        video_id=video_id,
        seed=seed,
        triplet_id=triplet_id,
        changed_parameter=video.changed_parameter,
        changed_value=video.changed_value,
        light_conditions=look.light,
        weather=look.weather,
        scene=look.scene,
        lanes=look.lanes,
        ego_lane=look.ego_lane,
        duration_s=duration_s,
        encounters=encounters,
        distractions=trajectories.distractions,
        states=states_of(trajectories, duration_s),
        incident=surroundings_of(trajectories, look),
        hard_negative=video.event_class == "normal" and (close or bool(trajectories.distractions)),
    )


def states_of(trajectories: VideoTrajectories, duration_s: float) -> tuple[StatePoint, ...]:
    """The motion every 0.2 s, for the encounter nearest in time."""
    count = round(duration_s / STATE_EVERY_S)
    times = np.arange(count) * STATE_EVERY_S
    steps = np.round(times / DT).astype(int)
    ego = trajectories.ego
    seen = [_seen(trajectories, encounter) for encounter in trajectories.encounters]
    lead = _lead_gap(trajectories, steps)
    points = []
    for i, (time, step) in enumerate(zip(times.tolist(), steps.tolist(), strict=True)):
        gap = closing = lateral = None
        if trajectories.encounters:
            which = int(np.argmin([abs(m.event_s - time) for m in trajectories.encounters]))
            gaps, closings, visible = seen[which]
            if visible[step]:
                gap, closing = round(float(gaps[step]), 2), round(float(closings[step]), 2)
                lateral = round(float(trajectories.encounters[which].actor.d[step] - ego.d[step]), 2)
        points.append(
            StatePoint(
                time_s=round(time, 3),
                ego_speed_mps=round(float(ego.speed[step]), 2),
                gap_m=gap,
                closing_speed_mps=closing,
                lateral_m=lateral,
                lead_gap_m=None if not np.isfinite(lead[i]) else round(float(lead[i]), 1),
            )
        )
    return tuple(points)


def _seen(trajectories: VideoTrajectories, encounter: EncounterTrajectory) -> tuple[Array, Array, NDArray[np.bool_]]:
    ego, actor = trajectories.ego, encounter.actor
    gap = box_gap(ego, EGO_BODY, actor, encounter.outcome.setup.body)
    ahead = actor.s - ego.s
    # In the first and the last step of its presence the gap leaps from or to where it is kept while it is away.
    present = encounter.present & np.append(encounter.present[1:], True) & np.append(True, encounter.present[:-1])
    visible = present & (ahead > -4.0) & (ahead < _SEEN_AHEAD_M) & (np.abs(actor.d - ego.d) < 25.0)
    return gap, -np.gradient(gap, DT), visible


def _lead_gap(trajectories: VideoTrajectories, steps: NDArray[np.int64]) -> Array:
    ego = trajectories.ego
    best = np.full(len(steps), np.inf)
    others = [(m.actor, m.outcome.setup.actor, m.present) for m in trajectories.encounters]
    everywhere = np.ones(len(ego.s), dtype=bool)
    others += [(v.pose(trajectories.start_s + trajectories.time), v.kind, everywhere) for v in trajectories.traffic]
    for path, kind, present in others:
        if kind in ("pedestrian", "cyclist"):
            continue
        ahead = (path.s - ego.s)[steps] - (EGO_BODY.length + BODIES[kind].length) / 2
        inside = (np.abs(path.d - ego.d)[steps] < 1.6) & present[steps] & (ahead > -1.0) & (ahead < _SEEN_AHEAD_M)
        inside &= np.cos(path.heading[steps]) > 0.5
        best = np.where(inside & (ahead < best), np.maximum(ahead, 0.0), best)
    return best


def encounter_of(encounter: EncounterTrajectory, trajectories: VideoTrajectories, look: Look) -> Encounter:
    """The ground truth of one encounter, read off its motion."""
    outcome, setup = encounter.outcome, encounter.outcome.setup
    side: Side = "ahead" if setup.side == 0 or setup.family == "oncoming_drift" else ("left", "right")[setup.side > 0]
    event = encounter.event_s
    alert = None
    if outcome.event_class != "normal":
        alert = round(min(encounter.onset_s + _ALERT_AFTER_S, (encounter.onset_s + event) / 2), 2)
        if alert < 0:
            alert = None
    brakes = outcome.peak_deceleration_mps2 >= 2.0
    steers = outcome.shift_m >= 0.3
    evasive: Evasive = "steering" if steers else "none"
    if brakes:
        evasive = "braking_and_steering" if steers else "braking"
    answered = (brakes or steers) and outcome.setup.reaction_time_s < outcome.event_step * DT
    return Encounter(
        family=setup.family,
        event_class=outcome.event_class,
        time_s=round(event, 2),
        onset_s=round(encounter.onset_s, 2),
        alert_time_s=alert,
        actor=setup.actor,
        actor_color=encounter.color,
        side=side,
        minimum_gap_m=round(outcome.minimum_gap_m, 3),
        impact_speed_mps=None if outcome.impact_speed_mps is None else round(outcome.impact_speed_mps, 2),
        closing_speed_mps=round(outcome.closing_speed_mps, 2),
        peak_deceleration_mps2=round(outcome.peak_deceleration_mps2, 2),
        evasive=evasive,
        reaction_time_s=round(setup.reaction_time_s, 3) if answered else None,
        cause=encounter.cause,
        incident=incident_of(trajectories, look, encounter),
    )
