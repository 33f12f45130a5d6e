"""From what an accelerometer reads to the accelerations of the vehicle."""

from collections.abc import Sequence

import numpy as np

from vlm_autodrive.datasets.telemetry.recorded import Fix, Floats, TelemetryError

_GRAVITY_G = (0.7, 1.3)
_UPRIGHT = 0.3
"""How much of the camera's forward axis must be horizontal for the vehicle's to be told from it."""
_PULSE_S, _STEP_S = 0.1, 0.05
_BACKWARD, _SPEED_CHANGES, _MOVES_MPS2 = -0.5, 5, 0.3
_FIX_GAPS_S = (0.5, 2.5)


def vehicle_accelerations(times_s: Floats, sensed_g: Floats, fixes: Sequence[Fix]) -> tuple[Floats, Floats]:
    """Times, and forward, right and upward accelerations of the vehicle in g, without gravity.

    Gravity is the median of the whole series, and tells how the camera is tilted. Forward is where the camera looks,
    unless the speed shows that it looks backward. Readings at more than 20 a second are averaged over 0.1 s.

    Args:
        times_s: When it was read, increasing; shape [n].
        sensed_g: What was read, gravity included: forward, to the right and upward of the camera; shape [n, 3].
        fixes: The fixes of the same series, if any.

    Raises:
        TelemetryError: If there is no gravity in it, or the camera looks up or down.
    """
    gravity = np.median(sensed_g, axis=0) if len(sensed_g) else np.zeros(3)
    strength = float(np.linalg.norm(gravity))
    if not _GRAVITY_G[0] <= strength <= _GRAVITY_G[1]:
        raise TelemetryError(f"its accelerometer reads {strength:.2g} g at rest instead of 1 g")
    up = gravity / strength
    forward = np.array([1.0, 0.0, 0.0]) - up[0] * up
    if np.linalg.norm(forward) < _UPRIGHT:
        raise TelemetryError("its camera looks up or down, so that forward cannot be told")
    forward /= np.linalg.norm(forward)
    # The camera's axes (forward, right, up) are left-handed, and there the right is up x forward.
    right = np.cross(up, forward)
    times_s, moved = _over_a_pulse(times_s, (sensed_g - gravity) @ np.stack([forward, right, up], axis=1))
    if _looks_backward(times_s, moved[:, 0], fixes):
        moved[:, :2] *= -1
    return times_s, moved


def _over_a_pulse(times_s: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Means over the length of a crash pulse, at twice that rate; slower readings as they are."""
    if len(times_s) < 3 or np.median(np.diff(times_s)) >= _STEP_S:
        return times_s, values
    middles = np.arange(times_s[0], times_s[-1] + _STEP_S / 2, _STEP_S)
    first, last = (np.searchsorted(times_s, middles + side * _PULSE_S / 2) for side in (-1, 1))
    filled = last > first
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return middles[filled], ((sums[last] - sums[first])[filled] / (last - first)[filled, None])


def _looks_backward(times_s: Floats, along_g: Floats, fixes: Sequence[Fix]) -> bool:
    """Whether the vehicle gets faster where the series says that it gets slower, as of a camera at the rear window."""
    known = [(fix.time_s, fix.speed_mps) for fix in fixes if fix.speed_mps is not None]
    if len(known) <= _SPEED_CHANGES:
        return False
    fix_times, speeds = np.array(known, dtype=float).T
    # Receivers of several fixes a second repeat a speed, so changes are taken over half a second and more.
    starts = np.concatenate([[0], np.flatnonzero(np.diff(np.floor((fix_times - fix_times[0]) / _FIX_GAPS_S[0]))) + 1])
    fix_times, speeds = fix_times[starts], speeds[starts]
    sums = np.concatenate([[0.0], np.cumsum(along_g)])
    places = np.searchsorted(times_s, fix_times)
    gaps, counts = np.diff(fix_times), np.diff(places)
    usable = (gaps >= _FIX_GAPS_S[0] / 2) & (gaps <= _FIX_GAPS_S[1]) & (counts > 0)
    changes = np.diff(speeds)[usable] / gaps[usable]
    felt = np.diff(sums[places])[usable] / counts[usable]
    if len(changes) < _SPEED_CHANGES or changes.std() < _MOVES_MPS2 or not felt.std():
        return False
    return bool(np.corrcoef(changes, felt)[0, 1] < _BACKWARD)
