"""Decoded and resized frames on disk, so that training does not decode a clip once for each epoch."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video.container import VideoError
from vlm_autodrive.video.decode import Window, read_frames, read_windows
from vlm_autodrive.video.frame_store import FrameStore
from vlm_autodrive.video.frames import Frames, SamplingSettings
from vlm_autodrive.video.sampler import wanted_frames
from vlm_autodrive.workers import in_processes

_FORMAT = 2  # counted up when the meaning of a cached file changes
_GIGABYTE = 10**9
LIMIT_VARIABLE = "AUTODRIVE_FRAME_CACHE_GB"
"""The environment variable that says how large a frame cache may grow, in gigabytes."""
DEFAULT_LIMIT_GB = 100.0


class FrameCache:
    """The frames of clips: from the disk if they were read before with the same sampling, else decoded.

    Cached frames are known by the content of their video, the window and the sampling, so a changed
    video or setting is read anew and never mixed up with the old, and a video that was only moved or
    copied is not. Any number of processes may share a folder.
    """

    def __init__(self, folder: Path, sampling: SamplingSettings, limit_bytes: int | None = None) -> None:
        """Keep files in ``folder``, which is made if it does not exist.

        Args:
            folder: The folder; nothing else should lie in it.
            sampling: How frames are taken from the clips.
            limit_bytes: How large the folder may grow before the frames longest unused are removed; by
                default what :data:`LIMIT_VARIABLE` says, or else :data:`DEFAULT_LIMIT_GB`.
        """
        self.folder = folder
        self.sampling = sampling
        self._store = FrameStore(folder, limit_from_environment() if limit_bytes is None else limit_bytes)

    def get(self, clip: Clip) -> Frames:
        """The frames of a clip, decoded now if they are not cached.

        Raises:
            VideoError: If the clip cannot be used.
        """
        if clip.problem:
            raise VideoError(Path(clip.path), clip.problem)
        key = self._key(clip)
        cached = self._store.load(key)
        if cached is not None:
            return cached
        frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, self.sampling)
        self._store.save(key, frames)
        return frames

    def fill(self, clips: Sequence[Clip], reporter: Reporter = SILENT, workers: int = 0) -> dict[str, str]:
        """Decode all clips that are not cached yet, each video once.

        Args:
            clips: The clips.
            reporter: Told of every clip, and if the cache is too small for all of them.
            workers: Processes to decode with; 0 decodes in this process.

        Returns:
            Why a clip cannot be used, by clip id, for each that cannot.
        """
        failures = {clip.clip_id: clip.problem for clip in clips if clip.problem}
        missing: dict[str, list[tuple[str, Window, str]]] = {}
        count = room = 0
        for clip in clips:
            if clip.problem:
                continue
            try:
                key = self._key(clip)
            except VideoError as error:
                failures[clip.clip_id] = error.reason
                continue
            room += wanted_frames(clip.duration_s, self.sampling) * self.sampling.height * self.sampling.width * 3
            if not self._store.has(key):
                missing.setdefault(clip.path, []).append((clip.clip_id, (clip.start_s, clip.end_s), key))
                count += 1
        if room > self._store.limit_bytes:
            reporter.say(
                f"The frames take {room / _GIGABYTE:.1f} GB, but the frame cache may have "
                f"{self._store.limit_bytes / _GIGABYTE:.1f} GB: those that do not fit are decoded again each time. "
                f"{LIMIT_VARIABLE} sets the limit."
            )
        with reporter.task("reading frames", len(clips), len(clips) - count) as task:
            jobs = list(missing.items())
            results = _in_processes(jobs, self, workers) if workers else _here(jobs, self)
            for done, failed in results:
                failures.update(failed)
                task.advance(done)
        return failures

    def fill_video(self, job: "_Job") -> "_Result":
        """Decode clips of one video; how many, and why clips cannot be used, by clip id."""
        path, wanted = job
        failures: dict[str, str] = {}
        by_window: dict[Window, list[tuple[str, str]]] = {}
        for clip_id, window, key in wanted:
            by_window.setdefault(window, []).append((clip_id, key))
        for window, result in read_windows(Path(path), list(by_window), self.sampling, threads=False):
            for clip_id, key in by_window[window]:
                if isinstance(result, VideoError):
                    failures[clip_id] = result.reason
                elif not self._store.has(key):
                    self._store.save(key, result)
        return len(wanted), failures

    def _key(self, clip: Clip) -> str:
        path = Path(clip.path)
        try:
            content = self._store.content_hash(path)
        except FileNotFoundError:
            raise VideoError(path, "the file does not exist") from None
        except OSError as error:
            raise VideoError(path, f"cannot be read ({error.strerror})") from None
        identity = f"{_FORMAT}|{content}|{clip.start_s:.6f}|{clip.end_s:.6f}|{self.sampling.model_dump_json()}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


def limit_from_environment() -> int:
    """How many bytes a frame cache may take.

    Raises:
        UserError: If :data:`LIMIT_VARIABLE` is set to no positive number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        gigabytes = float(text) if text else DEFAULT_LIMIT_GB
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise UserError(f"{LIMIT_VARIABLE}={text} is no size; give gigabytes, such as {DEFAULT_LIMIT_GB:g}.")
    return int(gigabytes * _GIGABYTE)


_Job = tuple[str, list[tuple[str, Window, str]]]
_Result = tuple[int, dict[str, str]]


def _here(jobs: Sequence[_Job], cache: FrameCache) -> Iterator[_Result]:
    return (cache.fill_video(job) for job in jobs)


def _in_processes(jobs: Sequence[_Job], cache: FrameCache, workers: int) -> Iterator[_Result]:
    for job, result in in_processes(cache.fill_video, jobs, workers):
        crashed = {clip_id: "the decoder crashed on this file" for clip_id, _, _ in job[1]}
        yield result if result is not None else (len(job[1]), crashed)
