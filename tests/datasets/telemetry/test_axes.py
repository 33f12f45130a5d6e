"""From a camera's readings to the vehicle's accelerations, against motions that are known."""

import numpy as np
import pytest

from vlm_autodrive.datasets.telemetry.axes import vehicle_accelerations
from vlm_autodrive.datasets.telemetry.recorded import Fix

TIMES = np.arange(0, 30, 0.02)
RATE = 2 * np.pi / 15  # two periods, so that the median is that of a vehicle at rest
ALONG = 0.3 * np.sin(RATE * TIMES)  # g
ACROSS = np.where((TIMES > 10) & (TIMES < 10.5), 0.8, 0.0)


def sensed(tilt_deg=0.0, roll_deg=0.0, turned=False):
    """What a camera reads that is tilted downward, rolled to the right, and then looks backward."""
    vehicle = np.stack([ALONG, ACROSS, np.ones(len(TIMES))], axis=1)
    if turned:
        vehicle = vehicle * [-1, -1, 1]
    tilt, roll = np.radians([tilt_deg, roll_deg])
    forward = [np.cos(tilt), 0, -np.sin(tilt)]
    up = [np.sin(tilt), 0, np.cos(tilt)]
    right = [0, 1, 0]
    rolled = np.cos(roll) * np.array([right, up]) + np.sin(roll) * np.array([[-u for u in up], right])
    return vehicle @ np.stack([forward, *rolled], axis=1)


def speeds():
    """Fixes of a vehicle that moves as ``ALONG`` says, once a second."""
    gained = 9.81 * 0.3 / RATE * (1 - np.cos(RATE * np.arange(30)))
    return [Fix(float(t), 15 + gain, 52.0 + 1e-4 * t, 13.0) for t, gain in enumerate(gained)]


@pytest.mark.parametrize(("tilt_deg", "roll_deg"), [(0, 0), (20, 0), (0, 180), (-10, 15)])
def test_tilted_and_upside_down_cameras(tilt_deg, roll_deg):
    times, moved = vehicle_accelerations(TIMES, sensed(tilt_deg, roll_deg), [])
    assert moved[:, 0] == pytest.approx(0.3 * np.sin(RATE * times), abs=0.03)
    assert np.median(moved[(times > 10.1) & (times < 10.4), 1]) == pytest.approx(0.8, abs=0.03)
    assert abs(moved[:, 2]).max() < 0.03


def test_a_camera_that_looks_backward_is_told_by_the_speed():
    for turned in (False, True):
        times, moved = vehicle_accelerations(TIMES, sensed(turned=turned), speeds())
        assert moved[:, 0] == pytest.approx(0.3 * np.sin(RATE * times), abs=0.03)
        assert moved[:, 1].max() == pytest.approx(0.8, abs=0.03)
    # A vehicle that stands says nothing of it.
    standing = [fix._replace(speed_mps=0.0) for fix in speeds()]
    assert vehicle_accelerations(TIMES, sensed(turned=True), standing)[1][:, 1].min() == pytest.approx(-0.8, abs=0.03)


def test_a_blow_is_averaged_over_its_length():
    times = np.arange(0, 4, 0.005)
    readings = np.tile([0.0, 0.0, 1.0], (len(times), 1))
    readings[400:410, 0] = -4.0  # 50 ms
    means, moved = vehicle_accelerations(times, readings, [])
    assert moved[:, 0].min() == pytest.approx(-2.0, abs=0.25)  # over 100 ms
    assert np.diff(means) == pytest.approx(0.05)
    slow = vehicle_accelerations(times[::20], readings[::20], [])
    assert slow[0] == pytest.approx(times[::20])
    assert slow[1][:, 0].min() == -4.0
