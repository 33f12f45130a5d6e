"""The video files of a data set: where they are, whether they changed, and their properties."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlm_autodrive.addresses import FileState, address_of, is_address, is_file, place_of, plain_path, state_of
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.telemetry.reading import Listings, telemetry_files
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Video, file_name_of, file_name_text
from vlm_autodrive.video import VideoError, VideoInfo, probe

MISSING = "the file does not exist"
IMAGES = (".jpg", ".jpeg", ".png")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # an absolute path of a Windows machine
_MAX_THREADS = 16
_AT_A_TIME = 8  # videos for each task of a thread


def video_root(path: Path, settings: ImportSettings) -> Path:
    """The folder that video paths begin at: the one that is set, or else that of the annotations."""
    return Path(settings.videos) if settings.videos else (path if path.is_dir() else path.parent)


def sole_file(path: Path, pattern: str, kind: str, advice: str) -> Path:
    """The file itself, or the only one in a folder whose name has a pattern.

    Args:
        path: The file or folder.
        pattern: For :meth:`Path.glob`.
        kind: What such files are, for the message.
        advice: What to do where there are none, or several.

    Raises:
        UserError: If the folder does not hold exactly one.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob(pattern))
    if len(found) != 1:
        raise UserError(f"{path} holds {len(found)} {kind}; {advice}.")
    return found[0]


def inside(root: Path, name: str) -> Path | None:
    """The file that ``name`` means under ``root``, or None if it leads out of it or can be no file's name."""
    below = path_below(os.path.normpath(root.absolute()), name)
    return Path(os.path.normpath(root / name.replace("\\", "/"))) if below is not None else None


def path_below(top: str, name: str) -> str | None:
    """As :func:`inside`, but on strings, for a hundred thousand names; ``top`` is absolute and without dots.

    An address may lead anywhere; where ``top`` is one, names lie below it.
    """
    name = str(plain_path(name)) if name.startswith("file:") else name
    if is_address(name):
        return address_of(name)
    if is_address(top):
        scheme, _, place = top.partition("://")
        found = path_below(f"/{place}", name)  # as if the store were a disk
        return None if found is None else f"{scheme}:/{found}"
    if "\0" in name or _WINDOWS.match(name):
        return None
    if "\\x" in name and Path(top, file_name_of(name)).exists():
        name = file_name_of(name)  # not UTF-8, and written as the records write it
    name = name.replace("\\", "/")  # as Windows writes them
    path = os.path.normpath(name if name.startswith("/") else f"{top}/{name}")
    return path if path == top or path.startswith(top.rstrip("/") + "/") else None


def ids_of_files(paths: Sequence[str], root: Path) -> dict[str, str]:
    """A readable id for each file below ``root``: its name, or its path where several have the same name.

    Args:
        paths: Absolute paths, each once.
        root: The folder that they lie in.
    """
    top = place_of(root)
    stems = [file_name_text(Path(path).stem) for path in paths]
    often = Counter(stems)
    below = [file_name_text(path.removeprefix(top).partition("://")[2] or path.removeprefix(top)) for path in paths]
    below = [name.lstrip("/") for name in below]
    ids = [stem if often[stem] == 1 else name.replace("/", "-") for stem, name in zip(stems, below, strict=True)]
    return dict(zip(paths, ids if len(set(ids)) == len(ids) else below, strict=True))


def locate(root: Path, names: list[str], frames_per_second: float | None) -> tuple[Path, str]:
    """Path of a video, and the problem found with it so far.

    Args:
        root: The folder that ``names`` begin at.
        names: Where the data set's layouts put it, the likeliest first. A folder of single frames is found under
            the name of the video without its ending, or in ``images`` below that.
        frames_per_second: The rate of such frames; None if the data set does not tell.

    Returns:
        The file, the likeliest place if there is none; and a problem, empty if none is known yet.
    """
    paths = [(root / name).absolute() for name in names]
    found = next((path for path in paths if path.is_file()), None)
    if found is not None:
        return found, ""
    for path in paths:
        for folder in (path.with_suffix("") / "images", path.with_suffix("")):
            frames = sorted(p.name for p in folder.iterdir() if p.suffix in IMAGES) if folder.is_dir() else []
            if frames:
                return path, _frames_problem(folder, frames, path, frames_per_second)
    return paths[0], ""


