"""TAU-106K: ``video_annotations_all_val.json`` and the like, a list with an object for each video.

``{videoPath, videoHeight, videoWidth, data_source, accident_type, accident_caption, accident_segments, …}``.
Segments are shares of the video's length, some of them written as text, so that their times are known only once
the video's file is there. ``data_source`` is ``dashcam-self`` where the recording vehicle is involved,
``dashcam-nonself``, or ``surveillance``. The videos are taken from many other data sets, and named after them.
"""

import math
import re
from pathlib import Path

from vlm_autodrive.datasets.footage import (
    Footage,
    accident_class,
    add_video,
    alone,
    dada_footage,
    dota_footage,
    info_of,
    locate,
    video_root,
    youtube_group,
)  # fmt: skip
from vlm_autodrive.datasets.json_table import entry_row, read_entries
from vlm_autodrive.datasets.reading import Reading, inside
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.table import CellError, Row
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, Video, source_id_of

_EGO = {"dashcam-self": True, "dashcam-nonself": False, "surveillance": False}
_NORMAL = "normal"
_ACCIDENTS = (
    "single vehicle accident", "multiple motor vehicle accident", "motor and non-motor vehicle accident",
    "vehicle and pedestrian accident", "multiple non-motor vehicle accident",
)  # fmt: skip
_NAME = re.compile(
    r"youtube_(?P<youtube>[\w-]{11})_(?P<scene>scene-\d+)(?:_clip)?"
    r"|Domestic_(?P<bilibili>BV\w+)_(?P<part>\d+)"
    r"|CCD_(?P<ccd>Accident|Normal)_(?P<crash>\d+)"
    r"|DoTA_(?P<dota>.+)"
    r"|DADA_(?P<type>\d+)_(?P<number>\d+)"
    r"|DashCam_(?P<dad>(?:training|testing)_(?:positive|negative)_\d+)"
)


def read_tau106k(path: Path, settings: ImportSettings) -> Reading:
    """Read one of the files, or all in a folder.

    Raises:
        UserError: If there is none.
    """
    files = sorted(path.glob("video_annotations_*.json")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no file video_annotations_*.json; name the annotation file.")
    reading = Reading(name="TAU-106K", licence="None is stated; the videos are of their owners.")
    taken: dict[str, Row] = {}
    for file in files:
        split = next((s for s in ("train", "val", "test") if file.stem.endswith(f"_{s}")), None)
        entries = read_entries(file)
        reading.rows += len(entries)
        for number, (_, value) in enumerate(entries, start=1):
            row = entry_row(file, number, "", value)
            segments = value.get("accident_segments") if isinstance(value, dict) else None
            _read_row(row, segments, split, video_root(path, settings), settings, reading, taken)
    return reading


def _read_row(
    row: Row,
    segments: object,
    split: str | None,
    root: Path,
    settings: ImportSettings,
    reading: Reading,
    taken: dict[str, Row],
) -> None:
    name = row.text("videoPath")
    if not name or inside(root, name) is None:
        message = "no path of a video below the data set's folder; repair the entry"
        reading.issues.append(row.issue("videoPath", message, rejected=True))
        return
    spelling = row.text("accident_type")
    try:
        shares = _starts(segments)
        if not spelling:
            raise CellError("no accident_type; repair the entry")
        if spelling == _NORMAL and shares:
            raise CellError("an accident's segment in a normal video; settle which is right")
    except CellError as error:
        reading.issues.append(row.issue("accident_segments", str(error), rejected=True))
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
    if not add_video(reading, video, row, taken):
        return
    if source not in _EGO:
        message = f"none of {', '.join(_EGO)}; who is involved is taken as unknown"
        reading.issues.append(row.issue("data_source", message, rejected=False))
    named = accident_class("accident", settings.taxonomy) if spelling in _ACCIDENTS else None
    label = settings.taxonomy.normal.label if spelling == _NORMAL else named.label if named else "unknown kind"
    reading.spellings[spelling, label] += 1
    if spelling == _NORMAL:
        return
    if not shares:
        reading.issues.append(row.issue("accident_segments", "no segment, so the event has no time", rejected=False))
    info = info_of(path) if shares else None
    for number, share in enumerate(shares or [None]):
        event = Event(
            event_id=f"{video.video_id}-e{number}",
            video_id=video.video_id,
            event_class=named.name if named else None,
            time_s=round(share * info.duration_s, 6) if info is not None and share is not None else None,
            ego_involved=_EGO.get(source),
        )
        reading.add_event(event, row)


def _starts(segments: object) -> list[float]:
    """Where the segments begin, as shares of the video's length.

    Raises:
        CellError: If they are not pairs of shares in order.
    """
    starts = []
    for segment in segments if isinstance(segments, list) else [segments]:
        match segment:
            case [str() | int() | float() as start, str() | int() | float() as end]:
                first, last = _share(start), _share(end)
                if not first <= last:
                    raise CellError(f"the segment {segment} ends before it begins")
                starts.append(first)
            case _:
                raise CellError("not a list of segments [start, end], shares of the video's length")
    return starts


def _share(value: str | float) -> float:
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0.0 <= share <= 1.0:
        raise CellError(f"{value!r} is no share of the video's length, from 0 to 1")
    return share


def tau_footage(name: str) -> Footage:
    """Whose footage a video is, by its file's name, which begins with the data set that it was taken from."""
    match = _NAME.fullmatch(name)
    if match is None:
        return alone("tau", name)
    if match["youtube"]:
        group = youtube_group(match["youtube"])
        return Footage(f"{group}/{match['scene']}", group)
    if match["bilibili"]:
        group = source_id_of("bilibili", match["bilibili"])
        return Footage(f"{group}/{match['part']}", group)
    if match["ccd"]:
        return alone("ccd", f"{'Crash-1500' if match['ccd'] == 'Accident' else 'Normal'}/{match['crash']}")
    if match["dota"]:
        return dota_footage(match["dota"])
    if match["type"]:
        return dada_footage(int(match["type"]), int(match["number"]))
    return alone("dad", match["dad"].replace("_", "/"))
