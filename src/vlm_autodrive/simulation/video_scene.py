"""One video ready to render: poses of the camera and every road user in every frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.simulation.physics import DT, Array
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.trajectories import VideoTrajectories

_DIVE_DEGREES_PER_MPS2 = 0.42
_SPRING_S = 0.10


@dataclass(frozen=True)
class RoadUserTrack:
    """One road user, frame by frame.

    Attributes:
        kind: Such as ``car``.
        color: Its paint or clothes.
        s: Along the road, in metres.
        d: Right of the ego lane's middle.
        heading: Radians, right positive, 0 along the road.
        height: Above the road.
        tilt: How far it has fallen over, in radians.
        braking: Whether its brake lights burn.
        present: Whether it is on the scene.
    """

    kind: str
    color: str
    s: Array
    d: Array
    heading: Array
    height: Array
    tilt: Array
    braking: NDArray[np.bool_]
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class CameraMotion:
    """The camera in every frame: its car's place, and how it is shaken (degrees and metres)."""

    s: Array
    d: Array
    heading: Array
    pitch: Array
    roll: Array
    lift: Array
    sway: Array


@dataclass(frozen=True)
class VideoScene:
    """Everything that the renderer needs to know of one video."""

    look: Look
    camera: CameraMotion
    tracks: tuple[RoadUserTrack, ...]
    crossings: tuple[float, ...]
    noise_seed: int


def scene_of(trajectories: VideoTrajectories, look: Look, fps: int, noise_seed: int) -> VideoScene:
    """What is to be seen in each frame."""
    time, ego = trajectories.time, trajectories.ego
    frames = np.arange(round(time[-1] * fps))
    steps = np.round(frames / fps / DT).astype(int)
    blows = [m.event_s for m in trajectories.encounters if m.outcome.event_class == "collision"]
    bumps = [x.time_s for x in trajectories.distractions if x.kind == "speed_bump"]
    pitch, roll, lift, sway = shaken(
        time, trajectories.acceleration, ego.speed, ego.heading, bumps, blows, look.seed % 2**31
    )
    camera = CameraMotion(*(x[steps] for x in (ego.s, ego.d, ego.heading, pitch, roll, lift, sway)))
    tracks = []
    for encounter in trajectories.encounters:
        actor = encounter.actor
        braking = (np.gradient(actor.speed, DT) < -0.6) | (actor.speed < 0.2)
        if encounter.outcome.setup.family == "lead_brake":
            braking |= (
                actor.speed < encounter.outcome.setup.actor_speed - 0.3
            )  # slow in the middle of the road: the foot stays down
        tracks.append(
            RoadUserTrack(
                encounter.outcome.setup.actor,
                encounter.color,
                actor.s[steps],
                actor.d[steps],
                actor.heading[steps],
                encounter.height[steps],
                encounter.tilt[steps],
                braking[steps],
                encounter.present[steps],
            )
        )
    zero = np.zeros(len(steps))
    no, yes = np.zeros(len(steps), dtype=bool), np.ones(len(steps), dtype=bool)
    for vehicle in trajectories.traffic:
        pose = vehicle.pose(trajectories.start_s + time[steps])
        tracks.append(RoadUserTrack(vehicle.kind, vehicle.color, pose.s, pose.d, pose.heading, zero, zero, no, yes))
    return VideoScene(look, camera, tuple(tracks), crossings_of(trajectories), noise_seed)


def crossings_of(trajectories: VideoTrajectories) -> tuple[float, ...]:
    """Where along the road vehicles cross; a side street lies there."""
    return tuple(
        float(m.actor.s[max(round(m.onset_s / DT), 0)])
        for m in trajectories.encounters
        if m.outcome.setup.family == "crossing_vehicle"
    )


def shaken(
    time: Array, acceleration: Array, speed: Array, heading: Array, bumps: list[float], blows: list[float], seed: int
) -> tuple[Array, Array, Array, Array]:
    """Pitch and roll in degrees, lift and sway in metres, at every step.

    Args:
        time: Seconds.
        acceleration: Along the road.
        speed: Of the ego vehicle.
        heading: Of the ego vehicle.
        bumps: When it drives over a speed bump.
        blows: When it hits something.
        seed: Of the rumble, and of the direction of the blows.
    """
    rng = np.random.default_rng(seed)
    pitch = _DIVE_DEGREES_PER_MPS2 * smoothed(np.clip(acceleration, -10.0, 3.0), _SPRING_S)
    yaw_rate = np.gradient(heading, DT)
    roll = 2.2 * smoothed(np.clip(yaw_rate * speed / 5.0, -1.0, 1.0), _SPRING_S)
    rumble = rng.standard_normal((2, len(time))) * np.minimum(speed / 12.0, 1.2)
    pitch = pitch + 0.12 * rumble[0]
    lift = 0.012 * rumble[1]
    sway = np.zeros_like(pitch)
    for moment in bumps:
        # The rear axle goes over the bump one wheelbase (2.7 m) after the front axle, and shakes the camera less.
        for delay, size in ((0.0, 1.0), (min(2.7 / max(float(np.interp(moment, time, speed)), 3.0), 0.6), 0.6)):
            t = time - moment - delay
            wave = np.where(t >= 0.0, np.exp(-np.maximum(t, 0.0) / 0.22) * np.sin(2 * np.pi * 2.6 * t), 0.0)
            pitch = pitch + 2.6 * size * wave
            lift = lift + 0.09 * size * wave
    for moment in blows:
        # About as strong as a speed bump: whoever sees only the picture shake cannot tell which of them it was.
        t = time - moment
        decay = np.where(t >= 0.0, np.exp(-np.maximum(t, 0.0) / 0.25), 0.0) * rng.uniform(0.5, 1.2)
        sign = 1.0 if rng.random() < 0.5 else -1.0
        phase = rng.uniform(-0.4, 0.4, 3)
        pitch = pitch - decay * 2.4 * np.cos(2 * np.pi * 3.1 * t + phase[0])
        roll = roll + decay * 2.2 * sign * np.cos(2 * np.pi * 2.3 * t + phase[1])
        sway = sway + decay * 0.06 * sign * np.sin(2 * np.pi * 3.7 * t + 1.0 + phase[2])
        lift = lift + decay * 0.08 * np.sin(2 * np.pi * 3.3 * t)
    return pitch, roll, lift, sway


def smoothed(values: Array, seconds: float) -> Array:
    """A first-order lag, as of a car's springs."""
    # Backward Euler of a first-order low-pass filter: y += (x - y) dt / (tau + dt).
    alpha = DT / (seconds + DT)
    result = np.empty_like(values)
    state = float(values[0])
    for i, value in enumerate(values.tolist()):
        state += alpha * (value - state)
        result[i] = state
    return result