def _frames_problem(folder: Path, frames: list[str], video: Path, frames_per_second: float | None) -> str:
    first = Path(frames[0])
    digits = re.search(r"\d+$", first.stem)
    number = digits.group() if digits else ""
    pattern = f"{first.stem[: len(first.stem) - len(number)]}%0{len(number)}d{first.suffix}"
    rate = f"{frames_per_second:g}" if frames_per_second else "FPS"
    hint = "" if frames_per_second else " with the source's own frame rate for FPS"
    return (
        f"it is a folder of {len(frames)} images and must be made a video file first{hint}: "
        f'ffmpeg -framerate {rate} -start_number {int(number or 0)} -i "{folder / pattern}" '
        f'-vf "pad=ceil(iw/2)*2:ceil(ih/2)*2" -pix_fmt yuv420p -crf 18 "{video.with_suffix(".mp4")}"'
    )


def info_of(path: Path) -> VideoInfo | None:
    """What a whole video file is; None if it is missing, cut off or unreadable, which the import says of the video."""
    try:
        found = probe(path) if is_file(path) else None
    except (VideoError, OSError):
        return None
    return found if found is not None and "cut off" not in found.notes else None


@dataclass(frozen=True)
class Presence:
    """Which files are there.

    Attributes:
        key: A hash of the videos' ids and of the sizes and times of change of their files, telemetry included.
        missing: Paths at which there is nothing.
    """

    key: str
    missing: frozenset[str]


def look_at(videos: Sequence[Video], *, telemetry: bool = False) -> Presence:
    """Look at the files without opening any, which takes seconds for a hundred thousand of them on a disk.

    What a store refuses, or does not answer, is not called missing: opening it tells why.

    Args:
        videos: The videos.
        telemetry: Whether the telemetry files beside them count as well.
    """
    digest = hashlib.sha256()
    missing = set()
    listings: Listings = {}
    with ThreadPoolExecutor(_MAX_THREADS) as pool:  # a store takes its time to answer, a disk does not
        stored = [video.path for video in videos if is_address(video.path)]
        states = dict(zip(stored, pool.map(_state_or_error, stored), strict=True))
    for video in videos:
        for path in telemetry_files(Path(video.path), listings).values() if telemetry else ():
            with suppress(OSError):
                beside = state_of(path)
                digest.update(f"{path.name}\0{beside.size}:{beside.stamp}\n".encode(errors="surrogateescape"))
        found = states.get(video.path) or _state_or_error(video.path)
        if isinstance(found, FileState):
            digest.update(f"{video.video_id}\0{found.size}:{found.stamp}\n".encode())
        else:
            if not is_address(video.path) or isinstance(found, FileNotFoundError):
                missing.add(video.path)
            digest.update(f"{video.video_id}\0-\n".encode())
    return Presence(digest.hexdigest()[:16], frozenset(missing))


def _state_or_error(path: str) -> FileState | Exception:
    try:
        return state_of(path)
    except (OSError, ValueError) as error:
        return error


def probe_all(videos: list[Video], missing: frozenset[str], stream: int | None, reporter: Reporter) -> None:
    """Put in each video's place the same with its stream, length and size, or why it cannot be read.

    They are replaced one by one, since of a large data set there is no room for two.
    """
    there = [video.path for video in videos if video.path not in missing]
    probe_some = partial(_probe_each, stream=stream)
    batches = [there[start : start + _AT_A_TIME] for start in range(0, len(there), _AT_A_TIME)]
    found: dict[str, VideoInfo | str] = {}
    # A store is waited for, a disk is not.
    threads = _MAX_THREADS if any(map(is_address, there)) else min(_MAX_THREADS, os.cpu_count() or 1)
    with reporter.task("probing videos", len(there)) as task, ThreadPoolExecutor(threads) as pool:
        for batch, results in zip(batches, pool.map(probe_some, batches), strict=True):
            found |= zip(batch, results, strict=True)
            task.advance(len(batch))
    for place, video in enumerate(videos):
        videos[place] = _with(video, stream, found.get(video.path, MISSING))


def _probe_each(paths: list[str], stream: int | None) -> list[VideoInfo | str]:
    return [_probe(path, stream) for path in paths]


def _probe(path: str, stream: int | None) -> VideoInfo | str:
    try:
        return probe(Path(path), stream)
    except VideoError as error:
        return error.reason


def _with(video: Video, stream: int | None, found: VideoInfo | str) -> Video:
    if isinstance(found, str):
        return video.model_copy(update={"video_stream": stream, "problem": video.problem or found})
    told = {
        "video_stream": stream,
        "duration_s": found.duration_s,
        "section_starts_s": found.section_starts_s,
        "width": found.width,
        "height": found.height,
        "notes": found.notes,
    }
    return video.model_copy(update=told)
