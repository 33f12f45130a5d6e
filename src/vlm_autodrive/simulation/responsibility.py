"""Who is responsible for a simulated event, by a rule on the motion."""

from dataclasses import replace

import numpy as np

from vlm_autodrive.simulation.families import LANE_M, roll_out
from vlm_autodrive.simulation.outcomes import EncounterOutcome, measure_outcomes
from vlm_autodrive.simulation.physics import DT, NEAR_GAP_M
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.scenery import ZEBRA_M, junctions_between
from vlm_autodrive.simulation.trajectories import EncounterTrajectory, VideoTrajectories
from vlm_autodrive.simulation.video_scene import crossings_of

HARD_BRAKING_MPS2 = 4.0
REACTION_S = 1.5
"""What most drivers need to brake for what they did not expect (M. Green, "How long does it take to stop?", 2000)."""
HEADWAY_S = 1.0
_NEAR_S = 2.0


def responsibility_of(
    trajectories: VideoTrajectories, look: Look, encounter: EncounterTrajectory, manoeuvre: str
) -> str:
    """Who is responsible for an event: ``driver``, ``other``, both (``shared``), or neither (``undetermined``).

    The other party is, if it crosses (whoever crosses gives way, but for pedestrians on a zebra crossing), if it leaves
    its lane, or if it brakes with 4 m/s² or more while nobody is within 2 s ahead of it. The ego driver is, if the
    reaction takes more than 1.5 s from the onset and one after 1.5 s would have avoided the event, if the gap to a
    braking vehicle is less than 1 s, or if a pedestrian on a zebra crossing is not let pass.

    Args:
        trajectories: The motion of the video.
        look: Its scenery.
        encounter: The encounter that ended in the event.
        manoeuvre: What the other party does, as in its incident metadata.
    """
    outcome = encounter.outcome
    setup = outcome.setup
    zebra = setup.actor == "pedestrian" and _on_zebra(trajectories, look, encounter)
    if manoeuvre == "brake":
        other = _brakes_for_nothing(trajectories, encounter)
        driver = setup.initial_gap_m / setup.ego_speed < HEADWAY_S
    else:
        other = not zebra and (manoeuvre != "drift" or _leaves_lane(outcome))
        driver = zebra
    driver = driver or _reacts_too_late(outcome)
    return {(True, True): "shared", (True, False): "driver", (False, True): "other"}.get(
        (driver, other), "undetermined"
    )


def _reacts_too_late(outcome: EncounterOutcome) -> bool:
    """Whether the reaction took longer than it should and one in time would have avoided the event."""
    if outcome.setup.reaction_time_s <= REACTION_S:
        return False
    setup = replace(outcome.setup, reaction_time_s=REACTION_S)
    # Whatever the setup says to vary is put back to its own value, so that the reaction alone is another.
    value = REACTION_S if setup.changed == "reaction_time_s" else outcome.value
    gap = measure_outcomes(setup, roll_out(setup, np.array([value]))).gap[0]
    return bool(gap > (0.0 if outcome.minimum_gap_m <= 0.0 else NEAR_GAP_M[1]))


def _leaves_lane(outcome: EncounterOutcome) -> bool:
    drift = np.abs(outcome.motion.actor.d[: outcome.event_step + 1] - outcome.motion.actor.d[0]).max()
    return bool(drift + outcome.setup.body.width / 2 > LANE_M / 2)


def _brakes_for_nothing(trajectories: VideoTrajectories, encounter: EncounterTrajectory) -> bool:
    """Whether the other party brakes hard although nobody is near ahead of it."""
    actor = encounter.outcome.motion.actor
    hardest = -np.diff(actor.speed[: encounter.outcome.event_step]).min() / DT
    step = max(round(encounter.onset_s / DT), 0)
    time = np.array([trajectories.start_s + step * DT])
    here = encounter.actor
    for vehicle in trajectories.traffic:
        pose = vehicle.pose(time)
        if abs(pose.d[0] - here.d[step]) < LANE_M / 2 and 0.0 < pose.s[0] - here.s[step] < _NEAR_S * here.speed[step]:
            return False
    return bool(hardest >= HARD_BRAKING_MPS2)


def _on_zebra(trajectories: VideoTrajectories, look: Look, encounter: EncounterTrajectory) -> bool:
    place = float(encounter.actor.s[max(round(encounter.onset_s / DT), 0)])
    low, high = ZEBRA_M
    return bool(junctions_between(look, crossings_of(trajectories), place - high, place - low))
