"""Label Studio: the JSON and JSON-MIN exports of a project with videos.

A list of tasks, each with ``data`` (which names the video) and ``annotations``, of which each has a list ``result`` of
regions. A region's ``value`` is a span of frames from the tag TimelineLabels (``{"ranges": [{"start": 3, "end": 5}],
"timelinelabels": ["Collision"]}``, the first frame being 1), a span of seconds from the tag Labels (``{"start": 1.2,
"end": 2.5, "labels": […]}``), or a label of the whole video from the tag Choices (``{"choices": […]}``). JSON-MIN has
the values themselves in lists beside the task's data, and an entry for each annotation. Source: Label Studio's
documentation of these tags, and ``label_studio_sdk.converter``.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vlm_autodrive.artifacts import VIDEO_SUFFIXES
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.segments import Segment, SegmentImport
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import sole_file, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.tables import CellError, Row, read_json

_UPLOAD = re.compile(r"[0-9a-f]{8}-")  # which Label Studio puts before the name of a file that was uploaded


def read_label_studio(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read an export.

    Args:
        path: The JSON file, or a folder with this one JSON file.
        settings: Classes, what labels mean, the frame rate of the project, and where the videos are.

    Raises:
        UserError: If there is no such file, or it is no list of tasks.
    """
    path = sole_file(path, "*.json", "JSON files", "name the one that Label Studio exported")
    tasks = read_json(path)
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(tasks, list):
        raise UserError(f"{path} is no list of tasks; export the project as JSON or JSON-MIN.")
    builder = DatasetBuilder(name=f"Label Studio {path.name}", rows=len(tasks))
    segments = SegmentImport(builder, video_root(path, settings), settings)
    for number, task in enumerate(tasks, start=1):
        _read_task(path, number, task, settings.segments.frames_per_second, segments)
    return segments.finish()


def _read_task(path: Path, number: int, task: object, rate: float | None, segments: SegmentImport) -> None:
    values: dict[str, Any] = task if isinstance(task, dict) else {}
    is_min = not isinstance(values.get("data"), dict)
    address = _video_of(values if is_min else values["data"])
    row = Row(path, number, {"video": address})
    if not address:
        segments.builder.reject(row, "video", "no task whose data name one video; repair the entry, or remove it")
        return
    video = segments.video(row, "video", _places(address))
    if video is None:
        return
    if video.row is not row:
        message = f"entry {video.row.line} is of the same video; only that one is taken, settle which is right"
        segments.builder.reject(row, "video", message)
        return
    fps = (values if is_min else values["data"]).get("fps")  # as the Video tag's frameRate="$fps" takes it
    rate = rate or (float(fps) if isinstance(fps, int | float) and fps > 0 else None)
    regions = _regions_of_min(values) if is_min else _regions(row, values, segments.builder)
    if regions is None:
        return
    video.reviewed = True
    for region in regions:
        try:
            found = list(_segments(region, rate))
        except CellError as error:
            video.problem = video.problem or "a segment of it is not understood"
            segments.builder.warn(row, "video", f"{error}; the segment is left out")
            continue
        for segment in found:
            if problem := segments.add(video, row, segment):
                segments.builder.warn(row, "video", f"{problem}; the segment is left out")


def _video_of(data: dict[str, Any]) -> str:
    """The address of a task's video: under ``video``, or the only text that ends as a video's name does."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    videos = [text for text in texts.values() if any(_suffix(place) in VIDEO_SUFFIXES for place in _places(text))]
    return texts.get("video") or (videos[0] if len(videos) == 1 else "")


def _suffix(place: str) -> str:
    return PurePosixPath(place).suffix.casefold()


def _places(address: str) -> list[str]:
    """Where the file of an address may lie: ``/data/upload/1/0a1b2c3d-a.mp4``, ``/data/local-files/?d=a.mp4``."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d", [""])[0]
    place = local or unquote(parts.path if parts.scheme or parts.query else address)
    name = PurePosixPath(place.replace("\\", "/")).name
    uploaded = [_UPLOAD.sub("", name, count=1)] if _UPLOAD.match(name) else []
    return [*uploaded, place.lstrip("/"), name]


def _regions(row: Row, task: dict[str, Any], builder: DatasetBuilder) -> list[dict[str, Any]] | None:
    """The values of the regions of a task's one annotation; None if nobody has annotated it."""
    given = task.get("annotations", task.get("completions"))
    made = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    kept = [one for one in made if not one.get("was_cancelled") and not one.get("skipped")]
    if not kept:
        if task.get("predictions"):
            builder.warn(row, "video", "predictions of a model alone, which are no labels; the video is unlabelled")
        return None
    best = max(
        kept, key=lambda one: (one.get("ground_truth") is True, str(one.get("updated_at", one.get("created_at", ""))))
    )
    if len(kept) > 1:
        which = "the ground truth" if best.get("ground_truth") is True else "the latest"
        builder.warn(row, "video", f"{len(kept)} annotations; {which} is taken")
    result = best.get("result")
    regions = result if isinstance(result, list) else []
    return [one["value"] for one in regions if isinstance(one, dict) and isinstance(one.get("value"), dict)]


def _regions_of_min(task: dict[str, Any]) -> list[dict[str, Any]]:
    lists = [value for value in task.values() if isinstance(value, list)]
    return [one for values in lists for one in values if isinstance(one, dict)]


def _segments(value: dict[str, Any], rate: float | None) -> Iterator[Segment]:
    """The segments of a region; none of one that tells of something else, such as a box.

    Raises:
        CellError: If it is not of the documented form.
        UserError: If it has frames, and the frame rate is not known.
    """
    if "timelinelabels" in value:
        if rate is None:
            raise UserError(
                "the segments are in frames, and the export does not say how many make a second; set "
                "segments.frames_per_second to the frameRate of the project's Video tag (24 where it names none)."
            )
        for span in _list(value.get("ranges"), dict):
            start, end = _number(span.get("start")), _number(span.get("end", span.get("start")))
            for label in _list(value["timelinelabels"], str):
                yield Segment(label, max(0.0, (start - 1) / rate), max(0.0, (end - 1) / rate))
    elif "labels" in value and "start" in value and "text" not in value and "sequence" not in value:
        for label in _list(value["labels"], str):
            yield Segment(label, _number(value["start"]), _number(value.get("end", value["start"])))
    elif "choices" in value:
        yield from (Segment(label) for label in _list(value["choices"], str))


def _list(value: object, kind: type) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
        raise CellError("a region without a list of its ranges or labels")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CellError(f"a region from or to {value!r}, which is no number")
    return float(value)
