"""What is searched: the trips in the files and folders that are named."""

from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.addresses import absolute, files_below, is_address, is_folder
from vlm_autodrive.artifacts import VIDEO_SUFFIXES
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.video import LeftAside, Trip, camera_file, empty_trip, join_files

_LOW_RESOLUTION = ".lrv"  # what GoPro cameras write beside each file, for a telephone to show


def find_trips(inputs: Sequence[Path], settings: DetectSettings, out: Path) -> tuple[list[Trip], list[LeftAside]]:
    """The trips in files and folders.

    A folder stands for the videos in it and below it, except hidden ones, those below ``out``, and those of other
    channels than ``settings.channels``. A file that is named itself is searched whatever its name is.

    Args:
        inputs: Files and folders.
        settings: Channels and the pattern of one's own.
        out: The folder of the results, which may lie in a folder that is named.

    Returns:
        The trips in the order in which they were named, with one for each path that holds no footage; and each file of
        a folder that is in none of them.
    """
    files: dict[Path, Path] = {}  # by their absolute paths
    aside: dict[Path, LeftAside] = {}
    empty: list[Path] = []
    for path in inputs:
        found = [path]
        if is_folder(path):
            found, others = videos_in_folder(path, settings, out)
            aside |= {absolute(other.path): other for other in others}
            empty += [] if found else [path]
        files |= {absolute(file): file for file in found if absolute(file) not in files}
    trips, copies = join_files(list(files.values()), settings.camera_pattern, stream=settings.video_stream)
    trips += [empty_trip(path, _why_empty(path, aside)) for path in dict.fromkeys(empty)]
    places = {absolute(path): place for place, path in reversed(list(enumerate(inputs)))}
    trips.sort(key=lambda trip: min(_place(path, places) for path in trip.paths))
    return trips, [*(other for path, other in aside.items() if path not in files), *copies]


def videos_in_folder(folder: Path, settings: DetectSettings, out: Path) -> tuple[list[Path], list[LeftAside]]:
    """The videos that a folder stands for, and those in it that are not searched; see :func:`find_trips`."""
    found, aside = [], []
    stored = is_address(folder)
    for path in files_below(folder) if stored else sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix.casefold() not in VIDEO_SUFFIXES or not (stored or path.is_file()):
            continue
        if absolute(path).is_relative_to(absolute(out)):
            continue
        camera = camera_file(path, settings.camera_pattern)
        if path.suffix.casefold() == _LOW_RESOLUTION:
            aside.append(LeftAside(path, "a copy in low resolution"))
        elif camera is not None and camera.channel not in settings.channels:
            aside.append(LeftAside(path, f"channel {camera.channel}"))
        else:
            found.append(path)
    return found, aside


def _why_empty(folder: Path, aside: dict[Path, LeftAside]) -> str:
    reasons = {other.reason for path, other in aside.items() if path.is_relative_to(absolute(folder))}
    if not reasons:
        return "there is no video in this folder, by the endings of the names in it"
    return f"nothing in this folder is of a channel that is searched ({', '.join(sorted(reasons))}); see --channel"


def _place(path: Path, places: dict[Path, int]) -> int:
    own = absolute(path)
    return min(places[each] for each in (own, *own.parents) if each in places)
