"""Overlays: files with the classes of events that a data set leaves open, by video id.

Public Nexar says of a video only that something happens in it. An overlay says what: a table ``id,class``,
or CAViAR's ``test.json``. What an overlay does not name stays of unknown kind.
"""

import difflib
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from pathlib import Path

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.changed_names import ChangedIds, changed_ids
from vlm_autodrive.records import Event, EventClass, Taxonomy, Video
from vlm_autodrive.tables import CellError, Row, class_named, column_of, is_exponent, read_json, read_table

_COLUMNS = {"video": "id", "file_name": "id", "source_file_name": "id", "label": "class", "label_name": "class"}
_MAX_GUESSES = 20  # to look for the nearest id takes a while in a large data set


@dataclass
class OverlayClasses:
    """The classes that an overlay names, gathered row by row; rows that contradict each other count for nothing.

    Attributes:
        builder: The data set.
        taxonomy: Its classes.
        cells: What the rows call their videos.
    """

    builder: DatasetBuilder
    taxonomy: Taxonomy
    cells: InitVar[Iterable[str]]
    _videos: dict[str, Video] = field(init=False)
    _ids: ChangedIds = field(init=False)
    _found: dict[str, tuple[EventClass, Row]] = field(default_factory=dict)
    _contradicted: set[str] = field(default_factory=set)
    _guesses: int = 0

    def __post_init__(self, cells: Iterable[str]) -> None:
        self._videos = {video.video_id: video for video in self.builder.videos}
        self._ids = changed_ids(self._videos, cells, self.builder)

    def video_id(self, row: Row, column: str) -> str | None:
        """The labelled video that a row means; None, with an issue written, if there is none."""
        text = row.text(column)
        stem = text if is_exponent(text) or not text else Path(text).stem
        name = self._ids.mended(row, column, stem.removeprefix("nexar_"))
        if name is None:
            return None
        video = self._videos.get(name)
        if video is None:
            self.builder.reject(row, column, self._no_such_video(name))
            return None
        if video.positive is None:
            message = "the data set does not tell whether an event is in this video, nor when; leave the row out"
            self.builder.reject(row, column, message)
            return None
        return name

    def name(self, row: Row, video_id: str, column: str, word: str, spelling: str) -> None:
        """Take what a row says of a video.

        Args:
            row: The row.
            video_id: The video.
            column: Where it says so, for issues.
            word: A word that the taxonomy knows its class by.
            spelling: What stands in the file, for the class map.
        """
        try:
            named = class_named(word, self.taxonomy)
        except CellError as error:
            self.builder.reject(row, column, str(error))
            return
        earlier = self._found.get(video_id)
        if earlier is None:
            self._found[video_id] = (named, row)
            self.builder.count_spelling(spelling, named)
        elif earlier[0] == named:
            message = f"line {earlier[1].line} says the same of this video; remove one of them"
            self.builder.reject(row, column, message)
        else:
            message = f"line {earlier[1].line} says {earlier[0].name}; neither is taken, settle which is right"
            self.builder.reject(row, column, message)
            if video_id not in self._contradicted:
                self.builder.reject(earlier[1], column, f"line {row.line} contradicts it")
            self._contradicted.add(video_id)

    def apply(self, column: str) -> None:
        """Give the builder's events their classes, and its videos a problem where overlay and data set differ."""
        classes = {k: taken for k, taken in self._found.items() if k not in self._contradicted}
        self.builder.videos = [
            self._checked(video, classes.get(video.video_id), column) for video in self.builder.videos
        ]
        self.builder.events = [_named(event, classes.get(event.video_id)) for event in self.builder.events]

    def _checked(self, video: Video, taken: tuple[EventClass, Row] | None, column: str) -> Video:
        if taken is None or taken[0].is_event == video.positive:
            return video
        named, row = taken
        there = "an event is" if video.positive else "no event is"
        message = f"the data set says that {there} in this video; settle which is right, it is not used until then"
        self.builder.warn(row, column, message)
        place = "positive" if video.positive else "negative"
        return video.model_copy(update={"problem": f"it lies in {place}, but the overlay says {named.label}"})

    def _no_such_video(self, name: str) -> str:
        self._guesses += 1
        near = difflib.get_close_matches(name, self._videos, n=1) if self._guesses <= _MAX_GUESSES else []
        return f"no such video; did you mean {near[0]}?" if near else "no such video in this data set"


def is_overlay(path: Path) -> bool:
    """Whether a JSON file is a table of ids and classes, and no annotation file of another form.

    Raises:
        UserError: If it cannot be read, or is no JSON.
    """
    content = read_json(path)
    entries = [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []
    return any(column_of(name, _COLUMNS) == "class" for entry in entries for name in entry)


def apply_overlay(path: Path, builder: DatasetBuilder, taxonomy: Taxonomy) -> None:
    """Name the kinds of a data set's events by a table of ``id,class``, with an issue for whatever cannot be taken.

    Raises:
        UserError: If there is no such file, or it lacks one of the columns.
    """
    table = read_table(path, _COLUMNS, ["id", "class"])
    overlay = OverlayClasses(builder, taxonomy, (row.text("id") for row in table.rows))
    for row in _with_class(builder.add_table(table), builder):
        video_id = overlay.video_id(row, "id")
        if video_id is not None:
            overlay.name(row, video_id, "class", row.text("class"), row.text("class"))
    overlay.apply("class")


def _with_class(rows: Iterable[Row], builder: DatasetBuilder) -> Iterable[Row]:
    for row in rows:
        if row.text("class"):
            yield row
        else:
            builder.reject(row, "class", "no class; name one, or remove the row")


def _named(event: Event, taken: tuple[EventClass, Row] | None) -> Event:
    if taken is None or not taken[0].is_event:
        return event
    return event.model_copy(update={"event_class": taken[0].name})
