"""The telemetry of one video: what is beside it and inside it, by the formats that are known.

**A new format is added here**: one file with its reader, and one name in :data:`READERS`. A reader takes the video and
what its file holds, and returns what it read, None if there is nothing of its format, or raises a
:class:`~vlm_autodrive.datasets.telemetry.recorded.TelemetryError`.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vlm_autodrive.addresses import names_in
from vlm_autodrive.datasets.telemetry.axes import vehicle_accelerations
from vlm_autodrive.datasets.telemetry.blackvue import read_blackvue
from vlm_autodrive.datasets.telemetry.gpmf import read_gpmf
from vlm_autodrive.datasets.telemetry.gpx import read_gpx
from vlm_autodrive.datasets.telemetry.mp4_boxes import Mp4Contents, mp4_contents
from vlm_autodrive.datasets.telemetry.nmea import ENDINGS, read_nmea
from vlm_autodrive.datasets.telemetry.recorded import (
    Floats,
    RecordedTelemetry,
    TelemetryError,
    TelemetryInput,
    plausible_fixes,
    plausible_readings,
)
from vlm_autodrive.records import TelemetrySeries, Video

READERS: tuple[Callable[[TelemetryInput, Mp4Contents], RecordedTelemetry | None], ...] = (
    read_gpmf,
    read_blackvue,
    read_nmea,
    read_gpx,
)
"""Every format. Fixes and accelerations are each taken from the first that has them."""

SIDECAR_ENDINGS = (*ENDINGS, ".3gf", ".gpx")
_CHANNEL = re.compile(r"(\d{8}_\d{6}_[A-Z])[FRIO][LS]?", re.IGNORECASE)  # BlackVue's files of a moment share telemetry
_DIGITS = 4  # of g and of seconds; positions have 7, which is a centimetre


Listings = dict[Path, dict[str, str]]
"""Of each folder its telemetry files by their names in small letters, so that it is listed once for all its videos."""


def telemetry_files(video: Path, listings: Listings) -> dict[str, Path]:
    """The telemetry files beside a video, by their ending in small letters.

    Args:
        video: The video's file.
        listings: What is known of folders so far; the video's is added.
    """
    folder = video.parent
    if folder not in listings:
        listings[folder] = _listed(folder)
    listed = listings[folder]
    if not listed:
        return {}
    shared = _CHANNEL.fullmatch(video.stem)
    stems = [video.stem.casefold(), *([shared[1].casefold()] if shared else [])]
    names = [(ending, listed.get(f"{stem}{ending}")) for ending in SIDECAR_ENDINGS for stem in reversed(stems)]
    return {ending: folder / name for ending, name in names if name is not None}


def read_telemetry(
    video: Video, listings: Listings, utc_offset_h: float | None = None
) -> tuple[TelemetrySeries | None, str]:
    """Everything that sensors recorded along a video, and what is to be said of it.

    Args:
        video: A video that can be used.
        listings: As for :func:`telemetry_files`.
        utc_offset_h: Hours that the time in file names is ahead of UTC; None if that is not known.

    Returns:
        The series, None if there is none or nothing of it can be used; and a note, empty if there is nothing to say.
    """
    path = Path(video.path)
    # Where a video has gaps, its own time leaves them out: the telemetry goes on, and is placed up to the first.
    until_s = min((video.duration_s or 0.0, *video.section_starts_s))
    beside = telemetry_files(path, listings)
    wanted = TelemetryInput(path, video.video_stream, video.duration_s or 0.0, beside, utc_offset_h)
    contents = mp4_contents(path)
    notes: list[str] = []
    found: list[RecordedTelemetry] = []
    for read in READERS:
        try:
            told = read(wanted, contents)
        except TelemetryError as error:
            notes.append(str(error))
        else:
            found += [] if told is None else [told]
        if found and found[-1].fixes:
            break
    series = _series(video.video_id, found, until_s, notes)
    if series is not None and until_s < wanted.duration_s:
        notes.append(f"placed up to the gap at {until_s:.1f} s")
    return series, "; ".join(dict.fromkeys(notes))


def _series(video_id: str, found: list[RecordedTelemetry], until_s: float, notes: list[str]) -> TelemetrySeries | None:
    fixes, left_out = plausible_fixes(fix for told in found for fix in told.fixes if 0.0 <= fix.time_s <= until_s)
    for told in found:
        left_out.update(told.left_out)
        notes += [told.note] if told.note else []
    sensed = next((told.sensed for told in found if told.sensed is not None), None)
    times_s, moved = np.zeros(0), np.zeros((0, 3))
    if sensed is not None:
        try:
            times_s, moved = vehicle_accelerations(*plausible_readings(*sensed, left_out), fixes)
        except TelemetryError as error:
            notes.append(str(error))
    inside = (times_s >= 0.0) & (times_s <= until_s)
    times_s, moved = times_s[inside], moved[inside]
    if +left_out:
        told_of = ", ".join(f"{count} {reason}" for reason, count in sorted((+left_out).items()))
        notes.append(f"left out: {told_of}")
    if not fixes and not len(times_s):
        if found:
            notes.append("nothing in it is of the time of the video")
        return None
    return TelemetrySeries(
        video_id=video_id,
        sources=tuple(dict.fromkeys(told.source for told in found)),
        alignment=", ".join(dict.fromkeys(told.alignment for told in found)),
        fix_times_s=tuple(round(fix.time_s, _DIGITS) for fix in fixes),
        speed_mps=tuple(None if fix.speed_mps is None else round(fix.speed_mps, _DIGITS) for fix in fixes),
        latitude_deg=tuple(round(fix.latitude_deg, 7) for fix in fixes),
        longitude_deg=tuple(round(fix.longitude_deg, 7) for fix in fixes),
        acceleration_times_s=_column(times_s),
        longitudinal_g=_column(moved[:, 0]),
        lateral_g=_column(moved[:, 1]),
        vertical_g=_column(moved[:, 2]),
    )


def _column(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, _DIGITS).tolist())


def _listed(folder: Path) -> dict[str, str]:
    try:
        names = names_in(folder)
    except OSError:
        return {}
    return {name.casefold(): name for name in names if name.casefold().endswith(SIDECAR_ENDINGS)}
