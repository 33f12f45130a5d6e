"""What a reader of telemetry returns, before it is checked and turned into the axes of the vehicle."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.records import TelemetrySource

Floats = NDArray[np.float64]

INSTALL = "pip install '.[telemetry]'"
_FASTEST_MPS = 400 / 3.6  # as for the incident metadata
_MOST_G = 50.0
_EARTH_M = 6_371_000.0
_JITTER_M = 50.0  # positions scatter by this much where a street is narrow


class TelemetryError(Exception):
    """Telemetry that cannot be used; the message says why, in plain words, and names the file."""


class Fix(NamedTuple):
    """One fix of a receiver: seconds after the video's first frame, m/s, and degrees."""

    time_s: float
    speed_mps: float | None
    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True)
class RecordedTelemetry:
    """What was read from the telemetry of one video in one format.

    Attributes:
        source: The format.
        alignment: What its times rest on, in plain words.
        fixes: The fixes, in the order of the file.
        sensed: When the accelerometer was read, in seconds after the video's first frame, shape [n]; and what it read
            in g, gravity included, shape [n, 3]: forward, to the right and upward of the camera. None without one.
        left_out: How many entries could not be used, by the reason.
        note: What else is to be said.
    """

    source: TelemetrySource
    alignment: str
    fixes: tuple[Fix, ...] = ()
    sensed: tuple[Floats, Floats] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


class TelemetryInput(NamedTuple):
    """One video whose telemetry is looked for.

    Attributes:
        path: The video's file.
        stream: The place among its video streams of the one that is used, as in the catalog.
        duration_s: Its length.
        beside: The telemetry files beside it, by their ending in small letters.
        utc_offset_h: Hours that the camera's clock is ahead of UTC; None if that is not known.
    """

    path: Path
    stream: int | None
    duration_s: float
    beside: dict[str, Path]
    utc_offset_h: float | None = None


def plausible_fixes(fixes: Iterable[Fix]) -> tuple[list[Fix], Counter[str]]:
    """The fixes that can be true, and how many were left out, by the reason.

    Left out are fixes outside the globe, fixes that are not later than one before, and those so far from the last one
    that no car drives there. A fix that starts a run of far ones is believed with the second: after a tunnel, or a
    wrong first fix, it is the old place that is wrong.
    """
    kept: list[Fix] = []
    left_out: Counter[str] = Counter()
    far: Fix | None = None
    for fix in fixes:
        if not (abs(fix.latitude_deg) <= 90 and abs(fix.longitude_deg) <= 180):  # not a number neither
            left_out["outside the globe"] += 1
            continue
        if kept and fix.time_s <= kept[-1].time_s:
            left_out["not later than the one before"] += 1
            continue
        if kept and _is_far(kept[-1], fix) and (far is None or far.time_s >= fix.time_s or _is_far(far, fix)):
            left_out["too far from the one before"] += 1
            far = fix
            continue
        far = None
        speed = fix.speed_mps
        kept.append(fix if speed is None or 0 <= speed <= _FASTEST_MPS else fix._replace(speed_mps=None))
    return kept, left_out


def plausible_readings(times_s: Floats, sensed_g: Floats, left_out: Counter[str]) -> tuple[Floats, Floats]:
    """The readings of an accelerometer that can be true, in order of time; the others are counted in ``left_out``."""
    possible = (np.abs(sensed_g) <= _MOST_G).all(axis=1)
    times_s, sensed_g = times_s[possible], sensed_g[possible]
    later = np.diff(np.maximum.accumulate(times_s), prepend=-np.inf) > 0
    left_out[f"accelerations beyond {_MOST_G:g} g"] += int((~possible).sum())
    left_out["accelerations not later than one before"] += int((~later).sum())
    return times_s[later], sensed_g[later]


def distance_m(one: Fix, other: Fix) -> float:
    """Metres between two fixes that are near each other."""
    north = math.radians(other.latitude_deg - one.latitude_deg)
    east = math.radians((other.longitude_deg - one.longitude_deg + 180) % 360 - 180)
    return _EARTH_M * math.hypot(north, east * math.cos(math.radians(one.latitude_deg)))


def _is_far(one: Fix, other: Fix) -> bool:
    return distance_m(one, other) > _JITTER_M + _FASTEST_MPS * (other.time_s - one.time_s)
