"""The decisions of reviewers, in SQLite: they are only ever added, and a decision is on the disk before it is told.

The entity tag of an item is the number of its decisions. Whoever decides names the tag that was on the screen; if
somebody else has decided since, nothing is written, and the reviewer is shown what holds now.
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import PROVENANCE, REVIEW_STORE
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Correction, MomentLabel, SampleLabel

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x41445256  # "ADRV": tells such a file from other databases
_PATIENCE_S = 10.0

_SCHEMA = (
    """CREATE TABLE decisions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        correction_id TEXT NOT NULL UNIQUE,
        item_id TEXT NOT NULL,
        reviewer TEXT NOT NULL,
        at TEXT NOT NULL,
        decision TEXT NOT NULL,
        correction TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX decisions_of_item ON decisions (item_id)",
    """CREATE TRIGGER decisions_are_never_changed BEFORE UPDATE ON decisions
        BEGIN SELECT RAISE(ABORT, 'decisions are only ever added'); END""",
    """CREATE TRIGGER decisions_are_never_removed BEFORE DELETE ON decisions
        BEGIN SELECT RAISE(ABORT, 'decisions are only ever added'); END""",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class ReviewConflict(Exception):
    """Somebody else has decided on the item since.

    Attributes:
        etag: The item's entity tag now.
    """

    def __init__(self, etag: str) -> None:
        super().__init__("somebody else has decided on this item since it was shown; look at it again.")
        self.etag = etag


def default_store(path: Path) -> Path:
    """Where the decisions on a folder are kept.

    In a folder of detections it is ``review.sqlite3``. A folder that is one result, such as a clip set, is replaced as
    a whole when it is made anew: there it is ``NAME.review.sqlite3`` beside the folder, so that no decision goes.
    """
    path = path.absolute()
    if (path / PROVENANCE).is_file():
        return path.with_name(f"{path.name}.{REVIEW_STORE}")
    return path / REVIEW_STORE


class DecisionStore:
    """The decisions in one file, which several servers may have open at once.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and make it if it is not there.

        Raises:
            UserError: If it cannot be opened, is something else, or was made by a newer version.
        """
        self.path = path
        self._lock = threading.Lock()
        self._read_to = 0
        self._of_item: defaultdict[str, list[Correction]] = defaultdict(list)
        try:
            self._connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._set_up()
        except sqlite3.Error as error:
            raise UserError(f"{path} cannot be used for decisions ({error}); give another file with --store.") from None

    def _set_up(self) -> None:
        # FULL: a commit returns only when the write-ahead log is on the disk, so that not even a power cut takes a
        # decision that was confirmed.
        self._connection.execute("PRAGMA synchronous = FULL")
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application not in (0, _APPLICATION_ID) or (not application and self._tables()):
            raise UserError(f"{self.path} is another kind of database; give another file with --store.")
        if version > SCHEMA_VERSION:
            raise UserError(
                f"{self.path} was made by a newer version of autodrive; update it, or give another --store."
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("BEGIN IMMEDIATE")  # of two servers that open it first, one makes the table
        if not self._tables():
            for statement in _SCHEMA:
                self._connection.execute(statement)
        self._connection.execute("COMMIT")

    def _tables(self) -> int:
        count: int = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def decisions(self, item_id: str) -> tuple[Correction, ...]:
        """The decisions on one item, in order."""
        with self._lock:
            self._refresh()
            return tuple(self._of_item.get(item_id, ()))

    def all_decisions(self) -> dict[str, tuple[Correction, ...]]:
        """The decisions on all items that have any, in order."""
        with self._lock:
            self._refresh()
            return {item_id: tuple(found) for item_id, found in self._of_item.items()}

    def etag(self, item_id: str) -> str:
        """The entity tag of an item."""
        return etag_of(self.decisions(item_id))

    def check(self, item_id: str, etag: str) -> None:
        """Refuse a tag that is no longer the item's.

        Raises:
            ReviewConflict: If it is not.
        """
        now = self.etag(item_id)
        if now != etag:
            raise ReviewConflict(now)

    def add(self, correction: Correction, etag: str) -> str:
        """Add a decision, if nothing was decided on its item since ``etag`` was told.

        Returns:
            The item's new entity tag. The decision is then on the disk.

        Raises:
            ReviewConflict: If something was; nothing is added then.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")  # no other process can add one between check and insertion
            try:
                self._refresh()
                now = etag_of(self._of_item.get(correction.item_id, ()))
                if now != etag:
                    raise ReviewConflict(now)
                self._connection.execute(
                    "INSERT INTO decisions (correction_id, item_id, reviewer, at, decision, correction) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        correction.correction_id,
                        correction.item_id,
                        correction.reviewer,
                        correction.at.isoformat(),
                        correction.decision,
                        correction.model_dump_json(),
                    ),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._refresh()
            return etag_of(self._of_item[correction.item_id])

    def _refresh(self) -> None:
        """Read what this or another process added since the last time: rows never change, so all others are known."""
        rows = self._connection.execute(
            "SELECT number, correction FROM decisions WHERE number > ? ORDER BY number", (self._read_to,)
        ).fetchall()
        for number, text in rows:
            correction = Correction.model_validate_json(text)
            self._of_item[correction.item_id].append(correction)
            self._read_to = number


def etag_of(decisions: Sequence[Correction]) -> str:
    """The entity tag of an item with these decisions, in quotes, as HTTP writes it."""
    return f'"{len(decisions)}"'


def standing(decisions: Iterable[Correction]) -> list[Correction]:
    """The decisions that were not taken back, in order; those that take back are not among them."""
    decisions = list(decisions)
    undone = {each.undoes for each in decisions}
    return [each for each in decisions if each.decision != "undo" and each.correction_id not in undone]


def current_label(
    said: MomentLabel | SampleLabel | None, decisions: Iterable[Correction]
) -> MomentLabel | SampleLabel | None:
    """What holds of an item: what the last standing decision says, or else what was said before any.

    An added event is another one than the item's, and leaves the item's label as it is.
    """
    held = [each.after for each in standing(decisions) if each.decision != "add"]
    return held[-1] if held else said
