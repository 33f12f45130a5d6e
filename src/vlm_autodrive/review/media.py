"""The videos of the items: each has an opaque id, the times of its frames, and a proxy if no browser plays it.

A file is only ever found by its id. The path comes from the records, never from a request, and is checked again each
time before it is opened: it must be a regular file with a video's name, that lies in its folder also after all links
are followed.
"""

import hashlib
import json
import os
import queue
import stat
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlm_autodrive.addresses import address_of, is_address
from vlm_autodrive.artifacts import VIDEO_SUFFIXES, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record, TripFile, file_name_text
from vlm_autodrive.review.items import ReviewItem
from vlm_autodrive.review.video_processes import VideoProcesses
from vlm_autodrive.video import Playback, VideoError, playback, write_proxy

PROXY_TYPE = "video/mp4"
_FILES_AT_ONCE = 4  # two for pictures, one for a proxy, and one that is free when an item is opened
_FILES_REMEMBERED = 200  # an hour has a hundred thousand times


class ItemMedia(Record):
    """One file of an item.

    Attributes:
        media_id: Its opaque id.
        start_s: Item time of its first frame.
        duration_s: Its length in seconds.
    """

    media_id: str
    start_s: float
    duration_s: float


class MediaState(Record):
    """What can be played of a file now.

    Attributes:
        state: Whether it can be played, its proxy is being made, or neither is possible.
        progress: How much of the proxy is made, from 0 to 1.
        proxy: Whether a proxy is played, or will be.
        url: Where the bytes are; empty until they can be had.
        times_s: Presentation time of each frame, in seconds after the file's first frame; empty until it can be played.
        reason: Why there is a proxy, or why nothing can be played, in plain words.
    """

    state: Literal["ready", "making", "failed"]
    progress: float
    proxy: bool
    url: str
    times_s: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class MediaFile:
    """A file whose bytes may be sent.

    Attributes:
        path: Where it really lies.
        media_type: Its media type.
    """

    path: Path
    media_type: str


@dataclass
class _Job:
    """A proxy that is being made, or waits for it."""

    progress: float = 0.0
    problem: str = ""


