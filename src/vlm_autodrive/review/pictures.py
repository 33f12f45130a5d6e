"""Pictures of items: thumbnails along the stretch that is shown, and film strips; made when asked for, then kept."""

import hashlib
import io
import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_autodrive.detection import film_strip
from vlm_autodrive.palette import PAPER, class_colour
from vlm_autodrive.records import MomentLabel, Taxonomy, TripFile, file_at
from vlm_autodrive.review.items import ReviewItem
from vlm_autodrive.review.media import MediaLibrary
from vlm_autodrive.video import VideoError, read_pictures

_THUMBNAILS = 24
_THUMBNAIL_WIDTH = 240
_STRIP_FRAMES = 6
_STRIP_WIDTH = 400
_QUALITY = 80
_AT_ONCE = 2  # decoders, whatever the page asks for at once

Picture = NDArray[np.uint8]


class PictureMaker:
    """Makes pictures of items. Its methods may be called from several threads."""

    def __init__(self, media: MediaLibrary, taxonomy: Taxonomy, cache: Path) -> None:
        """Make pictures of the files of ``media``, and keep them in the folder ``cache``."""
        self._media, self._taxonomy, self._cache = media, taxonomy, cache
        self._decoders = threading.Semaphore(_AT_ONCE)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def thumbnail(self, item: ReviewItem, tenths: int) -> bytes:
        """A small picture of one moment, as JPEG.

        Args:
            item: The item.
            tenths: The moment, in tenths of a second of item time.

        Raises:
            VideoError: If it cannot be read.
            UserError: If its file may not be opened.
        """
        planned = thumbnail_tenths(item)
        wanted = planned if tenths in planned else [tenths]
        with self._locks[item.item_id]:  # the first one asked for makes those beside it too
            path = self._path(item, f"t{tenths}")
            if not path.is_file():
                pictures = self._read(item, [each / 10 for each in wanted], _THUMBNAIL_WIDTH)
                for each, picture in zip(wanted, pictures, strict=True):
                    self._keep(self._path(item, f"t{each}"), Image.fromarray(picture))
            return path.read_bytes()

    def strip(self, item: ReviewItem, *, plain: bool = False) -> bytes:
        """The frames of an item side by side, as JPEG.

        Args:
            item: The item.
            plain: Do not show when the event is, nor its class: frames at even distances alone.

        Raises:
            VideoError: If they cannot be read.
            UserError: If a file may not be opened.
        """
        label = None if plain else item.said
        said = label if isinstance(label, MomentLabel) else None
        time_s = said.time_s if said is not None else None
        with self._locks[item.item_id]:
            path = self._path(item, "plain" if plain else f"strip-{said and said.event_class}-{time_s}")
            if not path.is_file():
                times_s, at = _strip_times(item, time_s)
                pictures = self._read(item, times_s, _STRIP_WIDTH)
                has_edge = said is not None and time_s is not None
                colour = class_colour(self._taxonomy.event_names, said.event_class) if said and has_edge else PAPER
                self._keep(path, film_strip(pictures, at, colour))
            return path.read_bytes()

    def _read(self, item: ReviewItem, times_s: Sequence[float], width: int) -> list[Picture]:
        if not item.files:
            raise VideoError(Path(item.title), "has no file that could be read")
        wanted: defaultdict[TripFile, list[int]] = defaultdict(list)
        for place, time_s in enumerate(times_s):
            wanted[file_at(item.files, time_s)].append(place)
        pictures: dict[int, Picture] = {}
        with self._decoders:
            for file, places in wanted.items():
                own_s = [max(0.0, times_s[place] - file.start_s) for place in places]
                real = self._media.checked(file)
                read = self._media.processes.read(real, read_pictures, own_s, width, stream=item.video_stream)
                pictures |= zip(places, read, strict=True)
        return [pictures[place] for place in range(len(times_s))]

    def _path(self, item: ReviewItem, kind: str) -> Path:
        """Where a picture is kept: under another name if the item's files have changed."""
        facts = [item.item_id, kind]
        for file in item.files:
            found = self._media.checked(file).stat()
            facts.append(f"{file.path} {file.start_s} {found.st_size} {found.st_mtime_ns}")
        name = hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._cache / "pictures" / name[:2] / f"{name}.jpg"

    def _keep(self, path: Path, picture: Image.Image) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        picture.save(stream, format="JPEG", quality=_QUALITY)
        partial = path.with_name(f".{os.getpid()}-{path.name}")  # another server may make the same picture
        partial.write_bytes(stream.getvalue())
        partial.replace(path)


def thumbnail_tenths(item: ReviewItem) -> list[int]:
    """The moments of an item's thumbnails, evenly over the stretch that is shown, in tenths of a second."""
    first, last = round(item.start_s * 10), max(round(item.start_s * 10), int(item.end_s * 10) - 1)
    count = min(_THUMBNAILS, last - first + 1)
    return sorted({first + round(place * (last - first) / max(1, count - 1)) for place in range(count)})


def _strip_times(item: ReviewItem, time_s: float | None) -> tuple[list[float], int]:
    """The moments of a strip, and the place of the event's among them; 0 without one."""
    length_s = max(0.0, item.end_s - item.start_s)
    times_s = [item.start_s + length_s * (place + 0.5) / _STRIP_FRAMES for place in range(_STRIP_FRAMES)]
    if time_s is None or not item.start_s <= time_s <= item.end_s:
        return times_s, 0
    at = min(range(_STRIP_FRAMES), key=lambda place: abs(times_s[place] - time_s))
    times_s[at] = time_s
    return times_s, at
