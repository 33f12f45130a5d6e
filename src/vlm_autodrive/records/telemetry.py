"""Telemetry: speed, position and acceleration along a video, as sensors recorded them."""

from bisect import bisect_left, bisect_right
from itertools import pairwise
from math import fabs, hypot
from typing import Literal

from pydantic import model_validator

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.incident import INCIDENT_NUMBERS, IncidentMetadata

TelemetrySource = Literal["gpmf", "blackvue", "nmea", "gpx"]

AROUND_EVENT_S = 1.0
"""The largest acceleration of an event is looked for this far before and after it, as its fields say."""
_LATEST_FIX_S = 2.0  # an older speed says nothing of the moment


class TelemetrySeries(Record):
    """What sensors recorded along one video. All times are seconds after the video's first frame, and increase.

    Receivers and accelerometers run at rates of their own, so there are two runs of columns: those of the fixes, and
    those of the accelerations. Either may be empty. Accelerations are means over about 0.1 s, the length of a crash
    pulse, in g without gravity, along the axes of the vehicle.

    Attributes:
        video_id: The video.
        sources: The formats that they were read from.
        alignment: What the times rest on, in plain words, such as the clock of the video file.
        fix_times_s: When the receiver had a fix.
        speed_mps: Speed over ground at each fix; None where it is not told.
        latitude_deg: Latitude at each fix, north positive.
        longitude_deg: Longitude at each fix, east positive.
        acceleration_times_s: When accelerations were measured.
        longitudinal_g: Forward positive, so that braking is negative.
        lateral_g: To the right positive.
        vertical_g: Upward positive.
    """

    video_id: str
    sources: tuple[TelemetrySource, ...]
    alignment: str
    fix_times_s: tuple[float, ...] = ()
    speed_mps: tuple[float | None, ...] = ()
    latitude_deg: tuple[float, ...] = ()
    longitude_deg: tuple[float, ...] = ()
    acceleration_times_s: tuple[float, ...] = ()
    longitudinal_g: tuple[float, ...] = ()
    lateral_g: tuple[float, ...] = ()
    vertical_g: tuple[float, ...] = ()

    def speed_before(self, time_s: float) -> float | None:
        """The last speed, in m/s, up to a moment; None if there is none within the 2 s before it."""
        place = bisect_right(self.fix_times_s, time_s) - 1
        while place >= 0 and time_s - self.fix_times_s[place] <= _LATEST_FIX_S:
            if self.speed_mps[place] is not None:
                return self.speed_mps[place]
            place -= 1
        return None

    def peak_g(self, start_s: float, end_s: float) -> float | None:
        """The largest horizontal acceleration between two times, in g; None if there is no acceleration of them."""
        inside = self._accelerations(start_s, end_s)
        return max(map(hypot, self.longitudinal_g[inside], self.lateral_g[inside]), default=None)

    def measured_at(self, time_s: float) -> IncidentMetadata:
        """The numbers of incident metadata at a moment, as far as they were measured and are plausible."""
        speed = self.speed_before(time_s)
        inside = self._accelerations(time_s - AROUND_EVENT_S, time_s + AROUND_EVENT_S)
        found = {
            "speed_kmh": None if speed is None else round(3.6 * speed, 1),
            "longitudinal_g": _largest(self.longitudinal_g[inside]),
            "lateral_g": _largest(self.lateral_g[inside]),
        }
        plausible = {
            name: value
            for name, value in found.items()
            if value is not None and INCIDENT_NUMBERS[name][0] <= value <= INCIDENT_NUMBERS[name][1]
        }
        return IncidentMetadata.model_validate(plausible)

    def _accelerations(self, start_s: float, end_s: float) -> slice:
        times = self.acceleration_times_s
        return slice(bisect_left(times, start_s), bisect_right(times, end_s))

    @model_validator(mode="after")
    def _check(self) -> "TelemetrySeries":
        fixes = (self.fix_times_s, self.speed_mps, self.latitude_deg, self.longitude_deg)
        accelerations = (self.acceleration_times_s, self.longitudinal_g, self.lateral_g, self.vertical_g)
        for columns in (fixes, accelerations):
            if len({len(column) for column in columns}) > 1:
                raise ValueError("columns of one clock have one length")
        for times in (self.fix_times_s, self.acceleration_times_s):
            if any(later <= earlier for earlier, later in pairwise(times)):
                raise ValueError("times increase")
        return self


def _largest(values: tuple[float, ...]) -> float | None:
    """The value that is farthest from 0, in two digits."""
    largest: float | None = max(values, key=fabs, default=None)
    return None if largest is None else round(largest, 2) + 0.0
