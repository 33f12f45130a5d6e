"""A frozen test split: a file of video ids, one a line, that can be given again and is checked."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Clip

TEST_IDS_FILE = "test_ids.txt"
_DIGEST = re.compile(r"^# sha256 ([0-9a-f]{64})$")
_SHOWN = 3


def write_test_ids(folder: Path, clips: Iterable[Clip]) -> None:
    """Write the ids of the videos of the test split, with a hash by which a change is noticed."""
    ids = sorted({clip.video_id for clip in clips if clip.split == "test"})
    head = [f"# The test split: {len(ids)} videos. Give it again with frozen_test=FILE.", f"# sha256 {_digest(ids)}"]
    write_text(folder / TEST_IDS_FILE, "\n".join([*head, *ids]) + "\n")


def read_test_ids(path: Path, known: Iterable[str]) -> frozenset[str]:
    """The videos of a frozen test split.

    Args:
        path: One id a line; lines that begin with ``#`` are remarks. A list of your own needs no hash.
        known: The ids of the catalog.

    Raises:
        UserError: If the file is missing or empty, an id stands twice or is not in the catalog, or the list
            is no longer the one that its hash was made of.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise UserError(f"frozen_test: {path} is no text file that can be read; give the ids, one a line.") from None
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids:
        raise UserError(f"frozen_test: {path} holds no id; write one a line, or leave the setting out.")
    twice = sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise UserError(f"frozen_test: {path} names {_some(twice)} twice; take the further lines out.")
    digests = [found[1] for line in lines if (found := _DIGEST.match(line))]
    if digests and digests != [_digest(sorted(ids))]:
        raise UserError(
            f"frozen_test: {path} was changed since it was written, so the test split would be another; "
            "put the file back, or delete its line with sha256 if the change is meant."
        )
    missing = sorted(set(ids) - set(known))
    if missing:
        raise UserError(
            f"frozen_test: {path} names {len(missing)} videos that the catalog lacks ({_some(missing)}); "
            "import them too, since figures on a part of a test split cannot be compared."
        )
    return frozenset(ids)


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (" …" if len(ids) > _SHOWN else "")
