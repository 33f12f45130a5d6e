"""The Car Crash Dataset: ``Crash-1500.txt`` as it is published, or the table ``Crash_Table.csv`` made of it.

A line of the first reads ``000001,[0, 0, …, 1],000285,0000,Day,Normal,Yes``: the name, a label for each of 50
frames (1 from the accident on), the first frame's number in the YouTube video, that video's number, light,
weather, and whether the recording vehicle is involved. The commas in the brackets part no fields. The table
has a column for each frame, and has lost the zeros of the ids. Videos run at 10 frames a second.
"""

import re
from pathlib import Path

from vlm_autodrive.datasets.footage import accident_class, add_video, alone, locate, video_root
from vlm_autodrive.datasets.reading import Reading
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.table import CellError, Row, decode_text, flag_cell, read_table
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, Taxonomy, Video, source_id_of

_RATE = 10.0
_FRAMES = 50
_FIELDS = ("startframe", "youtubeid", "timing", "weather", "egoinvolve")
_LINE = re.compile(r"\s*(?P<vidname>[^,\[\]]*?)\s*,\s*\[(?P<labels>[^\[\]]*)\]\s*,(?P<fields>.*)")
_NAMES = ("Crash-1500.txt", "videos/Crash-1500.txt", "Crash_Table.csv")
_LIGHTS = {"day": "Day", "night": "Dark"}
_WEATHERS = {"normal": "Good", "snowy": "Snow", "rainy": "Rain"}


def read_ccd(path: Path, settings: ImportSettings) -> Reading:
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
    reading = Reading(name="CCD", licence="Annotations: MIT. Normal videos come from BDD100K, under its own terms.")
    rows = _rows_of_table(path, reading) if path.suffix == ".csv" else _rows_of_lines(path, reading)
    root = video_root(path, settings)
    taken: dict[str, Row] = {}
    for row in rows:
        _read_row(row, root, settings.taxonomy, reading, taken)
    for file in sorted((root / "Normal").glob("*.mp4")):
        footage = alone("ccd", f"Normal/{file.stem}")
        reading.videos.append(
            Video(
                video_id=f"Normal-{file.stem}",
                path=str(file.absolute()),
                positive=False,
                group_id=footage.group_id,
                source="CCD",
                source_id=footage.source_id,
            )
        )
    return reading


def _rows_of_lines(path: Path, reading: Reading) -> list[Row]:
    rows = []
    for number, line in enumerate(decode_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        reading.rows += 1
        match = _LINE.fullmatch(line.rstrip("\r"))
        fields = [field.strip() for field in match["fields"].split(",")] if match else []
        if match is None or len(fields) != len(_FIELDS):
            message = "not a name, 50 labels in brackets and five fields more; repair the line"
            reading.issues.append(Row(path, number, {"": line[:80]}).issue("", message, rejected=True))
            continue
        cells = dict(zip(_FIELDS, fields, strict=True))
        rows.append(Row(path, number, {"vidname": match["vidname"], "labels": match["labels"], **cells}))
    return rows


def _rows_of_table(path: Path, reading: Reading) -> list[Row]:
    frames = [f"frame_{number}" for number in range(1, _FRAMES + 1)]
    table = read_table(path, {}, ["vidname", *frames, *_FIELDS])
    reading.issues += table.issues
    reading.rows += table.total
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
        for row in table.rows
    ]


def _read_row(row: Row, root: Path, taxonomy: Taxonomy, reading: Reading, taken: dict[str, Row]) -> None:
    name = row.text("vidname")
    if not name.isdecimal():
        reading.issues.append(row.issue("vidname", "not a number such as 000001", rejected=True))
        return
    try:
        first = _first_accident_frame(row)
    except CellError as error:
        reading.issues.append(row.issue("labels", str(error), rejected=True))
        return
    youtube = row.text("youtubeid")
    path, problem = locate(root, [f"Crash-1500/{name}.mp4", f"videos/Crash-1500/{name}.mp4"], _RATE)
    footage = alone("ccd", f"Crash-1500/{name}")
    video = Video(
        video_id=f"Crash-1500-{name}",
        path=str(path),
        positive=True,
        group_id=source_id_of("ccd", f"youtube/{youtube}") if youtube else footage.group_id,
        metadata=_metadata(row, reading),
        problem=problem,
        source="CCD",
        source_id=footage.source_id,
    )
    if not add_video(reading, video, row, taken):
        return
    if first is None:
        message = "no frame is labelled 1, so the accident has no time; no clip can be cut around it"
        reading.issues.append(row.issue("labels", message, rejected=False))
    try:
        ego = flag_cell(row, "egoinvolve")
    except CellError as error:
        reading.issues.append(row.issue("egoinvolve", f"{error}; taken as unknown", rejected=False))
        ego = None
    event_class = accident_class("crash", taxonomy)
    event = Event(
        event_id=f"{video.video_id}-e0",
        video_id=video.video_id,
        event_class=event_class.name if event_class else None,
        time_s=first / _RATE if first is not None else None,
        ego_involved=ego,
    )
    reading.add_event(event, row)
    reading.spellings["crash", event_class.label if event_class else "unknown kind"] += 1


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


def _metadata(row: Row, reading: Reading) -> dict[str, str]:
    metadata = {}
    for field, name, words in (("timing", "light_conditions", _LIGHTS), ("weather", "weather", _WEATHERS)):
        word = row.text(field)
        if word.casefold() in words:
            metadata[name] = words[word.casefold()]
        elif word:
            known = ", ".join(words)
            reading.issues.append(row.issue(field, f"none of {known}; the row is taken without it", rejected=False))
    return metadata
