"""FiftyOne: temporal detections, as ``FiftyOneTemporalDetectionDataset`` or as ``FiftyOneDataset`` exports them.

The first is ``labels.json``, ``{"classes": […] or null, "labels": {name: [{"label": …, "support": [first, last] or
"timestamps": [start, end]}, …] or null}}``; a name has no ending, the videos lie in ``data/`` or where ``data.json``
says. Labels are indexes into the classes, or texts. The second is ``samples.json``, ``{"samples": [{"filepath": …,
"metadata": {"frame_rate": …}, field: {"_cls": "TemporalDetections", "detections": […]}}]}``. Frames count from 1,
timestamps are seconds or ``HH:MM:SS.XXX``. Source: FiftyOne's documentation of these formats, and its importers.
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from vlm_autodrive.artifacts import VIDEO_SUFFIXES
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.segments import AnnotatedVideo, Segment, SegmentImport
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.tables import CellError, Row, read_json

_FILES = ("labels.json", "samples.json")
_SINGLE, _SEVERAL = "TemporalDetection", "TemporalDetections"


def read_fiftyone(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read an export.

    Args:
        path: Its folder, or ``labels.json`` or ``samples.json``.
        settings: Classes, what labels mean, and where the videos are.

    Raises:
        UserError: If there is no such file, or it is of another form.
    """
    if path.is_dir():
        found = [path / name for name in _FILES if (path / name).is_file()]
        if len(found) != 1:
            raise UserError(f"{path} holds {'both' if found else 'none'} of {' and '.join(_FILES)}; name the file.")
        path = found[0]
    content = read_json(path)
    values: dict[str, Any] = content if isinstance(content, dict) else {}
    builder = DatasetBuilder(name=f"FiftyOne {path.parent.absolute().name}")
    segments = SegmentImport(builder, video_root(path, settings), settings)
    rate = settings.segments.frames_per_second
    if isinstance(values.get("labels"), dict):
        places = _places(path.parent)
        classes = values.get("classes")
        for number, (name, labels) in enumerate(values["labels"].items(), start=1):
            _read_labels(Row(path, number, {"video": name}), _files(name, places), labels, classes, rate, segments)
        builder.rows = len(values["labels"])
    elif isinstance(values.get("samples"), list):
        for number, sample in enumerate(values["samples"], start=1):
            _read_sample(path, number, sample, rate, segments)
        builder.rows = len(values["samples"])
    else:
        raise UserError(
            f"{path} holds neither labels nor samples; export the data set as FiftyOneTemporalDetectionDataset."
        )
    return segments.finish()


def _places(folder: Path) -> dict[str, str]:
    """The file of each name: those that ``data.json`` lists, and those below ``data``."""
    listed = read_json(folder / "data.json") if (folder / "data.json").is_file() else None
    places = (
        {name: place for name, place in listed.items() if isinstance(place, str)} if isinstance(listed, dict) else {}
    )
    data = folder / "data"
    files = sorted(data.rglob("*")) if data.is_dir() else []
    names = [file.relative_to(data).as_posix() for file in files if file.suffix.casefold() in VIDEO_SUFFIXES]
    return places | {str(PurePath(name).with_suffix("")): f"data/{name}" for name in names}


def _files(name: str, places: dict[str, str]) -> list[str]:
    place = places.get(name, name)
    last = PurePath(place.replace("\\", "/")).name
    if PurePath(last).suffix.casefold() in VIDEO_SUFFIXES:
        return [place, f"data/{last}", last]
    endings = sorted(VIDEO_SUFFIXES, key=lambda ending: (ending != ".mp4", ending))
    return [f"{top}{last}{ending}" for ending in endings for top in ("data/", "")]


def _read_labels(
    row: Row, names: list[str], labels: object, classes: object, rate: float | None, segments: SegmentImport
) -> None:
    video = _video(row, names, segments)
    if video is None or labels is None:
        return
    video.reviewed = True
    for detection in labels if isinstance(labels, list) else [None]:
        label = detection.get("label") if isinstance(detection, dict) else None
        if isinstance(label, int) and isinstance(classes, list) and 0 <= label < len(classes):
            label = classes[label]
        _take(video, row, detection, str(label), rate, segments)


def _read_sample(path: Path, number: int, sample: object, rate: float | None, segments: SegmentImport) -> None:
    values: dict[str, Any] = sample if isinstance(sample, dict) else {}
    name = values.get("filepath")
    row = Row(path, number, {"video": name if isinstance(name, str) else ""})
    fields = [value for value in values.values() if isinstance(value, dict)]
    detections = list(_detections(fields))
    last = PurePath(row.cells["video"].replace("\\", "/")).name
    video = _video(row, [row.cells["video"], f"data/{last}", last] if last else [], segments)
    if video is None:
        return
    video.reviewed = any(field.get("_cls") in (_SINGLE, _SEVERAL) for field in fields)
    metadata = values.get("metadata")
    known = metadata.get("frame_rate") if isinstance(metadata, dict) else None
    own = float(known) if isinstance(known, int | float) and known > 0 else None
    for detection in detections:
        label = detection.get("label") if isinstance(detection, dict) else None
        _take(video, row, detection, str(label), rate or own, segments)


def _detections(fields: list[dict[str, Any]]) -> Iterator[object]:
    for field in fields:
        if field.get("_cls") == _SINGLE:
            yield field
        elif field.get("_cls") == _SEVERAL and isinstance(field.get("detections"), list):
            yield from field["detections"]


def _video(row: Row, names: list[str], segments: SegmentImport) -> AnnotatedVideo | None:
    video = segments.video(row, "video", names)
    if video is not None and video.row is not row:
        segments.builder.reject(row, "video", f"entry {video.row.line} is of the same video; only that one is taken")
        return None
    return video


def _take(
    video: AnnotatedVideo, row: Row, detection: object, label: str, rate: float | None, segments: SegmentImport
) -> None:
    try:
        start_s, end_s = _times(detection, rate, video)
        problem = segments.add(video, row, Segment(label, start_s, end_s))
    except CellError as error:
        video.problem = video.problem or "a segment of it is not understood"
        problem = str(error)
    if problem:
        segments.builder.warn(row, "video", f"{problem}; the segment is left out")


def _times(detection: object, rate: float | None, video: AnnotatedVideo) -> tuple[float, float]:
    """Start and end in seconds.

    Raises:
        CellError: If they are none, or frames of unknown rate.
    """
    match detection:
        case {"timestamps": [start, end]}:
            return _seconds(start), _seconds(end)
        case {"support": [int() | float() as first, int() | float() as last]}:
            rate = rate or video.frames_per_second  # which opens the file
            if rate is None:
                raise CellError("frames of a video that is not there; put it there, or set segments.frames_per_second")
            return (first - 1) / rate, (last - 1) / rate
    raise CellError("no detection with a support of two frames or timestamps of two seconds")


def _seconds(value: object) -> float:
    parts = str(value).split(":")
    try:
        return sum(float(part) * 60.0**place for place, part in enumerate(reversed(parts)))
    except ValueError:
        return math.nan
