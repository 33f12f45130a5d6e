"""Prefetching: frames are decoded in the background while training uses those already cached.

One process starts the decoding (:func:`prefetch_frames`) in workers of its own, so that a file which crashes the
decoder takes nothing else with it. That process and any number of others ask for frames (:class:`PrefetchedFrames`)
and wait for those that are still to come. Small files in a folder that all of them see say how far the decoding is.
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.errors import UserError, disk_problem
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video.errors import VideoError
from vlm_autodrive.video.frame_cache import DecodeJob, FrameCache
from vlm_autodrive.video.frames import Frames, SamplingSettings

DAMAGED_FILE = "damaged-clips.json"
_IN_PROGRESS = ".decoding"
_FAILED = ".decoding-failed"
_CLIPS_TOGETHER = 16  # clips of a long video that are decoded in one go; whoever needs one of them waits for all
_POLL_S = 0.005


class PrefetchedFrames(FrameCache):
    """A frame cache that is being filled by :func:`prefetch_frames`; frames not decoded yet are waited for."""

    def __init__(self, folder: Path, sampling: SamplingSettings, status_folder: Path) -> None:
        """Take frames from ``folder``; ``status_folder`` is the folder that was given to :func:`prefetch_frames`."""
        super().__init__(folder, sampling)
        self._status_folder = status_folder

    def get(self, clip: Clip) -> Frames:
        """The frames of a clip, as soon as they are there.

        Raises:
            VideoError: If the clip cannot be used.
            UserError: If decoding in the background has failed as a whole.
        """
        while True:
            # Asked before the cache, so that what ends in between is seen.
            in_progress = (self._status_folder / _IN_PROGRESS).exists()
            frames = self.cached(clip)
            if frames is not None:
                return frames
            reason = self.damaged().get(clip.clip_id)
            if reason is not None:
                raise VideoError(Path(clip.path), reason)
            failed = self._status_folder / _FAILED
            if not in_progress and failed.exists():
                raise UserError(failed.read_text(encoding="utf-8"))
            if not in_progress:  # a cached file was removed for want of room
                return super().get(clip)
            time.sleep(_POLL_S)

    def damaged(self) -> dict[str, str]:
        """Why clips could not be decoded, by clip id, as far as is known by now."""
        return damaged_clips(self._status_folder)


@contextmanager
def prefetch_frames(
    cache: FrameCache, clips: Sequence[Clip], status_folder: Path, workers: int, reporter: Reporter = SILENT
) -> Iterator[None]:
    """Decode in the background what is not cached yet, until it is done or this context is left.

    Where the cache has no room for all of it, what is decoded ahead would be gone before it is needed. Then every clip
    is decoded once before this begins, to know which are damaged, and again by whoever needs it.

    Args:
        cache: Where frames go.
        clips: The clips, in the order in which they will be needed.
        status_folder: A folder of this run's own, by which other processes know how far it is.
        workers: Processes that decode.
        reporter: Receives the progress of decoding.
    """
    for sign in (DAMAGED_FILE, _IN_PROGRESS, _FAILED):  # of an earlier run
        (status_folder / sign).unlink(missing_ok=True)
    if cache.holds_all(clips):
        jobs, failures = cache.missing(clips)
    else:
        jobs, failures = [], cache.fill(clips, reporter, workers)
    if failures:
        _write_damaged(status_folder, failures)
    if not jobs:
        yield
        return
    cache.require_space(jobs)
    reporter.say(f"decoding {sum(len(wanted) for _, wanted in jobs)} clips in the background")
    (status_folder / _IN_PROGRESS).touch()
    leave = threading.Event()
    decoding = threading.Thread(
        target=_decode, args=(cache, _in_pieces(jobs, clips), failures, status_folder, workers, leave)
    )
    decoding.start()
    try:
        yield
    finally:
        leave.set()
        decoding.join()


def damaged_clips(status_folder: Path) -> dict[str, str]:
    """Why clips could not be decoded, by clip id; ``status_folder`` as for :func:`prefetch_frames`."""
    try:
        told: dict[str, str] = json.loads((status_folder / DAMAGED_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return told


def _decode(
    cache: FrameCache,
    jobs: Sequence[DecodeJob],
    failures: dict[str, str],
    status_folder: Path,
    workers: int,
    leave: threading.Event,
) -> None:
    try:
        for _, failed in cache.decode(jobs, workers):
            if failed:
                failures |= failed
                _write_damaged(status_folder, failures)
            if leave.is_set():
                break
    except UserError as error:  # told by whoever waits for a clip, since nobody listens to this thread
        write_text(status_folder / _FAILED, str(error))
    except Exception as error:
        if disk_problem(error) is not None:
            return  # no note of it can be written; whoever waits for a clip decodes it, meets the same and tells it
        write_text(status_folder / _FAILED, f"decoding in the background failed: {error!r}")
        raise
    finally:
        (status_folder / _IN_PROGRESS).unlink(missing_ok=True)


def _in_pieces(jobs: Sequence[DecodeJob], clips: Sequence[Clip]) -> list[DecodeJob]:
    """The same jobs, those of long videos in pieces, in the order in which the first clip of each is needed."""
    turn = {clip.clip_id: number for number, clip in enumerate(clips)}
    pieces = []
    for path, wanted in jobs:
        in_time = sorted(wanted, key=lambda clip: clip[1])
        pieces += [(path, in_time[i : i + _CLIPS_TOGETHER]) for i in range(0, len(in_time), _CLIPS_TOGETHER)]
    return sorted(pieces, key=lambda piece: min(turn[clip_id] for clip_id, _, _ in piece[1]))


def _write_damaged(status_folder: Path, failures: dict[str, str]) -> None:
    write_text(status_folder / DAMAGED_FILE, json.dumps(failures, indent=1) + "\n")
