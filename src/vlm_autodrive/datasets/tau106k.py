"""TAU-106K: ``video_annotations_all_val.json`` and the like, a list with an object for each video.

``{videoPath, videoHeight, videoWidth, data_source, accident_type, accident_caption, accident_segments, …}``.
Segments are fractions of the video's length, some of them written as text, so that their times are known only once
the video's file is there. ``data_source`` is ``dashcam-self`` where the recording vehicle is involved,
``dashcam-nonself``, or ``surveillance``. The videos are taken from many other data sets, and named after them.
"""

import math
import re
from pathlib import Path

from vlm_autodrive.datasets.accident_types import accident_class
from vlm_autodrive.datasets.builder import NOTHING_RECORDED, DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import SourceFootage, dada_footage, dota_footage, sole_footage, youtube_group
from vlm_autodrive.datasets.video_files import info_of, inside, locate, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata, Video, source_id_of
from vlm_autodrive.tables import CellError, Row, entry_row, read_entries

_EGO = {"dashcam-self": True, "dashcam-nonself": False, "surveillance": False}
_NORMAL = "normal"
_PEDESTRIAN_ACCIDENT = "vehicle and pedestrian accident"
_ACCIDENTS = (
    "single vehicle accident", "multiple motor vehicle accident", "motor and non-motor vehicle accident",
    _PEDESTRIAN_ACCIDENT, "multiple non-motor vehicle accident",
)  # fmt: skip
_NAME = re.compile(
    r"youtube_(?P<youtube>[\w-]{11})_(?P<scene>scene-\d+)(?:_clip)?"
    r"|Domestic_(?P<bilibili>BV\w+)_(?P<part>\d+)"
    r"|CCD_(?P<ccd>Accident|Normal)_(?P<crash>\d+)"
    r"|DoTA_(?P<dota>.+)"
    r"|DADA_(?P<type>\d+)_(?P<number>\d+)"
    r"|DashCam_(?P<dad>(?:training|testing)_(?:positive|negative)_\d+)"
)


def read_tau106k(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read one of the files, or all in a folder.

    Raises:
        UserError: If there is none.
    """
    files = sorted(path.glob("video_annotations_*.json")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no file video_annotations_*.json; name the annotation file.")
    builder = DatasetBuilder(name="TAU-106K", licence="None is stated; the videos are of their owners.")
    for file in files:
        split = next((s for s in ("train", "val", "test") if file.stem.endswith(f"_{s}")), None)
        entries = read_entries(file)
        builder.rows += len(entries)
        for number, (_, value) in enumerate(entries, start=1):
            row = entry_row(file, number, "", value)
            segments = value.get("accident_segments") if isinstance(value, dict) else None
            _read_row(row, segments, split, video_root(path, settings), settings, builder)
    return builder


def _read_row(
    row: Row,
    segments: object,
    split: str | None,
    root: Path,
    settings: ImportSettings,
    builder: DatasetBuilder,
) -> None:
    name = row.text("videoPath")
    if not name or inside(root, name) is None:
        message = "no path of a video below the data set's folder; repair the entry"
        builder.reject(row, "videoPath", message)
        return
    spelling = row.text("accident_type")
    try:
        fractions = _starts(segments)
        if not spelling:
            raise CellError("no accident_type; repair the entry")
        if spelling == _NORMAL and fractions:
            raise CellError("an accident's segment in a normal video; settle which is right")
    except CellError as error:
        builder.reject(row, "accident_segments", str(error))
        return
    path, problem = locate(root, [name, Path(name).name], None)
    footage = tau_footage(Path(name).stem)
    source = row.text("data_source")
    video = Video(
        video_id=Path(name).stem,
        path=str(path),
        positive=spelling != _NORMAL,
        group_id=footage.group_id,
        split=split,
        metadata={"data_source": source} if source in _EGO else {},
        problem=problem,
        source="TAU-106K",
        source_id=footage.source_id,
    )
    if not builder.add_video(video, row):
        return
    if source not in _EGO:
        message = f"none of {', '.join(_EGO)}; who is involved is taken as unknown"
        builder.warn(row, "data_source", message)
    named = accident_class("accident", settings.taxonomy) if spelling in _ACCIDENTS else None
    builder.count_spelling(spelling, settings.taxonomy.normal if spelling == _NORMAL else named)
    if spelling == _NORMAL:
        return
    if not fractions:
        builder.warn(row, "accident_segments", "no segment, so the event has no time")
    incident = _incident(spelling, _EGO.get(source))
    info = info_of(path) if fractions else None
    for number, fraction in enumerate(fractions or [None]):
        time_s = round(fraction * info.duration_s, 6) if info is not None and fraction is not None else None
        builder.add_event(
            video.video_id, row, named, time_s=time_s, ego_involved=_EGO.get(source), incident=incident, number=number
        )


def _incident(spelling: str, ego: bool | None) -> IncidentMetadata:
    """What a type of accident says. A non-motor vehicle may be a bicycle, electric or not, or a tricycle."""
    if spelling != _PEDESTRIAN_ACCIDENT:
        return NOTHING_RECORDED
    return IncidentMetadata(pedestrians="present", other_type="pedestrian" if ego else None)


def _starts(segments: object) -> list[float]:
    """Where the segments begin, as fractions of the video's length.

    Raises:
        CellError: If they are not pairs of fractions in order.
    """
    starts = []
    for segment in segments if isinstance(segments, list) else [segments]:
        match segment:
            case [str() | int() | float() as start, str() | int() | float() as end]:
                first, last = _fraction(start), _fraction(end)
                if not first <= last:
                    raise CellError(f"the segment {segment} ends before it begins")
                starts.append(first)
            case _:
                raise CellError("not a list of segments [start, end], fractions of the video's length")
    return starts


def _fraction(value: str | float) -> float:
    try:
        fraction = float(value)
    except ValueError:
        fraction = math.nan
    if not 0.0 <= fraction <= 1.0:
        raise CellError(f"{value!r} is no fraction of the video's length, from 0 to 1")
    return fraction


def tau_footage(name: str) -> SourceFootage:
    """Whose footage a video is, by its file's name, which begins with the data set that it was taken from."""
    match = _NAME.fullmatch(name)
    if match is None:
        return sole_footage("tau", name)
    if match["youtube"]:
        group = youtube_group(match["youtube"])
        return SourceFootage(f"{group}/{match['scene']}", group)
    if match["bilibili"]:
        group = source_id_of("bilibili", match["bilibili"])
        return SourceFootage(f"{group}/{match['part']}", group)
    if match["ccd"]:
        return sole_footage("ccd", f"{'Crash-1500' if match['ccd'] == 'Accident' else 'Normal'}/{match['crash']}")
    if match["dota"]:
        return dota_footage(match["dota"])
    if match["type"]:
        return dada_footage(int(match["type"]), int(match["number"]))
    return sole_footage("dad", match["dad"].replace("_", "/"))
