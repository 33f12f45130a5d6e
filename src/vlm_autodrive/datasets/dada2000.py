"""The split files of DADA-2000: ``train_file.json``, ``val_file.json`` and ``test_file.json``.

``[[["1", "022"], "001"], …]``: type of accident, number in it, and a running number. They hold splits and no
events: what happens in the videos is in MM-AU's ``dada_text_annotations.xlsx``, which :mod:`mmau` reads.
"""

from pathlib import Path

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import SourceFootage, dada_footage_by_split_type
from vlm_autodrive.datasets.video_files import locate, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Video
from vlm_autodrive.tables import Row, read_entries

LICENCE = "No licence is stated; the authors release it for research alone."
# The test split first: a few videos stand in two files, and are left to the one farthest from training.
_FILES = {"test_file.json": "test", "val_file.json": "validation", "train_file.json": "train"}
_RATE = 30.0


def read_dada2000(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read one of the split files, or all that lie in a folder.

    Raises:
        UserError: If there is none.
    """
    builder = DatasetBuilder(name="DADA-2000", licence=LICENCE)
    for file in _files(path):
        split = _split_of(file)
        for number, (_, entry) in enumerate(read_entries(file), start=1):
            builder.rows += 1
            row = Row(file, number, {"entry": str(entry)})
            names = _type_and_number(entry)
            if names is None:
                message = "not an entry like [['1', '022'], '001'], type and number; repair it"
                builder.reject(row, "entry", message)
                continue
            accident_type, video_number = names
            footage = _footage(names)
            place, problem = locate(video_root(path, settings), [f"{accident_type}/{video_number}.mp4"], _RATE)
            video = Video(
                video_id=f"{accident_type}_{video_number}",
                path=str(place),
                positive=None,
                group_id=footage.group_id,
                split=split,
                problem=problem,
                source="DADA-2000",
                source_id=footage.source_id,
            )
            builder.add_video(video, row)
    message = "split files hold no events; import MM-AU's dada_text_annotations.xlsx, with these files beside it"
    builder.warn_of_file(path, message)
    return builder


def splits_beside(path: Path) -> dict[str, str]:
    """The splits of the footage that split files in a folder name, by source id; empty without any."""
    files = [path / name for name in _FILES if (path / name).is_file()]
    return {
        _footage(names).source_id: _FILES[file.name]
        for file in reversed(files)
        for _, entry in read_entries(file)
        if (names := _type_and_number(entry)) is not None
    }


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [path / name for name in _FILES if (path / name).is_file()]
    if not files:
        raise UserError(f"{path} holds none of {', '.join(_FILES)}; give the folder that they lie in.")
    return files


def _split_of(file: Path) -> str:
    if file.name not in _FILES:
        raise UserError(f"{file.name} is none of {', '.join(_FILES)}, whose names tell the split; keep them.")
    return _FILES[file.name]


def _footage(names: tuple[str, str]) -> SourceFootage:
    return dada_footage_by_split_type(int(names[0]), int(names[1]))


def _type_and_number(entry: object) -> tuple[str, str] | None:
    match entry:
        case [[str() as accident_type, str() as number], *_] if accident_type.isdecimal() and number.isdecimal():
            return accident_type, number
    return None
