"""The grades of reasoning traces by a judge and by people."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.artifacts import input_key, read_human_ratings, read_judgement_records, read_provenance
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import HumanRating
from vlm_autodrive.tables import CellError, Row, read_whole_table, whole_number_cell

_COLUMNS = ("clip_id", "grade", "person")


@dataclass(frozen=True)
class Judgements:
    """The grades of one model's traces by a judge, and perhaps by people.

    Attributes:
        judge: The model that judges.
        grades: Its grade of each trace, 1 to 5, by clip id; a trace that it gave no readable grade is missing.
        human_ratings: Mean human rating, by clip id; empty if none graded.
    """

    judge: str
    grades: Mapping[str, int]
    human_ratings: Mapping[str, float]


def read_judgements(folder: Path, predictions: Path) -> Judgements:
    """Read what `judge` made of these predictions.

    Raises:
        UserError: If ``folder`` does not hold it, or the grades are of other traces.
    """
    input_key(folder, "judgements")
    if read_provenance(folder).inputs["predictions"].key != input_key(predictions):
        raise UserError(
            f"{folder} grades other traces than those of {predictions}, which are newer or another model's; judge "
            "these. Answers that were paid for are kept."
        )
    records = read_judgement_records(folder)
    by_clip: dict[str, list[int]] = defaultdict(list)
    for one in read_human_ratings(folder):
        by_clip[one.clip_id].append(one.grade)
    return Judgements(
        judge=records[0].judge,
        grades={record.clip_id: record.grade for record in records if record.grade is not None},
        human_ratings={clip_id: sum(grades) / len(grades) for clip_id, grades in by_clip.items()},
    )


def read_human_ratings_of(path: Path, clip_ids: Collection[str]) -> list[HumanRating]:
    """Read a table of human ratings.

    Args:
        path: A table with the columns ``clip_id``, ``grade`` and, where several people rated, ``person``.
        clip_ids: The clips that there are.

    Raises:
        UserError: If it cannot be read, names a clip that there is not, a grade other than 1 to 5, or the same
            person's grade of a clip twice; the message names the line.
    """
    found: dict[tuple[str, str], HumanRating] = {}
    known = set(clip_ids)
    for row in read_whole_table(path, {}, ()):
        if not {"clip_id", "grade"} <= row.cells.keys() or row.cells.keys() - set(_COLUMNS):
            raise UserError(f"{path}: the columns must be clip_id, grade and, if you want, person.")
        rating = _rating(row, known)
        if (rating.clip_id, rating.person) in found:
            raise UserError(
                f"{path}, line {row.line}: {rating.clip_id} is graded twice; name the persons in a column person, or "
                "remove one."
            )
        found[rating.clip_id, rating.person] = rating
    return list(found.values())


def _rating(row: Row, known: Collection[str]) -> HumanRating:
    clip_id, grade, person = (row.cells.get(column, "").strip() for column in _COLUMNS)
    where = f"{row.file}, line {row.line}"
    if clip_id not in known:
        raise UserError(f"{where}: there is no clip {clip_id or 'without a name'} in the predictions; correct clip_id.")
    try:
        value = whole_number_cell(row, "grade")
    except CellError:
        value = 0
    if not 1 <= value <= 5:
        raise UserError(f"{where}: {grade or 'nothing'} is no grade; write 1, 2, 3, 4 or 5.")
    return HumanRating(clip_id=clip_id, grade=value, person=person)
