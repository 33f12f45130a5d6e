"""The consensus annotations that BADAS made for test clips of DAD, DADA-2000 and DoTA.

``dad|dada2000_small|dota_test_concensus.csv`` (spelt so): ``id,batch,Event-type,Nexar-vehicle-involved,
min_support,Time-of-alert,Time-of-collision,Diff,article_category[,ego_discrepancy]``. Times are seconds.
"""

from pathlib import Path

from vlm_autodrive.datasets.builder import ALERT_TIME, EVENT_TIME, DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import SourceFootage, dada_footage_by_split_type, dota_footage, sole_footage
from vlm_autodrive.datasets.video_files import locate, video_root
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Taxonomy, Video
from vlm_autodrive.tables import CellError, Row, class_named, read_table

_COLUMNS = {
    "event-type": "class", "nexar-vehicle-involved": "ego_involved", "time-of-alert": ALERT_TIME,
    "time-of-collision": EVENT_TIME,
}  # fmt: skip
_RATES = {"dad": None, "dada": 30.0, "dota": 10.0}


def read_badas(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read one of the tables, or all that lie in a folder.

    Raises:
        UserError: If there is none, or its name does not tell which data set it annotates.
    """
    files = sorted(path.glob("*_concensus.csv")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no file *_concensus.csv; give BADAS's folder annotation, or one of its files.")
    builder = DatasetBuilder(
        name="BADAS consensus annotations", licence="Apache-2.0; the videos have their own licences."
    )
    for file in files:
        dataset = _dataset(file)
        table = read_table(file, _COLUMNS, ["id", "class", EVENT_TIME])
        for row in builder.add_table(table):
            _read_row(row, dataset, video_root(path, settings), settings.taxonomy, builder)
    return builder


def _dataset(file: Path) -> str:
    for beginning in ("dada", "dad", "dota"):
        if file.name.casefold().startswith(beginning):
            return beginning
    raise UserError(f"{file.name} does not tell which data set it annotates; keep BADAS's names, which begin with it.")


def _read_row(row: Row, dataset: str, root: Path, taxonomy: Taxonomy, builder: DatasetBuilder) -> None:
    name = row.text("id")
    if not name or Path(name).name != name:
        message = "no name of a video; write the file's name alone, such as 000456.mp4"
        builder.reject(row, "id", message)
        return
    stem = Path(name).stem
    footage, places = _footage(dataset, stem)
    if footage is None:
        builder.reject(row, "id", "not a name like 10_068.mp4, type and number")
        return
    try:
        event_class = class_named(row.text("class"), taxonomy)
    except CellError as error:
        builder.reject(row, "class", str(error))
        return
    times = builder.event_times(row, event_class.is_event)
    if times is None:
        return
    path, problem = locate(root, [f"{stem}.mp4", *places], _RATES[dataset])
    video = Video(
        video_id=f"{dataset}-{stem}",
        path=str(path),
        positive=event_class.is_event,
        group_id=footage.group_id,
        split="test",
        problem=problem,
        source=f"BADAS consensus, {dataset}",
        source_id=footage.source_id,
    )
    if not builder.add_video(video, row):
        return
    builder.count_spelling(row.text("class"), event_class)
    if event_class.is_event:
        builder.add_event(
            video.video_id, row, event_class, time_s=times[0], alert_time_s=times[1], ego_involved=_ego(row, builder)
        )


def _ego(row: Row, builder: DatasetBuilder) -> bool | None:
    if row.text("ego_discrepancy"):
        message = f"the consensus and DoTA's own annotation differ ({row.text('ego_discrepancy')}); the first is taken"
        builder.warn(row, "ego_discrepancy", message)
    return builder.flag(row, "ego_involved")


def _footage(dataset: str, stem: str) -> tuple[SourceFootage | None, list[str]]:
    """Whose footage a name means, and where that data set's layout has it; None if it is no such name."""
    if dataset == "dad":
        return sole_footage("dad", f"testing/positive/{stem}"), [
            f"{top}testing/positive/{stem}.mp4" for top in ("", "videos/")
        ]
    if dataset == "dota":
        return dota_footage(stem), [f"frames/{stem}.mp4"]
    accident_type, _, number = stem.partition("_")
    if not (accident_type.isdecimal() and number.isdecimal()):
        return None, []
    return dada_footage_by_split_type(int(accident_type), int(number)), [f"{accident_type}/{number}.mp4"]
