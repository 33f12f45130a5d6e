"""Labelled segments of videos, as annotation tools export them, made into events and videos without any.

A tool knows a segment's start, end and label. What the label means here, and where in its segment the event lies, is
said by :class:`~vlm_autodrive.datasets.settings.SegmentSettings`.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.changed_names import ChangedPaths
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import ids_of_files, info_of, path_below
from vlm_autodrive.records import EventClass, Video
from vlm_autodrive.tables import CellError, Row, class_named

_PLACES = {"start": 0.0, "middle": 0.5, "end": 1.0}


@dataclass(frozen=True)
class Segment:
    """One labelled segment.

    Attributes:
        label: Its label, as the file has it.
        start_s: Where it begins, in seconds after the video's first frame; None if the label is the whole video's.
        end_s: Where it ends; None if it is one moment, or the label is the whole video's.
    """

    label: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass
class AnnotatedVideo:
    """A video that a file names, and what was taken of its segments.

    Attributes:
        path: Its file.
        row: The row that names it first.
        reviewed: Whether somebody has annotated it, segments or not.
        problem: Why it cannot be used; empty if it can.
        taken: The row, label, class and time of each segment.
    """

    path: str
    row: Row
    reviewed: bool = False
    problem: str = ""
    taken: list[tuple[Row, str, EventClass, float | None]] = field(default_factory=list)

    @cached_property
    def frames_per_second(self) -> float | None:
        """Its mean frame rate; None if the file is missing or cannot be read."""
        info = info_of(Path(self.path))
        return info.frames / info.duration_s if info is not None and info.duration_s > 0 else None


class SegmentImport:
    """Gathers the segments of a file, video by video, and makes the data set of them."""

    def __init__(self, builder: DatasetBuilder, root: Path, settings: ImportSettings) -> None:
        self.builder = builder
        self._top = os.path.normpath(root.absolute())
        self._taxonomy = settings.taxonomy
        self._settings = settings.segments
        self._paths = ChangedPaths(self._top, builder)
        self._videos: dict[str, AnnotatedVideo] = {}

    def video(self, row: Row, column: str, names: Sequence[str]) -> AnnotatedVideo | None:
        """The video that a row means; None, with an issue written, if it can be none.

        Args:
            row: The row.
            column: The column that names it.
            names: Paths below the folder of the videos at which it may lie, the likeliest first.
        """
        below = [path_below(self._top, name) for name in names if name.strip()]
        paths = [path for path in below if path is not None and path != self._top]
        found = next((path for path in paths if Path(path).is_file()), paths[0] if paths else None)
        if found is None:
            self.builder.reject(row, column, "no name of a video below the folder of the videos; put it right")
            return None
        path = self._paths.mended(row, column, found)
        return None if path is None else self._videos.setdefault(path, AnnotatedVideo(path, row))

    def add(self, video: AnnotatedVideo, row: Row, segment: Segment) -> str:
        """Take a segment; returns why it is left out, empty if it is taken or its label is to be ignored."""
        video.reviewed = True
        try:
            event_class = self.class_of(segment.label)
            time_s = self._time(segment)
        except CellError as error:
            video.problem = video.problem or "a label of it is not understood"
            return f"{segment.label!r}: {error}"
        if event_class is None:
            return ""
        for earlier, _, known, known_s in video.taken:
            if known_s != time_s:
                continue
            place = f"line {earlier.line}" if earlier.line != row.line else "an earlier segment"
            if known == event_class:
                return f"{segment.label!r}: {place} says the same of this video at this time; remove one of them"
            if time_s is not None or known.is_event != event_class.is_event:
                video.problem = "its labels contradict each other"
                return f"{segment.label!r}: {place} says {known.name} of this video at this time; settle which is right"
        video.taken.append((row, segment.label, event_class, time_s))
        return ""

    def class_of(self, label: str) -> EventClass | None:
        """The class that a label means; None if the settings leave it out.

        Raises:
            CellError: If it means none.
        """
        named = self._settings.class_map.get(label)
        if named == "":
            return None
        try:
            return class_named(named or label, self._taxonomy)
        except CellError as error:
            raise CellError(f"{error} Else map the label by segments.class_map, to '' to leave it out") from None

    def finish(self) -> DatasetBuilder:
        """Give the builder the videos and their events."""
        ids = ids_of_files(list(self._videos), Path(self._top))
        for path, video_id in ids.items():
            self._finish_video(self._videos[path], video_id)
        return self.builder

    def _finish_video(self, video: AnnotatedVideo, video_id: str) -> None:
        timed = {known.name for _, _, known, time_s in video.taken if time_s is not None}
        events = [one for one in video.taken if one[2].is_event and not (one[3] is None and one[2].name in timed)]
        if events and any(not known.is_event and time_s is None for _, _, known, time_s in video.taken):
            video.problem = video.problem or "its labels contradict each other"
            self.builder.warn(video.row, "", "a label says that no event is in the whole video; settle which is right")
        without = bool(video.taken) or (video.reviewed and self._settings.empty_is_normal)
        self.builder.add_video(
            Video(
                video_id=video_id,
                path=video.path,
                positive=True if events else (False if without else None),
                group_id=video_id,
                problem=video.problem,
                source=self.builder.name,
            )
        )
        for _, label, known, _ in video.taken:
            self.builder.count_spelling(label, known)
        for number, (row, _, known, time_s) in enumerate(events):
            if time_s is None:
                self.builder.warn(row, "", "an event without a time; no clip can be cut around it until there is one")
            self.builder.add_event(video_id, row, known, time_s=time_s, number=number)

    def _time(self, segment: Segment) -> float | None:
        if segment.start_s is None:
            return None
        end_s = segment.start_s if segment.end_s is None else segment.end_s
        if not (math.isfinite(segment.start_s) and math.isfinite(end_s) and 0 <= segment.start_s <= end_s):
            raise CellError(f"a segment from {segment.start_s:g} to {end_s:g} s cannot be; put it right")
        return round(segment.start_s + _PLACES[self._settings.event_at] * (end_s - segment.start_s), 6)
