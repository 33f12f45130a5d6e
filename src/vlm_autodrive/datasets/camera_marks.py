"""What a camera itself tells of its files: the drive that they belong to, and what it took for an event.

A camera marks what its sensor, its driver or its software thought worth keeping: a kerb, a honked horn, an impact. That
is a weak label. It goes into the metadata of the video and is never a class.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from vlm_autodrive.records import CAMERA_CHANNEL, CAMERA_EVENT, CAMERA_EVENT_TIME
from vlm_autodrive.video import EVENT, CameraFile

_TESLA_FILE = "event.json"
_LONGEST_FILE = timedelta(minutes=10)
_LONGEST_STOP = timedelta(minutes=5)
_LONGEST_REASON = 100


def drives(cameras: Mapping[CameraFile, str]) -> dict[Path, str]:
    """The drive of each file, by its name: all channels of one moment, and what follows within minutes, are one drive.

    How long a file is, is not known before it is opened; ten minutes are the longest that cameras write.

    Args:
        cameras: Files of any cameras and channels, with the folder of each camera.
    """
    found: dict[Path, str] = {}
    by_camera: dict[str, list[CameraFile]] = {}
    for camera, folder in cameras.items():
        if camera.time is None:
            found[camera.path] = f"{folder}/{camera.recording}".lstrip("/")
        else:
            by_camera.setdefault(folder, []).append(camera)
    for folder, files in by_camera.items():
        begun = before = datetime.min
        for camera in sorted(files, key=_time):
            time = _time(camera)
            begun = time if time - before > _LONGEST_FILE + _LONGEST_STOP else begun
            before = time
            found[camera.path] = f"{folder}/{begun:%Y-%m-%d %H:%M:%S}".lstrip("/")
    return found


def marks(cameras: Sequence[CameraFile]) -> tuple[dict[Path, dict[str, str]], dict[Path, str]]:
    """Metadata of each file: its channel, and what the camera took for an event in it.

    TeslaCam writes the moment and the reason of a trigger beside the files around it, into ``event.json``: the file of
    each channel that shows the moment is marked, with its seconds to about one. Other cameras mark the file.

    Args:
        cameras: Files of any cameras and channels.

    Returns:
        The metadata by file; and each ``event.json`` that cannot be read, with what is wrong.
    """
    found = {camera.path: {CAMERA_CHANNEL: camera.channel} for camera in cameras}
    wrong: dict[Path, str] = {}
    by_folder: dict[Path, list[CameraFile]] = {}
    for camera in cameras:
        by_folder.setdefault(camera.path.parent, []).append(camera)
    for folder, files in by_folder.items():
        told = folder / _TESLA_FILE
        if told.is_file():
            try:
                moment, metadata = _read(told)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                wrong[told] = f"cannot be read as the event of a TeslaCam ({error}); its files are taken without it"
                continue
            for camera in _showing(files, moment):
                seconds = (moment - _time(camera)).total_seconds()
                found[camera.path] |= {**metadata, CAMERA_EVENT_TIME: f"{seconds:.0f}"}
            continue
        for camera in files:
            if camera.kind == EVENT:
                found[camera.path][CAMERA_EVENT] = EVENT
    return found, wrong


def _read(path: Path) -> tuple[datetime, dict[str, str]]:
    told = json.loads(path.read_text(encoding="utf-8-sig"))
    moment = datetime.fromisoformat(told["timestamp"]).replace(tzinfo=None)  # in local time, as the names are
    metadata = {CAMERA_EVENT: str(told.get("reason") or EVENT)[:_LONGEST_REASON]}
    for key in ("est_lat", "est_lon"):
        if told.get(key):
            metadata[f"{CAMERA_EVENT}_{key.removeprefix('est_')}"] = f"{float(told[key]):.5f}"
    return moment, metadata


def _showing(files: Sequence[CameraFile], moment: datetime) -> list[CameraFile]:
    last: dict[str, CameraFile] = {}
    for camera in sorted(files, key=_time):
        if _time(camera) <= moment < _time(camera) + _LONGEST_FILE:
            last[camera.channel] = camera
    return list(last.values())


def _time(camera: CameraFile) -> datetime:
    return camera.time or datetime.min
