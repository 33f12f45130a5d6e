"""Looking at the videos of a data set: which are there, whether they have changed, and what they are."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Video
from vlm_autodrive.video import VideoError, VideoInfo, probe

MISSING = "the file does not exist"
_MOST_THREADS = 16
_AT_A_TIME = 8  # videos for each task of a thread


@dataclass(frozen=True)
class Presence:
    """Which files are there.

    Attributes:
        key: A hash of the videos' ids and of their files' sizes and times of change.
        missing: Paths at which there is nothing.
    """

    key: str
    missing: frozenset[str]


def look_at(videos: Sequence[Video]) -> Presence:
    """Look at the files without opening any, which takes seconds for a hundred thousand of them."""
    digest = hashlib.sha256()
    missing = set()
    for video in videos:
        try:
            found = Path(video.path).stat()
        except (OSError, ValueError):
            missing.add(video.path)
            digest.update(f"{video.video_id}\0-\n".encode())
        else:
            digest.update(f"{video.video_id}\0{found.st_size}:{found.st_mtime_ns}\n".encode())
    return Presence(digest.hexdigest()[:16], frozenset(missing))


def probe_all(videos: list[Video], missing: frozenset[str], reporter: Reporter) -> None:
    """Put in each video's place the same with its length and size, or with the problem that keeps it from being read.

    They are replaced one by one, since of a large data set there is no room for two.
    """
    there = [video.path for video in videos if video.path not in missing]
    batches = [there[start : start + _AT_A_TIME] for start in range(0, len(there), _AT_A_TIME)]
    found: dict[str, VideoInfo | str] = {}
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with reporter.task("probing videos", len(there)) as task, ThreadPoolExecutor(threads) as pool:
        for batch, results in zip(batches, pool.map(_probe_each, batches), strict=True):
            found |= zip(batch, results, strict=True)
            task.advance(len(batch))
    for place, video in enumerate(videos):
        videos[place] = _with(video, found.get(video.path, MISSING))


def _probe_each(paths: list[str]) -> list[VideoInfo | str]:
    return [_probe(path) for path in paths]


def _probe(path: str) -> VideoInfo | str:
    try:
        return probe(Path(path))
    except VideoError as error:
        return error.reason


def _with(video: Video, found: VideoInfo | str) -> Video:
    if isinstance(found, str):
        return video.model_copy(update={"problem": video.problem or found})
    size = {"duration_s": found.duration_s, "width": found.width, "height": found.height}
    return video.model_copy(update=size)
