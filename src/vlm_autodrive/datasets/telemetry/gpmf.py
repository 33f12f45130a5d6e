"""GoPro's telemetry, GPMF: a track of the video file with a payload of about a second each.

Format and axes are those of GoPro's own description (github.com/gopro/gpmf-parser, README and its picture of the axes:
X left, Y backward and Z upward of the camera). Payloads are read by telemetry-parser; their times are those of the
track in the video file, over which the readings of a payload lie evenly.
"""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vlm_autodrive.addresses import is_address
from vlm_autodrive.datasets.telemetry.mp4_boxes import Mp4Contents, TimedSample, data_samples
from vlm_autodrive.datasets.telemetry.recorded import (
    INSTALL,
    Fix,
    Floats,
    RecordedTelemetry,
    TelemetryError,
    TelemetryInput,
)

_G_MPS2 = 9.80665
_HERO5_AXES = "ZXY"  # the order of the readings where a payload does not tell it
_FIX, _PRECISION = "0x47505346", "0x47505350"  # GPSF and GPSP, which the library leaves without a name
_GPS9 = "0x47505339"
_GPS9_FIX = struct.Struct(">7i2H")  # latitude, longitude, altitude, two speeds, two times; precision and fix
_KLV_HEAD = 8
_WORST_PRECISION = 500  # hundredths; GoPro calls what is under it good


def read_gpmf(wanted: TelemetryInput, contents: Mp4Contents) -> RecordedTelemetry | None:
    """The telemetry that a GoPro camera wrote into a video; None if there is none.

    Raises:
        TelemetryError: If it cannot be read, or the library for it is not installed.
    """
    if not contents.has_gpmf:
        return None
    try:
        import telemetry_parser
    except ImportError:
        raise TelemetryError(f"it holds GoPro telemetry, {INSTALL} to read it") from None
    if is_address(wanted.path):  # the library opens files by their names alone
        raise TelemetryError("it holds GoPro telemetry, which is read of local files alone")
    tracks = [track for track in data_samples(wanted.path, wanted.stream, ("data",)) if track]
    try:
        payloads = telemetry_parser.Parser(str(wanted.path)).telemetry()
    except (OSError, ValueError) as error:
        raise TelemetryError(f"its GoPro telemetry cannot be read ({error})") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a panic of the library's Rust is no Exception
            raise
        raise TelemetryError("its GoPro telemetry is damaged") from None
    # What the header of the file holds comes as a payload before those of the track.
    track = min(tracks, key=lambda samples: abs(len(samples) - len(payloads)), default=[])
    fixes: list[Fix] = []
    sensed: list[tuple[Floats, Floats]] = []
    left_out: Counter[str] = Counter()
    for payload, sample in zip(payloads[max(len(payloads) - len(track), 0) :], track, strict=False):
        try:
            found, readings = list(_fixes(payload, sample)), _sensed(payload, sample)
        except (KeyError, TypeError, ValueError):  # an entry of another kind than it should be
            left_out["damaged payloads"] += 1
            continue
        fixes += [fix for fix in found if fix is not None]
        sensed += [] if readings is None else [readings]
        left_out["without a fix"] += found.count(None)
    if not (fixes or sensed or +left_out):
        raise TelemetryError("its GoPro telemetry holds neither fixes nor accelerations")
    return RecordedTelemetry(
        source="gpmf",
        alignment="the clock of the video file",
        fixes=tuple(fixes),
        sensed=(np.concatenate([t for t, _ in sensed]), np.concatenate([g for _, g in sensed])) if sensed else None,
        left_out=+left_out,
    )


def _fixes(payload: Mapping[str, Mapping[str, Any]], sample: TimedSample) -> Iterator[Fix | None]:
    """The fixes of a payload; None for each that the receiver did not stand by."""
    for group in payload.values():
        scale = group.get("Scale")
        if _GPS9 in group:
            packed = bytes(group[_GPS9])[_KLV_HEAD:]
            rows = list(_GPS9_FIX.iter_unpack(packed[: len(packed) // _GPS9_FIX.size * _GPS9_FIX.size]))
            good = [row[8] >= 2 and row[7] < _WORST_PRECISION for row in rows]
        elif group is payload.get("GPS") and isinstance(group.get("Data"), list):
            rows = group["Data"]
            has_fix = int(group.get(_FIX, 3)) >= 2 and int(group.get(_PRECISION, 0)) < _WORST_PRECISION
            good = [has_fix] * len(rows)
        else:
            continue
        if not isinstance(scale, list) or len(scale) < 5 or not all(scale):
            continue
        for time_s, row, usable in zip(_times(sample, len(rows)), rows, good, strict=True):
            latitude, longitude, _, speed = (value / by for value, by in zip(row[:4], scale, strict=False))
            yield Fix(float(time_s), speed, latitude, longitude) if usable else None
        return


def _sensed(payload: Mapping[str, Mapping[str, Any]], sample: TimedSample) -> tuple[Floats, Floats] | None:
    """Times and readings of the accelerometer in g: forward, to the right and upward of the camera."""
    group = payload.get("Accelerometer", {})
    data, scale = group.get("Data"), group.get("Scale")
    axes = str(group.get("OrientationIn", _HERO5_AXES))
    if not isinstance(data, list) or not data or not isinstance(scale, int | float) or not scale:
        return None
    if sorted(axes.upper()) != ["X", "Y", "Z"]:
        return None
    read = np.array([(one["x"], one["y"], one["z"]) for one in data], dtype=np.float64) / scale / _G_MPS2
    # A small letter means that the reading is taken against the axis.
    along = {axis.upper(): read[:, place] * (1 if axis.isupper() else -1) for place, axis in enumerate(axes)}
    return _times(sample, len(data)), np.stack([-along["Y"], -along["X"], along["Z"]], axis=1)


def _times(sample: TimedSample, count: int) -> Floats:
    return sample.start_s + (sample.end_s - sample.start_s) * np.arange(count) / count