class MediaLibrary:
    """All files of all items. Its methods may be called from several threads."""

    def __init__(self, items: Iterable[ReviewItem], cache: Path, roots: Sequence[Path] = ()) -> None:
        """Know the files of some items.

        Args:
            items: The items.
            cache: The folder for proxies; made when the first is.
            roots: Further folders that files may lie in, where links lead there.
        """
        self._files: dict[str, tuple[Path, int | None]] = {}
        for item in items:
            for file in item.files:
                self._files.setdefault(media_id_of(file, item.video_stream), (Path(file.path), item.video_stream))
        self._cache = cache
        self._roots = [root.resolve() for root in roots]
        self._known: dict[str, Playback] = {}
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self.processes = VideoProcesses(_FILES_AT_ONCE)
        self._waiting: queue.LifoQueue[str | None] = queue.LifoQueue()  # what was asked for last is wanted most
        self._worker: threading.Thread | None = None
        self._closed = False

    def of_item(self, item: ReviewItem) -> tuple[ItemMedia, ...]:
        """The files of an item, in order."""
        return tuple(
            ItemMedia(media_id=media_id_of(file, item.video_stream), start_s=file.start_s, duration_s=file.duration_s)
            for file in item.files
        )

    def state(self, media_id: str) -> MediaState:
        """What can be played of a file; its proxy is begun if it needs one.

        Raises:
            KeyError: If there is no such file.
        """
        path, stream = self._files[media_id]
        try:
            real = self._checked(path)
            known = self._playback(real, stream)
        except UserError as error:
            return _failed(_why_not(error))
        if not known.problem:
            return _ready(media_id, known.times_s, "", proxy=False)
        times_s = self._times_of_proxy(real, stream)
        if times_s is not None:
            return _ready(media_id, times_s, known.problem, proxy=True)
        job = self._begin(media_id)
        if job.problem:
            return _failed(job.problem)
        return MediaState(state="making", progress=job.progress, proxy=True, url="", times_s=(), reason=known.problem)

    def file(self, media_id: str) -> MediaFile:
        """The bytes of a file that can be played.

        Raises:
            KeyError: If there is no such file.
            UserError: If it may not be sent, or its proxy is not made yet.
        """
        path, stream = self._files[media_id]
        real = self._checked(path)
        known = self._playback(real, stream)
        if not known.problem:
            return MediaFile(real, known.media_type)
        if self._times_of_proxy(real, stream) is None:
            raise UserError("its proxy is not made yet; ask again when it is ready.")
        return MediaFile(self._proxy(real, stream), PROXY_TYPE)

    def checked(self, file: TripFile) -> Path:
        """Where a file of an item really lies.

        Raises:
            UserError: If it may not be opened.
        """
        return self._checked(Path(file.path))

    def length_s(self, item: ReviewItem) -> float:
        """The length of an item's time line, measured if it is one file that can be read."""
        if len(item.files) != 1:
            return item.duration_s
        try:
            real = self.checked(item.files[0])
            times_s = self._playback(real, item.video_stream).times_s
        except UserError:
            return item.duration_s
        last_gap_s = times_s[-1] - times_s[-2] if len(times_s) > 1 else 0.0
        return max(item.duration_s, round(item.files[0].start_s + times_s[-1] + last_gap_s, 6))

    def close(self) -> None:
        """Stop reading videos; a proxy that is half made is given up."""
        self._closed = True
        self._waiting.put(None)
        self.processes.close()
        if self._worker is not None:
            self._worker.join()

    def _checked(self, path: Path) -> Path:
        name = file_name_text(path.name)
        if is_address(path):
            raise UserError(f"{address_of(path)} lies on a store; a review shows local videos alone, so copy it here.")
        if "\0" in str(path):
            raise UserError("the name of its file has a character that no file can have.")
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise UserError(f"{name} has no name of a video; only videos are shown.")
        try:
            real = path.resolve(strict=True)
            mode = real.stat().st_mode
        except (OSError, RuntimeError):
            raise UserError(f"{name} is no longer there; put it back, or make the folder anew.") from None
        if not stat.S_ISREG(mode):
            raise UserError(f"{name} is no ordinary file.")
        folder = path.parent.resolve()
        if not any(real.is_relative_to(root) for root in (folder, *self._roots)):
            raise UserError(f"{name} is a link out of its folder; allow the place that it leads to with --media-root.")
        return real

    def _playback(self, real: Path, stream: int | None) -> Playback:
        key = _key(real, stream)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.processes.read(real, playback, stream=stream)
            for earlier in list(self._known)[:-_FILES_REMEMBERED]:
                self._known.pop(earlier, None)
        return found

    def _proxy(self, real: Path, stream: int | None) -> Path:
        return self._cache / "proxies" / f"{_key(real, stream)}.mp4"

    def _times_of_proxy(self, real: Path, stream: int | None) -> tuple[float, ...] | None:
        proxy = self._proxy(real, stream)
        try:
            times_s = json.loads(proxy.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return tuple(times_s) if proxy.is_file() else None

    def _begin(self, media_id: str) -> _Job:
        with self._lock:
            job = self._jobs.get(media_id)
            if job is None:
                job = self._jobs[media_id] = _Job()
                self._waiting.put(media_id)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="proxies", daemon=True)
                self._worker.start()
        return job

    def _work(self) -> None:
        while (media_id := self._waiting.get()) is not None and not self._closed:
            job = self._jobs[media_id]
            try:
                self._make(media_id, job)
            except UserError as error:
                job.problem = _why_not(error)
            except OSError as error:
                job.problem = f"its proxy cannot be written ({error.strerror})"

    def _make(self, media_id: str, job: _Job) -> None:
        path, stream = self._files[media_id]
        real = self._checked(path)
        length_s = self._playback(real, stream).times_s[-1] or 1.0
        target = self._proxy(real, stream)
        target.parent.mkdir(parents=True, exist_ok=True)

        def tell(done_s: float) -> None:
            job.progress = min(0.99, done_s / length_s)

        own = target.with_name(f".{os.getpid()}-{target.name}")  # another server may make the same proxy
        try:
            times_s = self.processes.read(real, write_proxy, own, stream=stream, tell=tell)
            own.replace(target)
        finally:
            for left in target.parent.glob(f"{own.name}*"):  # a process that was killed could not remove its own
                left.unlink()
        write_text(target.with_suffix(".json"), json.dumps(times_s))  # after the video: with it the proxy is whole
        with self._lock:
            del self._jobs[media_id]


def media_id_of(file: TripFile, stream: int | None) -> str:
    """The opaque id of a file: it tells nothing of the path, and is the same whenever it is opened."""
    return hashlib.sha256(os.fsencode(f"media\n{file.path}\n{stream}")).hexdigest()[:32]


def _key(real: Path, stream: int | None) -> str:
    """What tells a file's content: as everywhere its name, size and time of change, as gigabytes are not read twice."""
    found = real.stat()
    return hashlib.sha256(os.fsencode(f"proxy 1\n{real}\n{found.st_size}\n{found.st_mtime_ns}\n{stream}")).hexdigest()[
        :32
    ]


def _ready(media_id: str, times_s: tuple[float, ...], reason: str, *, proxy: bool) -> MediaState:
    return MediaState(
        state="ready", progress=1.0, proxy=proxy, url=f"/media/{media_id}", times_s=times_s, reason=reason
    )


def _why_not(error: UserError) -> str:
    return f"this file cannot be shown: {error.reason}." if isinstance(error, VideoError) else str(error)


def _failed(reason: str) -> MediaState:
    return MediaState(state="failed", progress=0.0, proxy=False, url="", times_s=(), reason=reason)
