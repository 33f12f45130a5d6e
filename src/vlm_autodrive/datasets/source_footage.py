"""Source footage: data sets reuse each other's videos under new names, which must not cross splits.

:class:`SourceFootage` holds the name that a piece of footage has everywhere, so that splits can keep it on one
side, and the group of clips cut from one source.
"""

import re
from dataclasses import dataclass

from vlm_autodrive.records import source_id_of

_YOUTUBE = r"(?P<youtube>[\w-]{11})"
# DADA-2000's own files number the types of accident from 1 to 54; its paper, MM-AU and TAU-106K by another
# list. This is the table of DADA's repository, from the first to the second.
_PAPER_TYPES = (
    *range(1, 20), 21, 22, 24, 28, 30, 33, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 48, 49, 50, 51, 52,
    53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
)  # fmt: skip


@dataclass(frozen=True)
class SourceFootage:
    """One piece of footage, by the names that it has in every data set.

    Attributes:
        source_id: Its name, as ``Video.source_id``.
        group_id: What all footage cut from the same source shares, as ``Video.group_id``.
    """

    source_id: str
    group_id: str


def sole_footage(dataset: str, number: str) -> SourceFootage:
    """Footage of which no siblings are known."""
    source_id = source_id_of(dataset, number)
    return SourceFootage(source_id, source_id)


def dada_footage(accident_type: int, number: int) -> SourceFootage:
    """A DADA-2000 video, by the paper's type of accident and its number in it."""
    return sole_footage("dada", f"{accident_type}/{number:03d}")


def dada_footage_by_split_type(accident_type: int, number: int) -> SourceFootage:
    """A DADA-2000 video, by the type as DADA's own folders and split files number it."""
    if 1 <= accident_type <= len(_PAPER_TYPES):
        return dada_footage(_PAPER_TYPES[accident_type - 1], number)
    return sole_footage("dada", f"others/{number:03d}")


def dota_footage(name: str) -> SourceFootage:
    """A DoTA clip, whose name begins with the YouTube id of the video that it was cut from."""
    match = re.fullmatch(rf"{_YOUTUBE}_\d{{6}}", name)
    if match is None:
        return sole_footage("dota", name)
    return SourceFootage(source_id_of("dota", name), youtube_group(match["youtube"]))


def youtube_group(youtube_id: str) -> str:
    """The group of everything cut from one YouTube video, whichever data set did it."""
    return source_id_of("youtube", youtube_id)
