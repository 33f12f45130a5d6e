"""VGG Image Annotator (VIA) 3: the CSV export of a project with videos.

Comments, among them ``# ATTRIBUTE = {"1": {"aname": …, "options": {"0": "collision", …}}}`` and the header ``#
CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata``; then a row for each
segment, moment or region. ``file_list`` is a JSON list of files, ``temporal_coordinates`` one of seconds, ``[t]`` or
``[start, end]`` (older versions have the columns ``temporal_segment_start, temporal_segment_end``), and ``metadata``
maps an attribute's number to an option's number or to a text. Source: VIA's own comments in its exports, and its
``_via_data.js``.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.segments import Segment, SegmentImport
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.video_files import sole_file, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.tables import CellError, Row, decode_text, read_table

_ATTRIBUTES = re.compile(r"#\s*ATTRIBUTES?\s*=\s*(\{.*\})")
_TIMES = ("temporal_segment_start", "temporal_segment_end")


def read_via(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read an export.

    Args:
        path: The CSV file, or a folder with this one CSV file.
        settings: Classes, what labels mean, and where the videos are.

    Raises:
        UserError: If there is no such file.
    """
    path = sole_file(path, "*.csv", "CSV files", "name the one that VIA exported")
    if path.suffix.casefold() == ".json":
        raise UserError(f"{path} is VIA's project or JSON; export the annotations as CSV, which has their meaning too.")
    builder = DatasetBuilder(name=f"VIA {path.name}")
    segments = SegmentImport(builder, video_root(path, settings), settings)
    table = read_table(path, {}, ["file_list", "metadata"])
    options = _options(path)
    for row in builder.add_table(table):
        _read_row(row, options, segments)
    return segments.finish()


def _options(path: Path) -> dict[str, dict[str, str]]:
    """The options of each attribute, by their numbers, as the comments of the file have them."""
    found: dict[str, dict[str, str]] = {}
    for match in _ATTRIBUTES.finditer(decode_text(path)):
        attributes = _json(match[1])
        for number, attribute in attributes.items() if isinstance(attributes, dict) else ():
            options = attribute.get("options") if isinstance(attribute, dict) else None
            found[number] = {key: str(text) for key, text in options.items()} if isinstance(options, dict) else {}
    return found


def _read_row(row: Row, options: Mapping[str, Mapping[str, str]], segments: SegmentImport) -> None:
    files = _json(row.cells.get("file_list", ""))
    if not isinstance(files, list) or len(files) != 1 or not isinstance(files[0], str):
        segments.builder.reject(row, "file_list", "not a list of one file; annotate each video in a view of its own")
        return
    name = files[0].split("?")[0]
    video = segments.video(row, "file_list", [name, PurePosixPath(name.replace("\\", "/")).name])
    if video is None:
        return
    try:
        start_s, end_s = _times(row)
        label = _label(row, options, segments)
    except CellError as error:
        video.problem = video.problem or "a label of it is not understood"
        segments.builder.reject(row, "metadata", str(error))
        return
    if problem := segments.add(video, row, Segment(label, start_s, end_s)):
        segments.builder.reject(row, "metadata", problem)


def _times(row: Row) -> tuple[float | None, float | None]:
    """Start and end; both None for the whole video, and the end for a moment.

    Raises:
        CellError: If they are none.
    """
    old = [row.text(column) for column in _TIMES if column in row.cells]
    times = [_json(text) for text in old if text] if old else _json(row.cells.get("temporal_coordinates") or "[]")
    match times:
        case []:
            return None, None
        case [int() | float() as moment]:
            return float(moment), None
        case [int() | float() as start, int() | float() as end]:
            return float(start), float(end)
    raise CellError("temporal_coordinates are neither [], [t] nor [start, end] in seconds; put them right")


def _label(row: Row, options: Mapping[str, Mapping[str, str]], segments: SegmentImport) -> str:
    """The one label of a row that means a class, or that the settings leave out.

    Raises:
        CellError: If no label of it does, or several do.
    """
    values = _json(row.cells["metadata"])
    if not isinstance(values, dict) or not values:
        raise CellError("no label; give the segment one, or remove it")
    labels = [label for number, value in values.items() for label in _texts(number, str(value), options)]
    found: dict[str, str] = {}
    left_out, problem = "", ""
    for label in labels:
        try:
            named = segments.class_of(label)
        except CellError as error:
            problem = problem or f"{label!r}: {error}"
        else:
            left_out = left_out if named is not None else label
            found |= {named.name: label} if named is not None else {}
    if len(found) > 1:
        raise CellError(f"labels of several classes, {', '.join(found.values())}; leave one, or make them two segments")
    if not found and not left_out:
        raise CellError(problem)
    return next(iter(found.values()), left_out)


def _texts(number: str, value: str, options: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The texts of an attribute's value, which holds option numbers or is a text; ``1=3`` if the file does not say."""
    if number not in options:
        return [f"{number}={value}"]
    chosen = [one.strip() for one in value.split(",")]
    return [options[number][one] for one in chosen] if options[number].keys() >= set(chosen) else [value.strip()]


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
