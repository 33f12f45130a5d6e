"""The trajectories of all road users in one video, cut to its time window."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.records import Distraction
from vlm_autodrive.simulation.outcomes import EncounterOutcome, cause_of
from vlm_autodrive.simulation.physics import DT, Array, Trajectory
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.traffic import Vehicle


@dataclass(frozen=True)
class BrakingDip:
    """Hard braking for nothing, and the recovery from it; times from the onset of the encounter."""

    start_s: float
    braking_mps2: float = 5.5
    braking_s: float = 0.55
    recovery_s: float = 1.0

    @property
    def end_s(self) -> float:
        """When the old speed is reached again."""
        return self.start_s + self.braking_s + self.recovery_s

    def acceleration(self, time: Array) -> Array:
        """What it adds to the ego vehicle's acceleration; its integral is zero."""
        braking = (time >= self.start_s) & (time < self.start_s + self.braking_s)
        recovering = (time >= self.start_s + self.braking_s) & (time < self.end_s)
        return recovering * (self.braking_mps2 * self.braking_s / self.recovery_s) - braking * self.braking_mps2


@dataclass(frozen=True)
class EncounterTrajectory:
    """An encounter in its place in a video.

    The actor's path covers the whole video; ``onset_s`` is negative if the hazard began before it.
    """

    outcome: EncounterOutcome
    color: str
    onset_s: float
    actor: Trajectory
    height: Array
    tilt: Array
    present: NDArray[np.bool_]
    cause: str

    @property
    def event_s(self) -> float:
        """When it comes to contact, or to the closest approach."""
        return self.onset_s + self.outcome.event_step * DT


@dataclass(frozen=True)
class VideoTrajectories:
    """The motion of a whole video, every ``DT`` seconds.

    Attributes:
        start_s: The time of the first frame, on the clock of the traffic.
        ego: The recording vehicle.
        acceleration: Its acceleration.
        encounters: What happens, in order of time.
        distractions: What does not matter, in order of time.
        traffic: The other vehicles.
    """

    start_s: float
    ego: Trajectory
    acceleration: Array
    encounters: tuple[EncounterTrajectory, ...]
    distractions: tuple[Distraction, ...]
    traffic: tuple[Vehicle, ...]

    @property
    def time(self) -> Array:
        """Seconds after the first frame."""
        result: Array = np.arange(len(self.ego.s)) * DT
        return result


@dataclass(frozen=True)
class SimulatedVideo:
    """One video to be made: its motion and look, and what the ground truth record needs besides."""

    trajectories: VideoTrajectories
    look: Look
    seed: int
    noise_seed: int
    triplet: bool
    changed_parameter: str | None
    changed_value: float | None

    @property
    def event_class(self) -> str:
        """The class of the video."""
        return next((m.outcome.event_class for m in self.trajectories.encounters), "normal")


def cruise(speed: float, before_s: float, dip: BrakingDip | None) -> tuple[Trajectory, Array]:
    """The ego vehicle's approach: the steps before the onset, at which it is at place 0 with its cruising speed."""
    steps = round(before_s / DT)
    time = (np.arange(steps + 1) - steps) * DT
    acceleration = dip.acceleration(time) if dip is not None else np.zeros_like(time)
    # Integrated backwards from the onset, so that place and speed are exact there, whatever comes before.
    v = speed - (acceleration[::-1].cumsum()[::-1] * DT)
    s = -(v[::-1].cumsum()[::-1] - v[-1]) * DT
    zero = np.zeros(steps)
    return Trajectory(s[:-1], zero, zero, v[:-1]), acceleration[:-1]


def approach(outcome: EncounterOutcome, steps: int) -> Trajectory:
    """Where the actor was in the steps before the onset."""
    actor, setup = outcome.motion.actor, outcome.setup
    time = (np.arange(steps) - steps) * DT
    speed = 0.0 if setup.family in ("pedestrian_crossing", "cyclist_crossing") else setup.actor_speed
    heading = float(actor.heading[0])
    return Trajectory(
        actor.s[0] + speed * np.cos(heading) * time,
        actor.d[0] + speed * np.sin(heading) * time,
        np.full(steps, heading),
        np.full(steps, speed),
    )


def joined(*paths: Trajectory) -> Trajectory:
    """Paths one after the other."""
    return Trajectory(
        *(np.concatenate(parts) for parts in zip(*((p.s, p.d, p.heading, p.speed) for p in paths), strict=True))
    )


def cut(path: Trajectory, first: int, count: int) -> Trajectory:
    """A stretch of a path."""
    return Trajectory(*(x[first : first + count] for x in (path.s, path.d, path.heading, path.speed)))


def clip_trajectories(
    outcome: EncounterOutcome,
    color: str,
    event_s: float,
    duration_s: float,
    dip: BrakingDip | None,
    distractions: tuple[Distraction, ...],
    traffic: tuple[Vehicle, ...],
    benign: EncounterOutcome | None,
) -> VideoTrajectories:
    """The window of ``duration_s`` around an encounter in which its event falls on ``event_s``.

    The onset may come before the first frame; the video then begins in the middle of the encounter.
    """
    onset = round(event_s / DT) - outcome.event_step
    before, first = max(onset, 0), max(-onset, 0)
    count = round(duration_s / DT) + 1
    road, slowing = cruise(outcome.setup.ego_speed, before * DT, dip)
    motion = outcome.motion
    ego = cut(joined(road, motion.ego), first, count)
    zero = np.zeros(before)
    shown = slice(first, first + count)
    encounter = EncounterTrajectory(
        outcome=outcome,
        color=color,
        onset_s=onset * DT,
        actor=cut(joined(approach(outcome, before), motion.actor), first, count),
        height=np.concatenate([zero, motion.height])[shown],
        tilt=np.concatenate([zero, motion.tilt])[shown],
        present=np.ones(count, dtype=bool),
        cause=cause_of(outcome, benign),
    )
    acceleration = np.concatenate([slowing, motion.acceleration])[shown]
    return VideoTrajectories(-onset * DT, ego, acceleration, (encounter,), distractions, traffic)
