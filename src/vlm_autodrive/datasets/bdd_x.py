"""BDD-X: ``BDD-X-Annotations_v1.csv``, what drivers do and why, in the words of people who watched the videos.

A wide table: ``Input.Video``, a URL, then up to 15 groups ``Answer.1start, Answer.1end, Answer.1action,
Answer.1justification`` of whole seconds and texts, with empty rows between. Each annotator of a video has a row of it.
The videos are those of BDD100K, ``videos/train/06d501fd-a9ffc960.mov``. The repository's ``train.txt``, ``val.txt`` and
``test.txt`` name the splits' videos, as ``1_06d501fd-a9ffc960``.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.source_footage import sole_footage
from vlm_autodrive.datasets.video_files import locate, sole_file, video_root
from vlm_autodrive.records import DatasetQuestion, Video
from vlm_autodrive.tables import CellError, Row, read_table, time_cell

SOURCE = "BDD-X"
_LICENCE = "For education, research and non-profit use; the videos are BDD100K's, under its own terms."
_VIDEO = "input.video"
_GROUP = re.compile(r"answer\.(\d+)start")
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_CRASH = re.compile(r"\b(?:crash\w*|collid\w*|collision\w*)\b", re.IGNORECASE)


def read_bdd_x(path: Path, settings: ImportSettings) -> DatasetBuilder:
    """Read the table; every video is taken for ordinary driving, and every group gives two questions about its span.

    Args:
        path: The table, or the folder that it lies in.
        settings: Where the videos are.

    Raises:
        UserError: If there is no such table.
    """
    path = sole_file(path, "BDD-X-Annotations*.csv", "files BDD-X-Annotations*.csv", "name the table")
    builder = DatasetBuilder(name=SOURCE, licence=_LICENCE)
    splits = _splits(path.parent)
    root = video_root(path, settings)
    videos: dict[str, Video] = {}
    for row in builder.add_table(read_table(path, {}, [_VIDEO], windows_text=True)):
        name = PurePosixPath(urlsplit(row.text(_VIDEO)).path).stem
        if not name:
            builder.reject(row, _VIDEO, "no URL that ends in a video's name; repair the row")
            continue
        if name not in videos:
            videos[name] = _video(name, root, splits.get(name))
        questions = list(_questions(row, name, builder))
        if not questions:
            builder.warn(row, "", "nothing is said of the video that can be asked; it is taken as ordinary driving")
        builder.questions += questions
        if _tells_of_a_crash(row, builder):
            videos[name] = videos[name].model_copy(update={"positive": None})
    builder.videos = list(videos.values())
    return builder


def _splits(folder: Path) -> dict[str, str]:
    """The split of each video that the split files in a folder name."""
    files = {folder / f"{name}.txt": split for name, split in _SPLITS.items()}
    return {
        line.strip().rpartition("_")[2]: split
        for file, split in files.items()
        if file.is_file()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    }


def _video(name: str, root: Path, split: str | None) -> Video:
    places = [f"{name}.mov", *(f"{top}{part}/{name}.mov" for top in ("videos/", "") for part in _SPLITS)]
    path, problem = locate(root, [*places, f"{name}.mp4"], None)
    footage = sole_footage("bdd100k", name)
    return Video(
        video_id=name,
        path=str(path),
        positive=False,
        group_id=footage.group_id,
        split=split,
        problem=problem,
        source=SOURCE,
        source_id=footage.source_id,
    )


def _tells_of_a_crash(row: Row, builder: DatasetBuilder) -> bool:
    for column in row.cells:
        if column.endswith("action") and _CRASH.search(row.text(column)):
            message = "an action that is no ordinary driving; the video has no label until somebody looks at it"
            builder.warn(row, column, message)
            return True
    return False


def _questions(row: Row, name: str, builder: DatasetBuilder) -> Iterator[DatasetQuestion]:
    for number in (match[1] for column in row.cells if (match := _GROUP.fullmatch(column))):
        start, end, action, reason = (f"answer.{number}{part}" for part in ("start", "end", "action", "justification"))
        if not any(row.text(column) for column in (start, end, action, reason)):
            continue
        span = _span(row, start, end, builder)
        if span is None:
            continue
        if not row.text(action):
            builder.warn(row, action, "a span without an action; the group is left out")
            continue
        does = " ".join(row.text(action).split()).rstrip(".")
        asked = {"ego action": ("What does the ego vehicle do?", does)}
        if row.text(reason):
            why = " ".join(row.text(reason).split())
            asked["reason of the ego action"] = (f"{does}. Why does the ego vehicle do this?", why)
        else:
            builder.warn(row, reason, "no reason of the action; it is asked what happens, and not why")
        for topic, (question, answer) in asked.items():
            yield DatasetQuestion(
                question_id=f"{name}/{row.line}-{number}/{topic.replace(' ', '-')}",
                video_id=name,
                topic=topic,
                question=question,
                answer=answer,
                source=SOURCE,
                start_s=span[0],
                end_s=span[1],
            )


def _span(row: Row, start: str, end: str, builder: DatasetBuilder) -> tuple[float, float] | None:
    """A group's seconds; None, with an issue written, if they are none."""
    times = []
    for column in (start, end):
        try:
            time_s = time_cell(row, column)
        except CellError as error:
            builder.warn(row, column, f"{error}; the group is left out")
            return None
        if time_s is None:
            builder.warn(row, column, "no time; the group is left out")
            return None
        times.append(time_s)
    if times[0] >= times[1]:
        builder.warn(row, end, f"not after the start, {times[0]:g} s; the group is left out")
        return None
    return times[0], times[1]
