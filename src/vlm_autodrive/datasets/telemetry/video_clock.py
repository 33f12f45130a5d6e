"""When a video begins on the clock of a receiver, which is UTC.

A track of the video's own length begins with it: cameras write such files along with the video. Otherwise the begin is
known from the time in the file's name, which is the camera's local time, or from the creation time of the container,
which is UTC unless it repeats the name's. Local time becomes UTC by the setting ``utc_offset_h``; without it, by the
only time zone in which track and video meet. Where several would do, nothing is guessed.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vlm_autodrive.datasets.telemetry.recorded import TelemetryError, TelemetryInput
from vlm_autodrive.video import OpenVideo, VideoError, camera_file

_IN_NAME = re.compile(r"(20\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)(?!\d)")
_OWN_LENGTH_S = 3.0
_SAME_CLOCK = timedelta(minutes=2)
_ZONES_MIN = range(-12 * 60, 14 * 60 + 1, 15)


def find_start(wanted: TelemetryInput, first: datetime, last: datetime, name: str) -> tuple[datetime, str]:
    """When the video's first frame was recorded, in UTC, and what that rests on.

    Args:
        wanted: The video.
        first: The first moment of the track.
        last: Its last moment.
        name: The track's file, for messages.

    Raises:
        TelemetryError: If that is not known, or the track is of another time.
    """
    if abs((last - first).total_seconds() - wanted.duration_s) <= _OWN_LENGTH_S:
        return first, "the begin of a track of the video's length"
    named, created = time_in_name(wanted.path), _creation_time(wanted.path)
    if named is None and created is None:
        raise TelemetryError(f"{name} is told in UTC, and neither its name nor the file tells when the video begins")

    def meets(start: datetime) -> bool:
        return first <= start + timedelta(seconds=wanted.duration_s) and last >= start

    if named is not None and wanted.utc_offset_h is not None:
        start = named - timedelta(hours=wanted.utc_offset_h)
        if not meets(start):
            raise TelemetryError(f"{name} is of another time than the video, begun at {start:%Y-%m-%d %H:%M} UTC")
        return start, "the time in the file's name, and utc_offset_h"
    if created is not None and (named is None or abs(created - named) > _SAME_CLOCK) and meets(created):
        return created, "the creation time in the file"
    clock = named or created
    assert clock is not None
    starts = [start for zone in _ZONES_MIN if meets(start := clock - timedelta(minutes=zone))]
    if not starts:
        raise TelemetryError(f"{name} is of another time than the video, begun at {clock:%Y-%m-%d %H:%M}")
    if len(starts) > 1:
        raise TelemetryError(f"{name} fits the video in several time zones; set utc_offset_h")
    return starts[0], f"the time in the file{'' if named is None else chr(39) + 's name'}, in the only zone that fits"


def time_in_name(path: Path) -> datetime | None:
    """The moment that a file's name tells, as if it were UTC; None if it tells none."""
    camera = camera_file(path)
    if camera is not None and camera.time is not None:
        return camera.time.replace(tzinfo=UTC)
    found = _IN_NAME.search(path.stem)
    try:
        return datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _creation_time(path: Path) -> datetime | None:
    camera = camera_file(path)
    if camera is not None and camera.chapter > 1:
        return None  # it may be that of the first chapter
    try:
        with OpenVideo(path) as video:
            told = datetime.fromisoformat(video.created_at or "")
    except (ValueError, VideoError):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
