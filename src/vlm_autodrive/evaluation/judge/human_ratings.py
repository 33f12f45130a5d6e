"""A table of people's grades: columns ``clip_id``, ``grade`` and, where several people graded, ``person``."""

import csv
from collections.abc import Collection
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import HumanRating

_COLUMNS = ("clip_id", "grade", "person")


def read_human_ratings_of(path: Path, clip_ids: Collection[str]) -> list[HumanRating]:
    """Read the table.

    Args:
        path: A CSV file.
        clip_ids: The clips that there are.

    Raises:
        UserError: If it cannot be read, names a clip that there is not, a grade other than 1 to 5, or the same
            person's grade of a clip twice; the line is told.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = rows.fieldnames or []
            if not {"clip_id", "grade"} <= set(columns) or set(columns) - set(_COLUMNS):
                raise UserError(f"{path}: the columns must be clip_id, grade and, if you want, person.")
            known, found = set(clip_ids), {}
            for row in rows:
                grade = _grade(row, known, f"{path}, line {rows.line_num}")
                if (grade.clip_id, grade.person) in found:
                    raise UserError(
                        f"{path}, line {rows.line_num}: {grade.clip_id} is graded twice; name the persons in a column "
                        "person, or remove one."
                    )
                found[grade.clip_id, grade.person] = grade
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({error}); give a CSV file.") from None
    return list(found.values())


def _grade(row: dict[str, str | None], known: Collection[str], where: str) -> HumanRating:
    clip_id, grade, person = ((row.get(column) or "").strip() for column in _COLUMNS)
    if clip_id not in known:
        raise UserError(f"{where}: there is no clip {clip_id or 'without a name'} in the predictions; correct clip_id.")
    if grade not in ("1", "2", "3", "4", "5"):
        raise UserError(f"{where}: {grade or 'nothing'} is no grade; write 1, 2, 3, 4 or 5.")
    return HumanRating(clip_id=clip_id, grade=int(grade), person=person)
