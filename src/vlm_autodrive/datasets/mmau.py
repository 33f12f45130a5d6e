"""MM-AU: ``dada_text_annotations.xlsx`` and ``cap_text_annotations.xls``, or ``video_metadata.json``.

The two workbooks have the same columns in another order: DADA's go start, accident, end; CAP's go start, end,
accident. They are found by their headings. Frames are counted from 1. DADA's videos run at 30 frames a second;
CAP's rates are mixed and not given, so a CAP time is known only once the video's own file is there. Where a file
is there, a frame's time is its fraction of the file's length.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.datasets.accident_types import accident_class, accident_of_type
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.dada2000 import splits_beside
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.sheets import read_sheet
from vlm_autodrive.datasets.source_footage import SourceFootage, dada_footage, sole_footage
from vlm_autodrive.datasets.video_files import info_of, locate, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata, Video
from vlm_autodrive.tables import CellError, Row, entry_row, read_entries, whole_number_cell

_LICENCE = "Free for academic use only."
_DADA_RATE = 30.0
_EGO_TYPES = (*range(1, 19), 61, 62)
_LAST_TYPE = 62
# How a column's heading begins, in the workbooks; what it is called in the JSON file.
_HEADINGS = {
    "video": "video", "weather": "weather", "light": "light", "scenes": "scenes", "linear": "linear", "type": "type",
    "whether an accident occurred": "accident occurred", "abnormal start frame": "abnormal_start_frame",
    "accident frame": "accident_frame", "abnormal end frame": "abnormal_end_frame", "total frames": "total_frames",
    "causes": "causes",
}  # fmt: skip
# The values of each column's numbers, from 1 on, as the headings of CAP's workbook list them.
_VALUES = {
    "weather": ("weather", ("clear", "rain", "snow", "fog")),
    "light": ("light", ("day", "dark")),
    "scenes": ("scene", ("highway", "tunnel", "mountain", "urban", "rural")),
    "linear": ("road_layout", ("straight", "curve", "intersection", "t_junction", "ramp")),
}


@dataclass(frozen=True)
class _Name:
    """What is known of a video before its row's frames are looked at."""

    video_id: str
    footage: SourceFootage
    places: list[str]
    rate: float | None
    source: str


