"""How the ego vehicle's motion moves its camera: dive, roll, road rumble, bumps and blows."""

import numpy as np

from vlm_autodrive.simulation.physics import DT, Array

_DIVE_DEGREES_PER_MPS2 = 0.42
_SPRING_S = 0.10


def smoothed(values: Array, seconds: float) -> Array:
    """A first-order lag, as of a car's springs."""
    alpha = DT / (seconds + DT)
    result = np.empty_like(values)
    state = float(values[0])
    for i, value in enumerate(values.tolist()):
        state += alpha * (value - state)
        result[i] = state
    return result


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
