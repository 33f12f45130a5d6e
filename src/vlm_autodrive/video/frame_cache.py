"""Decoded and resized frames on disk, so that training does not decode a clip once for each epoch."""

import hashlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video.container import VideoError
from vlm_autodrive.video.decode import Window, read_frames, read_windows
from vlm_autodrive.video.frames import Frames, SamplingSettings

_FORMAT = 1  # counted up when the meaning of a cached file changes


class FrameCache:
    """The frames of clips: from the disk if they were read before with the same sampling, else decoded.

    A cached file is known by the video's name, size and time of change, the window and the sampling,
    so a changed video or setting is read anew and never mixed up with the old.
    """

    def __init__(self, folder: Path, sampling: SamplingSettings) -> None:
        """Keep files in ``folder``, which is made if it does not exist."""
        self.folder = folder
        self.sampling = sampling
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, clip: Clip) -> Frames:
        """The frames of a clip, decoded now if they are not cached.

        Raises:
            VideoError: If the clip cannot be used.
        """
        if clip.problem:
            raise VideoError(Path(clip.path), clip.problem)
        file = self._file(clip)
        cached = _load(file)
        if cached is not None:
            return cached
        frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, self.sampling)
        _save(file, frames)
        return frames

    def fill(self, clips: Sequence[Clip], reporter: Reporter = SILENT, workers: int = 0) -> dict[str, str]:
        """Decode all clips that are not cached yet, each video once.

        Args:
            clips: The clips.
            reporter: Told of every clip.
            workers: Processes to decode with; 0 decodes in this process.

        Returns:
            Why a clip cannot be used, by clip id, for each that cannot.
        """
        failures = {clip.clip_id: clip.problem for clip in clips if clip.problem}
        missing: dict[str, list[tuple[str, Window, Path]]] = {}
        count = 0
        for clip in clips:
            if clip.problem:
                continue
            try:
                file = self._file(clip)
            except VideoError as error:
                failures[clip.clip_id] = error.reason
                continue
            if not file.exists():
                missing.setdefault(clip.path, []).append((clip.clip_id, (clip.start_s, clip.end_s), file))
                count += 1
        with reporter.task("reading frames", len(clips), len(clips) - count) as task:
            jobs = list(missing.items())
            results = _in_processes(jobs, self.sampling, workers) if workers else _here(jobs, self.sampling)
            for done, failed in results:
                failures.update(failed)
                task.advance(done)
        return failures

    def _file(self, clip: Clip) -> Path:
        path = Path(clip.path)
        try:
            stat = path.stat()
        except OSError:
            raise VideoError(path, "the file does not exist") from None
        identity = (
            f"{_FORMAT}|{path.name}|{stat.st_size}|{stat.st_mtime_ns}|{clip.start_s:.6f}|{clip.end_s:.6f}|"
            f"{self.sampling.model_dump_json()}"
        )
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.frames"


_Job = tuple[str, list[tuple[str, Window, Path]]]
_Result = tuple[int, dict[str, str]]


def _here(jobs: Sequence[_Job], sampling: SamplingSettings) -> Iterator[_Result]:
    return (_fill_video(job, sampling) for job in jobs)


def _in_processes(jobs: Sequence[_Job], sampling: SamplingSettings, workers: int) -> Iterator[_Result]:
    """Fill in a pool; if a file kills its worker, what is left is filled one by one, to know which it was."""
    context = multiprocessing.get_context("spawn")
    left = dict(enumerate(jobs))
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            futures = {pool.submit(_fill_video, job, sampling): number for number, job in left.items()}
            for future in as_completed(futures):
                result = future.result()
                del left[futures[future]]
                yield result
    except BrokenProcessPool:
        for job in left.values():
            try:
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    yield pool.submit(_fill_video, job, sampling).result()
            except BrokenProcessPool:
                yield len(job[1]), {clip_id: "the decoder crashed on this file" for clip_id, _, _ in job[1]}


def _fill_video(job: _Job, sampling: SamplingSettings) -> _Result:
    path, wanted = job
    failures: dict[str, str] = {}
    by_window: dict[Window, list[tuple[str, Path]]] = {}
    for clip_id, window, file in wanted:
        by_window.setdefault(window, []).append((clip_id, file))
    for window, result in read_windows(Path(path), list(by_window), sampling, threads=False):
        for clip_id, file in by_window[window]:
            if isinstance(result, VideoError):
                failures[clip_id] = result.reason
            else:
                _save(file, result)
    return len(wanted), failures


def _save(file: Path, frames: Frames) -> None:
    """Write times, then pixels, as two arrays in one file, atomically."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.save(stream, np.asarray(frames.times_s, dtype=np.float64), allow_pickle=False)
        np.save(stream, frames.pixels, allow_pickle=False)
    partial.replace(file)


def _load(file: Path) -> Frames | None:
    """The frames in a cached file; None if there is none, or it is not whole."""
    try:
        with file.open("rb") as stream:
            times_s = np.load(stream, allow_pickle=False)
            pixels = np.load(stream, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return Frames(pixels, tuple(times_s.tolist()))
