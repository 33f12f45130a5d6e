"""The Car Crash Dataset: ``Crash-1500.txt`` as it is published, or the table ``Crash_Table.csv`` made of it.

A line of the first reads ``000001,[0, 0, …, 1],000285,0000,Day,Normal,Yes``: the name, a label for each of 50
frames (1 from the accident on), the first frame's number in the YouTube video, that video's number, light,
weather, and whether the recording vehicle is involved. The commas in the brackets part no fields. The table
has a column for each frame, and has lost the zeros of the ids. Videos run at 10 frames a second.
"""

import re
from pathlib import Path

from vlm_autodrive.datasets.accident_types import accident_class
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import sole_footage
from vlm_autodrive.datasets.video_files import locate, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata, Taxonomy, Video, source_id_of
from vlm_autodrive.tables import CellError, Row, decode_text, read_table

_RATE = 10.0
_FRAMES = 50
_FIELDS = ("startframe", "youtubeid", "timing", "weather", "egoinvolve")
_LINE = re.compile(r"\s*(?P<vidname>[^,\[\]]*?)\s*,\s*\[(?P<labels>[^\[\]]*)\]\s*,(?P<fields>.*)")
_NAMES = ("Crash-1500.txt", "videos/Crash-1500.txt", "Crash_Table.csv")
# Normal weather is neither snow nor rain, but may be clear, cloudy or fog.
_VALUES: dict[str, tuple[str, dict[str, str | None]]] = {
    "timing": ("light", {"day": "day", "night": "dark"}),
    "weather": ("weather", {"normal": None, "snowy": "snow", "rainy": "rain"}),
}


def read_ccd(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read the crashes of the annotation file, and the Normal videos in the folder ``Normal`` beside them.

    Args:
        path: The annotation file, or the data set's folder.
        settings: Classes, and where the videos are.

    Raises:
        UserError: If there is no annotation file.
    """
    if path.is_dir():
        found = next((path / name for name in _NAMES if (path / name).is_file()), None)
        if found is None:
            raise UserError(f"{path} holds none of {', '.join(_NAMES)}; name the annotation file.")
        path = found
    builder = DatasetBuilder(
        name="CCD", licence="Annotations: MIT. Normal videos come from BDD100K, under its own terms."
    )
    rows = _rows_of_table(path, builder) if path.suffix == ".csv" else _rows_of_lines(path, builder)
    root = video_root(path, settings)
    for row in rows:
        _read_row(row, root, settings.taxonomy, builder)
    for file in sorted((root / "Normal").glob("*.mp4")):
        footage = sole_footage("ccd", f"Normal/{file.stem}")
        builder.add_video(
            Video(
                video_id=f"Normal-{file.stem}",
                path=str(file.absolute()),
                positive=False,
                group_id=footage.group_id,
                source="CCD",
                source_id=footage.source_id,
            )
        )
    return builder


def _rows_of_lines(path: Path, builder: DatasetBuilder) -> list[Row]:
    rows = []
    for number, line in enumerate(decode_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        builder.rows += 1
        match = _LINE.fullmatch(line.rstrip("\r"))
        fields = [field.strip() for field in match["fields"].split(",")] if match else []
        if match is None or len(fields) != len(_FIELDS):
            message = "not a name, 50 labels in brackets and five fields more; repair the line"
            builder.reject(Row(path, number, {"": line[:80]}), "", message)
            continue
        cells = dict(zip(_FIELDS, fields, strict=True))
        rows.append(Row(path, number, {"vidname": match["vidname"], "labels": match["labels"], **cells}))
    return rows


def _rows_of_table(path: Path, builder: DatasetBuilder) -> list[Row]:
    frames = [f"frame_{number}" for number in range(1, _FRAMES + 1)]
    table = read_table(path, {}, ["vidname", *frames, *_FIELDS])
    return [
        Row(
            row.file,
            row.line,
            {
                "vidname": row.text("vidname").zfill(6) if row.text("vidname") else "",
                "labels": ",".join(row.cells[frame] for frame in frames),
                **{field: row.cells[field] for field in _FIELDS},
                "youtubeid": row.text("youtubeid").zfill(4),
            },
        )
        for row in builder.add_table(table)
    ]


def _read_row(row: Row, root: Path, taxonomy: Taxonomy, builder: DatasetBuilder) -> None:
    name = row.text("vidname")
    if not name.isdecimal():
        builder.reject(row, "vidname", "not a number such as 000001")
        return
    try:
        first = _first_accident_frame(row)
    except CellError as error:
        builder.reject(row, "labels", str(error))
        return
    youtube = row.text("youtubeid")
    path, problem = locate(root, [f"Crash-1500/{name}.mp4", f"videos/Crash-1500/{name}.mp4"], _RATE)
    footage = sole_footage("ccd", f"Crash-1500/{name}")
    video = Video(
        video_id=f"Crash-1500-{name}",
        path=str(path),
        positive=True,
        group_id=source_id_of("ccd", f"youtube/{youtube}") if youtube else footage.group_id,
        incident=_incident(row, builder),
        problem=problem,
        source="CCD",
        source_id=footage.source_id,
    )
    if not builder.add_video(video, row):
        return
    if first is None:
        message = "no frame is labelled 1, so the accident has no time; no clip can be cut around it"
        builder.warn(row, "labels", message)
    builder.add_event(
        video.video_id,
        row,
        accident_class("crash", taxonomy),
        time_s=first / _RATE if first is not None else None,
        ego_involved=builder.flag(row, "egoinvolve"),
        spelling="crash",
    )


def _first_accident_frame(row: Row) -> int | None:
    """Which frame, from 0 on, is the first one labelled 1; None if none is.

    Raises:
        CellError: If the labels are not 50 zeros and ones.
    """
    labels = [label.strip() for label in row.cells["labels"].split(",")]
    if len(labels) != _FRAMES:
        raise CellError(f"{len(labels)} labels rather than {_FRAMES}, so their times are not known; repair the line")
    if set(labels) - {"0", "1"}:
        raise CellError("a label is neither 0 nor 1; repair the line")
    return labels.index("1") if "1" in labels else None


def _incident(row: Row, builder: DatasetBuilder) -> IncidentMetadata:
    found = {}
    for column, (field, values) in _VALUES.items():
        word = row.text(column).casefold()
        if word in values:
            found[field] = values[word]
        elif word:
            builder.warn(row, column, f"none of {', '.join(values)}; the row is taken without it")
    return IncidentMetadata.model_validate(found)
