"""Frames that are decoded in the background while others of them are used already.

One process starts the decoding (:func:`decode_ahead`), in workers of its own, so that a file which crashes the decoder
takes nothing else with it. It and any number of other processes ask for frames (:class:`ComingFrames`) and wait for
those that are still to come. They know how far the decoding is by two files in a folder that all of them see.
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video.container import VideoError
from vlm_autodrive.video.frame_cache import DecodeJob, FrameCache
from vlm_autodrive.video.frames import Frames, SamplingSettings

DAMAGED_FILE = "damaged-clips.json"
_UNDER_WAY = ".decoding"
_TOGETHER = 16  # clips of a long video that are decoded in one go; whoever needs one of them waits for all
_GLANCE_S = 0.005


class ComingFrames(FrameCache):
    """A frame cache that is being filled; what is still to come is waited for."""

    def __init__(self, folder: Path, sampling: SamplingSettings, signs: Path) -> None:
        """Take frames from ``folder``; ``signs`` is the folder that was given to :func:`decode_ahead`."""
        super().__init__(folder, sampling)
        self._signs = signs

    def get(self, clip: Clip) -> Frames:
        """The frames of a clip, as soon as they are there.

        Raises:
            VideoError: If the clip cannot be used.
        """
        while True:
            under_way = (self._signs / _UNDER_WAY).exists()  # asked before looking: what ends in between is seen
            frames = self.cached(clip)
            if frames is not None:
                return frames
            reason = self.damaged().get(clip.clip_id)
            if reason is not None:
                raise VideoError(Path(clip.path), reason)
            if not under_way:  # a cached file was removed for want of room
                return super().get(clip)
            time.sleep(_GLANCE_S)

    def damaged(self) -> dict[str, str]:
        """Why clips could not be decoded, by clip id, as far as is known by now."""
        return damaged_clips(self._signs)


@contextmanager
def decode_ahead(
    cache: FrameCache, clips: Sequence[Clip], signs: Path, workers: int, reporter: Reporter = SILENT
) -> Iterator[None]:
    """Decode in the background what is not cached yet, until it is done or this context is left.

    Where the cache has no room for all of it, what is decoded ahead would be gone before it is needed. Then every clip
    is decoded once before this begins, to know which are damaged, and again by whoever needs it.

    Args:
        cache: Where frames go.
        clips: The clips, in the order in which they will be needed.
        signs: A folder of this run's own, by which other processes know how far it is.
        workers: Processes that decode.
        reporter: Told what is decoded.
    """
    for sign in (DAMAGED_FILE, _UNDER_WAY):  # of an earlier run
        (signs / sign).unlink(missing_ok=True)
    if cache.holds_all(clips):
        jobs, failures = cache.missing(clips)
    else:
        jobs, failures = [], cache.fill(clips, reporter, workers)
    if failures:
        _tell_damaged(signs, failures)
    if not jobs:
        yield
        return
    reporter.say(f"decoding {sum(len(wanted) for _, wanted in jobs)} clips in the background")
    (signs / _UNDER_WAY).touch()
    leave = threading.Event()
    decoding = threading.Thread(target=_decode, args=(cache, _in_pieces(jobs, clips), failures, signs, workers, leave))
    decoding.start()
    try:
        yield
    finally:
        leave.set()
        decoding.join()


def damaged_clips(signs: Path) -> dict[str, str]:
    """Why clips could not be decoded, by clip id; ``signs`` as for :func:`decode_ahead`."""
    try:
        told: dict[str, str] = json.loads((signs / DAMAGED_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return told


def _decode(
    cache: FrameCache,
    jobs: Sequence[DecodeJob],
    failures: dict[str, str],
    signs: Path,
    workers: int,
    leave: threading.Event,
) -> None:
    try:
        for _, failed in cache.decode(jobs, workers):
            if failed:
                failures |= failed
                _tell_damaged(signs, failures)
            if leave.is_set():
                break
    finally:
        (signs / _UNDER_WAY).unlink(missing_ok=True)


def _in_pieces(jobs: Sequence[DecodeJob], clips: Sequence[Clip]) -> list[DecodeJob]:
    """The same jobs, those of long videos in pieces, in the order in which the first clip of each is needed."""
    turn = {clip.clip_id: number for number, clip in enumerate(clips)}
    pieces = []
    for path, wanted in jobs:
        in_time = sorted(wanted, key=lambda clip: clip[1])
        pieces += [(path, in_time[i : i + _TOGETHER]) for i in range(0, len(in_time), _TOGETHER)]
    return sorted(pieces, key=lambda piece: min(turn[clip_id] for clip_id, _, _ in piece[1]))


def _tell_damaged(signs: Path, failures: dict[str, str]) -> None:
    write_text(signs / DAMAGED_FILE, json.dumps(failures, indent=1) + "\n")
