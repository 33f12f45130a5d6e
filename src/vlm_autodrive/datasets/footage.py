"""What the readers of other people's data sets share: whose footage a name means, and where its file lies.

The field's data sets use each other's videos under new names. :class:`Footage` holds the name that a piece
of footage has everywhere, so that splits can keep it on one side, and the group of clips cut from one source.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.datasets.reading import Reading
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.table import CellError, Row
from vlm_autodrive.records import EventClass, Taxonomy, Video, source_id_of
from vlm_autodrive.video import VideoError, VideoInfo, probe

IMAGES = (".jpg", ".jpeg", ".png")
_YOUTUBE = r"(?P<youtube>[\w-]{11})"
# DADA-2000's own files number the types of accident from 1 to 54; its paper, MM-AU and TAU-106K by another
# list. This is the table of DADA's repository, from the first to the second.
_PAPER_TYPES = (
    *range(1, 20), 21, 22, 24, 28, 30, 33, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 48, 49, 50, 51, 52,
    53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
)  # fmt: skip


@dataclass(frozen=True)
class Footage:
    """One piece of footage, by the names that it has in every data set.

    Attributes:
        source_id: Its name, as ``Video.source_id``.
        group_id: What all footage cut from the same source shares, as ``Video.group_id``.
    """

    source_id: str
    group_id: str


def alone(dataset: str, number: str) -> Footage:
    """Footage of which no siblings are known."""
    source_id = source_id_of(dataset, number)
    return Footage(source_id, source_id)


def dada_footage(accident_type: int, number: int) -> Footage:
    """A DADA-2000 video, by the paper's type of accident and its number in it."""
    return alone("dada", f"{accident_type}/{number:03d}")


def dada_footage_by_split_type(accident_type: int, number: int) -> Footage:
    """A DADA-2000 video, by the type as DADA's own folders and split files number it."""
    if 1 <= accident_type <= len(_PAPER_TYPES):
        return dada_footage(_PAPER_TYPES[accident_type - 1], number)
    return alone("dada", f"others/{number:03d}")


def dota_footage(name: str) -> Footage:
    """A DoTA clip, whose name begins with the YouTube id of the video that it was cut from."""
    match = re.fullmatch(rf"{_YOUTUBE}_\d{{6}}", name)
    return Footage(source_id_of("dota", name), youtube_group(match["youtube"])) if match else alone("dota", name)


def youtube_group(youtube_id: str) -> str:
    """The group of everything cut from one YouTube video, whichever data set did it."""
    return source_id_of("youtube", youtube_id)


def accident_class(spelling: str, taxonomy: Taxonomy) -> EventClass | None:
    """The class of what a data set calls an accident; None, for an unknown kind, if the taxonomy has none."""
    found = taxonomy.find(spelling) or taxonomy.find("accident")
    return found if found is not None and found.is_event else None


def video_root(path: Path, settings: ImportSettings) -> Path:
    """The folder that video paths begin at: the one that is set, or else that of the annotations."""
    return Path(settings.videos) if settings.videos else (path if path.is_dir() else path.parent)


def locate(root: Path, names: list[str], frames_per_second: float | None) -> tuple[Path, str]:
    """Where a video lies, and what is wrong with it already.

    Args:
        root: The folder that ``names`` begin at.
        names: Where the data set's layouts put it, the likeliest first. A folder of single frames is found under
            the name of the video without its ending, or in ``images`` below that.
        frames_per_second: The rate of such frames; None if the data set does not tell.

    Returns:
        The file, the likeliest place if there is none; and a problem, empty if none is known yet.
    """
    paths = [(root / name).absolute() for name in names]
    found = next((path for path in paths if path.is_file()), None)
    if found is not None:
        return found, ""
    for path in paths:
        for folder in (path.with_suffix("") / "images", path.with_suffix("")):
            frames = sorted(p.name for p in folder.iterdir() if p.suffix in IMAGES) if folder.is_dir() else []
            if frames:
                return path, _frames_problem(folder, frames, path, frames_per_second)
    return paths[0], ""


def _frames_problem(folder: Path, frames: list[str], video: Path, frames_per_second: float | None) -> str:
    first = Path(frames[0])
    digits = re.search(r"\d+$", first.stem)
    number = digits.group() if digits else ""
    pattern = f"{first.stem[: len(first.stem) - len(number)]}%0{len(number)}d{first.suffix}"
    rate = f"{frames_per_second:g}" if frames_per_second else "FPS"
    hint = "" if frames_per_second else " with the source's own frame rate for FPS"
    return (
        f"it is a folder of {len(frames)} images and must be made a video file first{hint}: "
        f'ffmpeg -framerate {rate} -start_number {int(number or 0)} -i "{folder / pattern}" '
        f'-vf "pad=ceil(iw/2)*2:ceil(ih/2)*2" -pix_fmt yuv420p -crf 18 "{video.with_suffix(".mp4")}"'
    )


def whole_number(row: Row, column: str) -> int:
    """A count, also where it is written as text or, as spreadsheets do, with a decimal point.

    Raises:
        CellError: If it is none.
    """
    try:
        value = float(row.text(column))
    except ValueError:
        raise CellError("not a whole number") from None
    if not value.is_integer():
        raise CellError("not a whole number")
    return int(value)


def info_of(path: Path) -> VideoInfo | None:
    """What a video file is; None if it is missing or cannot be read, which the import says of the video."""
    try:
        return probe(path) if path.is_file() else None
    except VideoError:
        return None


def add_video(reading: Reading, video: Video, row: Row, taken: dict[str, Row]) -> bool:
    """Add a video that a row names, unless a row above has named it: then an issue is written.

    Args:
        reading: What is read so far.
        video: The video.
        row: Its row.
        taken: The rows of the videos taken so far, by id; the new one is noted in it.

    Returns:
        Whether it was added.
    """
    earlier = taken.setdefault(video.video_id, row)
    if earlier is not row:
        place = f"line {earlier.line}" if earlier.file == row.file else f"{earlier.file.name}, line {earlier.line},"
        message = f"the same video stands in {place} already; only that one is taken"
        reading.issues.append(row.issue("", message, rejected=True))
        return False
    reading.videos.append(video)
    return True
