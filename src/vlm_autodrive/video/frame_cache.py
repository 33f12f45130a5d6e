"""Decoded and resized frames on disk, so that training does not decode a clip once for each epoch."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from vlm_autodrive.artifacts import require_space
from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Executor, Job, Quarantined, Step
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.decode import read_frames, read_windows
from vlm_autodrive.video.errors import VideoError
from vlm_autodrive.video.frame_sampler import nominal_interval_s, target_frame_count
from vlm_autodrive.video.frame_store import FrameStore
from vlm_autodrive.video.frames import Frames, SamplingSettings, Window
from vlm_autodrive.video.selective_decode import selected_times
from vlm_autodrive.workers import in_processes

_FORMAT = 3  # counted up when the meaning of a cached file changes
_GIGABYTE = 10**9
LIMIT_VARIABLE = "AUTODRIVE_FRAME_CACHE_GB"
"""The environment variable that says how large a frame cache may grow, in gigabytes."""
DEFAULT_LIMIT_GB = 100.0
_CRASHED = "the decoder crashed on this file"

Times = tuple[float, ...] | str
"""Times of a clip's frames in seconds after its start; or why it cannot be used."""
VideoKey = tuple[str, int | None]
"""A file and which of its video streams."""
DecodeJob = tuple[VideoKey, list[tuple[str, Window, str]]]
"""A video, and of each of its clips the id, the window and what its frames are known by."""
Decoded = tuple[int, dict[str, str]]
"""How many clips were decoded, and why any cannot be used, by clip id."""


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
        cached = self.cached(clip)
        if cached is not None:
            return cached
        frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, self.sampling, stream=clip.video_stream)
        self._store.save(self._key(clip), frames)
        return frames

    def cached(self, clip: Clip) -> Frames | None:
        """The frames of a clip if they are cached.

        Raises:
            VideoError: If the clip is known to be unusable without decoding it.
        """
        if clip.problem:
            raise VideoError(Path(clip.path), clip.problem)
        frames = self._store.load(self._key(clip))
        if frames is None:
            return None
        interval_s = nominal_interval_s(clip.duration_s, self.sampling)
        return replace(frames, nominal_interval_s=interval_s, timestamps_drawn=self.sampling.draw_timestamps)

    def times(self, clips: Sequence[Clip], reporter: Reporter = SILENT, workers: int = 0) -> dict[str, Times]:
        """When the frames of clips are shown, found out without decoding them where their files are tidy.

        Args:
            clips: The clips.
            reporter: Told of every clip.
            workers: Processes to look with; 0 looks in this process.

        Returns:
            By clip id, the times of :meth:`get`'s frames, or why the clip cannot be used. A file whose packets are
            sound can still hold a picture that is not, which only decoding shows.
        """
        by_video: dict[VideoKey, list[Clip]] = {}
        for clip in clips:
            by_video.setdefault((clip.path, clip.video_stream), []).append(clip.model_copy(update={"scenario": None}))
        jobs = list(by_video.values())
        told: dict[str, Times] = {}
        with reporter.task("looking at the videos", len(clips)) as task:
            for job, result in in_processes(self.times_of_video, jobs, workers) if workers else _here(jobs, self):
                told.update(result if result is not None else {clip.clip_id: _CRASHED for clip in job})
                task.advance(len(job))
        return told

    def times_of_video(self, clips: Sequence[Clip]) -> dict[str, Times]:
        """Likewise for clips of one video."""
        told: dict[str, Times] = {}
        path = Path(clips[0].path)
        with ExitStack() as stack:
            video: OpenVideo | None = None
            for clip in clips:
                try:
                    frames = self.cached(clip)
                    if frames is None:
                        video = video or stack.enter_context(OpenVideo(path, stream=clips[0].video_stream))
                        times_s = selected_times(video, clip.start_s, clip.end_s, self.sampling)
                        told[clip.clip_id] = times_s or self.get(clip).times_s
                    else:
                        told[clip.clip_id] = frames.times_s
                except VideoError as error:
                    told[clip.clip_id] = error.reason
        return told

    def fill(
        self,
        clips: Sequence[Clip],
        reporter: Reporter = SILENT,
        workers: int = 0,
        executor: Executor | None = None,
    ) -> dict[str, str]:
        """Decode all clips that are not cached yet, each video once.

        Args:
            clips: The clips.
            reporter: Told of every clip, and if the cache is too small for all of them.
            workers: Processes to decode with; 0 decodes in this process.
            executor: The cluster whose workers decode, into the same folder on a disk that all of them see.

        Returns:
            Why a clip cannot be used, by clip id, for each that cannot.
        """
        jobs, failures = self.missing(clips)
        count = sum(len(wanted) for _, wanted in jobs)
        if not self.holds_all(clips):
            reporter.say(
                f"The frames take {self._room(clips) / _GIGABYTE:.1f} GB, but the frame cache may have "
                f"{self._store.limit_bytes / _GIGABYTE:.1f} GB: those that do not fit are decoded again each time. "
                f"{LIMIT_VARIABLE} sets the limit."
            )
        self.require_space(jobs)
        with reporter.task("reading frames", len(clips), len(clips) - count) as task:
            for done, failed in self.decode(jobs, workers) if executor is None else self._decode_on(executor, jobs):
                failures.update(failed)
                task.advance(done)
        return failures

    def _decode_on(self, executor: Executor, jobs: Sequence[DecodeJob]) -> Iterator[Decoded]:
        step = Step(partial(_open_decoding, self.folder, self.sampling, self._store.limit_bytes))
        of_video = {f"{path} stream {stream}": ((path, stream), wanted) for (path, stream), wanted in jobs}
        for name, result in executor.run([step], (Job(name, job) for name, job in of_video.items())):
            wanted = of_video[name][1]
            if isinstance(result, Quarantined):
                result = len(wanted), {clip_id: result.reason for clip_id, _, _ in wanted}
            yield result

    def holds_all(self, clips: Sequence[Clip]) -> bool:
        """Whether there is room for the frames of all these clips at once."""
        return self._room(clips) <= self._store.limit_bytes

    def _room(self, clips: Sequence[Clip]) -> int:
        return sum(self._size(clip.duration_s) for clip in clips if not clip.problem)

    def _size(self, duration_s: float) -> int:
        return target_frame_count(duration_s, self.sampling) * self.sampling.height * self.sampling.width * 3

    def require_space(self, jobs: Sequence[DecodeJob]) -> None:
        """Make sure that the disk has room for what :meth:`missing` says, as far as the cache may grow.

        Raises:
            UserError: If it has not.
        """
        needed = sum(self._size(end_s - start_s) for _, wanted in jobs for _, (start_s, end_s), _ in wanted)
        require_space(self.folder, min(needed, self._store.room()), "the decoded frames of the clips")

    def missing(self, clips: Sequence[Clip]) -> tuple[list[DecodeJob], dict[str, str]]:
        """What is to be decoded of each video, in the clips' order; and why a clip cannot be used, by clip id."""
        failures = {clip.clip_id: clip.problem for clip in clips if clip.problem}
        jobs: dict[VideoKey, list[tuple[str, Window, str]]] = {}
        for clip in clips:
            if clip.problem:
                continue
            try:
                key = self._key(clip)
            except VideoError as error:
                failures[clip.clip_id] = error.reason
                continue
            if not self._store.has(key):
                wanted = clip.clip_id, (clip.start_s, clip.end_s), key
                jobs.setdefault((clip.path, clip.video_stream), []).append(wanted)
        return list(jobs.items()), failures

    def decode(self, jobs: Sequence[DecodeJob], workers: int) -> Iterator[Decoded]:
        """Do what :meth:`missing` says: how many clips each job decoded, and why any cannot be used, by clip id."""
        if not workers:
            yield from map(self.decode_video, jobs)
            return
        for job, result in in_processes(self.decode_video, jobs, workers):
            crashed = {clip_id: _CRASHED for clip_id, _, _ in job[1]}
            yield result if result is not None else (len(job[1]), crashed)

    def decode_video(self, job: DecodeJob) -> Decoded:
        """Decode clips of one video."""
        (path, stream), wanted = job
        failures: dict[str, str] = {}
        by_window: dict[Window, list[tuple[str, str]]] = {}
        for clip_id, window, key in wanted:
            by_window.setdefault(window, []).append((clip_id, key))
        read = read_windows(Path(path), list(by_window), self.sampling, stream=stream, threads=False)
        for window, result in read:
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
        identity += f"|{clip.video_stream}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


@contextmanager
def _open_decoding(
    folder: Path, sampling: SamplingSettings, limit_bytes: int
) -> Iterator[Callable[[DecodeJob], Decoded]]:
    """What a worker of a cluster does: it decodes the clips of one video after the other."""
    yield FrameCache(folder, sampling, limit_bytes).decode_video


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


def _here(jobs: Sequence[list[Clip]], cache: FrameCache) -> Iterator[tuple[list[Clip], dict[str, Times]]]:
    return ((job, cache.times_of_video(job)) for job in jobs)