def read_mmau(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read one of the files, or all in a folder. DADA-2000's split files in the same folder give its splits.

    Raises:
        UserError: If there is none, if there are both workbooks and JSON, or if a workbook lacks a column.
    """
    names = ("dada_text_annotations.xlsx", "cap_text_annotations.xls", "video_metadata.json")
    files = [path / name for name in names if (path / name).is_file()] if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds none of {', '.join(names)}; name the annotation file.")
    if len({file.suffix == ".json" for file in files}) > 1:
        raise UserError(f"{path} holds workbooks and {names[-1]}, which tell of the same videos; name one of them.")
    builder = DatasetBuilder(name="MM-AU", licence=_LICENCE)
    splits = splits_beside(files[0].parent)
    for file in files:
        is_json = file.suffix == ".json"
        for row in _entries(file) if is_json else read_sheet(file, _HEADINGS):
            builder.rows += 1
            try:
                name = _name_in_json(row) if is_json else _name_in_sheet(row, file)
            except CellError as error:
                builder.reject(row, "video", str(error))
                continue
            _read_row(row, name, splits, video_root(path, settings), settings, builder)
    return builder


def _entries(file: Path) -> Iterable[Row]:
    entries = read_entries(file)
    return (entry_row(file, number, name, value) for number, (name, value) in enumerate(entries, start=1))


def _accident_type(row: Row) -> int:
    accident_type = whole_number_cell(row, "type")
    if not 1 <= accident_type <= _LAST_TYPE:
        raise CellError(f"its type is none of 1 to {_LAST_TYPE}")
    return accident_type


def _name_in_sheet(row: Row, file: Path) -> _Name:
    number, accident_type = whole_number_cell(row, "video"), _accident_type(row)
    if "cap" in file.name.casefold():
        digits = f"{number:06d}"
        places = [f"CAP-DATA/{accident_type}/{digits}.mp4", f"{accident_type}/{digits}.mp4", f"{digits}.mp4"]
        return _Name(f"cap-{digits}", sole_footage("cap", digits), places, None, "MM-AU, CAP-DATA")
    digits = f"{number:03d}"
    places = [f"DADA-2000/{accident_type}/{digits}.mp4", f"{accident_type}/{digits}.mp4"]
    footage = dada_footage(accident_type, number)
    return _Name(f"dada-{accident_type}-{digits}", footage, places, _DADA_RATE, "MM-AU, DADA-2000")


def _name_in_json(row: Row) -> _Name:
    """An entry does not say whether it is of DADA or CAP: up to three digits are taken for a DADA number.

    Where that is wrong, two videos are kept on one side of a split for nothing; the other way round, the same
    video could be on both sides.
    """
    video_hash, name = row.text("name"), row.text("video_name")
    _, _, digits = name.partition("_")
    if not digits.isdecimal() or not video_hash or Path(video_hash).name != video_hash:
        raise CellError("no video_name like 1_1, type and number")
    accident_type = _accident_type(row)
    footage = dada_footage(accident_type, int(digits)) if len(digits) <= 3 else sole_footage("cap", digits)
    places = [f"{video_hash}.mp4", f"{name}.mp4", f"{accident_type}/{digits.zfill(3)}.mp4"]
    return _Name(video_hash, footage, places, None, "MM-AU")


def _read_row(
    row: Row,
    name: _Name,
    splits: dict[str, str],
    root: Path,
    settings: ImportSettings,
    builder: DatasetBuilder,
) -> None:
    try:
        occurred = {"1": True, "0": False}.get(row.text("accident occurred").removesuffix(".0"))
        if occurred is None:
            raise CellError("whether an accident occurred is neither 1 nor 0")
        frames = _frames(row, occurred)
    except CellError as error:
        builder.reject(row, "accident_frame", str(error))
        return
    path, problem = locate(root, name.places, name.rate)
    video = Video(
        video_id=name.video_id,
        path=str(path),
        positive=True if occurred else None,
        group_id=name.footage.group_id,
        split=splits.get(name.footage.source_id),
        incident=_surroundings(row, builder),
        problem=problem,
        source=name.source,
        source_id=name.footage.source_id,
    )
    if not builder.add_video(video, row):
        return
    if not occurred:
        message = "no accident, but an abnormal stretch: neither an event nor Normal, until somebody looks at it"
        builder.warn(row, "accident occurred", message)
        return
    start, accident, total = frames
    seconds = _seconds_per_frame(path, total, name.rate, row, builder)
    builder.add_event(
        video.video_id,
        row,
        accident_class("accident", settings.taxonomy),
        time_s=round((accident - 1) * seconds, 6) if seconds else None,
        alert_time_s=round((start - 1) * seconds, 6) if seconds else None,
        ego_involved=_accident_type(row) in _EGO_TYPES,
        incident=accident_of_type(_accident_type(row), row.text("causes")),
        spelling="accident occurred",
    )


def _frames(row: Row, occurred: bool) -> tuple[int, int, int]:
    """The frames where the abnormal stretch and the accident begin, and how many there are.

    Raises:
        CellError: If they are no frames, or stand in no possible order, as in columns that were swapped.
    """
    columns = ("abnormal_start_frame", "accident_frame", "abnormal_end_frame", "total_frames")
    start, accident, end, total = (whole_number_cell(row, column) for column in columns)
    in_order = 1 <= start <= end <= total and (start <= accident <= end if occurred else accident == -1)
    if not in_order:
        raise CellError(
            f"start {start}, accident {accident}, end {end} of {total} frames cannot be"
            f"{'' if occurred else ' where no accident occurred'}; are columns swapped?"
        )
    return start, accident, total


def _seconds_per_frame(path: Path, total: int, rate: float | None, row: Row, builder: DatasetBuilder) -> float | None:
    info = info_of(path)
    if info is None:
        return 1 / rate if rate else None
    if abs(info.frames - total) > max(2, total // 50):
        message = f"the file has {info.frames} frames, so it may be another cut; times are fractions of its length"
        builder.warn(row, "total_frames", message)
    return info.duration_s / total


def _surroundings(row: Row, builder: DatasetBuilder) -> IncidentMetadata:
    found = {}
    for column, (field, values) in _VALUES.items():
        code = row.text(column).removesuffix(".0")
        if code.isdecimal() and 1 <= int(code) <= len(values):
            found[field] = values[int(code) - 1]
        elif code:
            builder.warn(row, column, f"no number from 1 to {len(values)}; the row is taken without it")
    return IncidentMetadata.model_validate(found)
