"""GPX: a track as most GPS loggers and phones write it, beside a video. It is read by gpxpy.

GPX is told in UTC, so the video's recording time must be known (``video_clock.py``). Speed is that of the point where
it is told, and else that from the last point to this one.
"""

from collections import Counter
from datetime import UTC

from vlm_autodrive.datasets.telemetry.mp4_boxes import Mp4Contents
from vlm_autodrive.datasets.telemetry.nmea import read_bytes
from vlm_autodrive.datasets.telemetry.recorded import (
    INSTALL,
    Fix,
    RecordedTelemetry,
    TelemetryError,
    TelemetryInput,
    distance_m,
)
from vlm_autodrive.datasets.telemetry.video_clock import find_start

_LONGEST_STEP_S = 5.0  # over a longer one, the mean speed says little of its end


def read_gpx(wanted: TelemetryInput, contents: Mp4Contents) -> RecordedTelemetry | None:  # noqa: ARG001
    """The fixes of the GPX file beside a video; None if there is none.

    Raises:
        TelemetryError: If it cannot be read, has no point with a time, or it is not known when the video was recorded.
    """
    path = wanted.beside.get(".gpx")
    if path is None:
        return None
    try:
        import gpxpy
    except ImportError:
        raise TelemetryError(f"{path.name} holds GPX telemetry, {INSTALL} to read it") from None
    content = read_bytes(path)
    text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    try:
        points = [point for track in gpxpy.parse(text).tracks for part in track.segments for point in part.points]
    except Exception as error:  # the library raises whatever the garbage leads to
        raise TelemetryError(f"{path.name} is no GPX file ({str(error).splitlines()[0][:100]})") from None
    placed = [(point.time.replace(tzinfo=point.time.tzinfo or UTC), point) for point in points if point.time]
    if not placed:
        raise TelemetryError(f"{path.name} has no point with a time in it")
    start, alignment = find_start(wanted, min(time for time, _ in placed), max(time for time, _ in placed), path.name)
    fixes: list[Fix] = []
    for time, point in placed:
        fix = Fix((time - start).total_seconds(), point.speed, point.latitude, point.longitude)
        step_s = fix.time_s - fixes[-1].time_s if fixes else 0.0
        if fix.speed_mps is None and 0 < step_s <= _LONGEST_STEP_S:
            fix = fix._replace(speed_mps=distance_m(fixes[-1], fix) / step_s)
        fixes.append(fix)
    left_out = Counter({"without a time": len(points) - len(placed)})
    return RecordedTelemetry("gpx", alignment, tuple(fixes), left_out=+left_out)
