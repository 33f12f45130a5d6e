"""Reviewers' corrections, where they are kept: a review's SQLite store, or a file with one a line."""

import hashlib
import heapq
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from vlm_autodrive.addresses import is_address, place_of
from vlm_autodrive.artifacts.folders import absolute_from_artifact, relative_to_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    Correction,
    CorrectionsResult,
    first_problem,
    has_records,
    open_jsonl,
    read_jsonl,
    write_jsonl,
)

CORRECTIONS_FILE = "corrections.jsonl"
CORRECTIONS_OUTCOME_FILE = "corrections_outcome.jsonl"
REVIEW_STORE = "review.sqlite3"
CORRECTIONS_RESULT_FILE = "diff.json"

_SQLITE = b"SQLite format 3\x00"


def read_corrections(paths: Sequence[Path]) -> list[Correction]:
    """The corrections of one or several reviews, those taken back too.

    The order of each is kept; several are merged by the time of the decisions. A correction that several hold counts
    once. A video named by a relative path lies below the folder of its review, or else below the working folder.

    Args:
        paths: Folders that were reviewed or exported to, stores of a review, or files of corrections.

    Raises:
        UserError: If there is none at a path, it cannot be read, or two corrections bear one id.
    """
    found = heapq.merge(*map(_read, paths), key=lambda correction: correction.at)
    known: dict[str, Correction] = {}
    for correction in found:
        if known.setdefault(correction.correction_id, correction) != correction:
            raise UserError(
                f"two corrections are called {correction.correction_id}; give each review once, as it was written."
            )
    return list(known.values())


def corrections_key(corrections: Sequence[Correction]) -> str:
    """The key of corrections as an input: by the decisions, since a store's bytes change when a server tidies it up."""
    digest = hashlib.sha256()
    for correction in corrections:
        # Where the videos lie does not count, so that a run can be moved.
        digest.update(correction.model_copy(update={"video": Path(correction.video).name}).model_dump_json().encode())
    return digest.hexdigest()[:16]


def write_corrections(path: Path, corrections: Sequence[Correction], final: Path) -> None:
    """Write corrections, one a line, with the paths of their videos relative to the folder ``final``."""
    write_jsonl(
        path, (c.model_copy(update={"video": relative_to_artifact(_absolute(c.video), final)}) for c in corrections)
    )


def read_corrections_result(catalog: Path) -> CorrectionsResult:
    """What corrections changed in a catalog.

    Raises:
        UserError: If it was not made by corrections.
    """
    path = catalog / CORRECTIONS_RESULT_FILE
    if not path.is_file():
        raise UserError(f"{catalog} was not made by corrections; give what `autodrive review export` wrote.")
    return CorrectionsResult.model_validate_json(path.read_text(encoding="utf-8"))


def _absolute(video: str) -> str:
    return place_of(video)


def _read(path: Path) -> list[Correction]:
    # The decisions on a folder that is one result lie beside it, since it is replaced as a whole when it is made anew.
    whole = path.absolute()
    places = (path, path / REVIEW_STORE, whole.with_name(f"{whole.name}.{REVIEW_STORE}"), path / CORRECTIONS_FILE)
    file = next((place for place in places if has_records(place)), None)
    if file is None:
        raise UserError(
            f"{path} holds no corrections; give the folder that was reviewed, the store of a review (such as "
            f"{REVIEW_STORE}), or a file {CORRECTIONS_FILE}."
        )
    with open_jsonl(file) as stream:
        is_store = stream.read(len(_SQLITE)) == _SQLITE
    corrections = _read_store(file) if is_store else read_jsonl(file, Correction)
    return [c.model_copy(update={"video": _placed(c.video, file.parent)}) for c in corrections]


def _read_store(file: Path) -> list[Correction]:
    """The decisions of a review's store, which a server may be writing to meanwhile."""
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as store:
            rows = store.execute("SELECT correction FROM decisions ORDER BY number").fetchall()
    except sqlite3.Error as error:
        raise UserError(f"{file} cannot be read as the store of a review ({error}); give another file.") from None
    try:
        return [Correction.model_validate_json(text) for (text,) in rows]
    except ValidationError as error:
        place, problem = first_problem(error)
        raise UserError(
            f"{file} holds a decision that is no correction ({place}: {problem}); another version wrote it."
        ) from None


def _placed(video: str, folder: Path) -> str:
    beside = absolute_from_artifact(video, folder)
    return beside if is_address(video) or Path(beside).exists() or not Path(video).exists() else _absolute(video)
