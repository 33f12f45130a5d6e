"""The SQLite file of the endpoint clients: paid replies, requests in flight, used budgets, and hashes of videos.

Any number of processes use it at once. What was committed survives a process that is killed; the last
moments before a power cut may be lost. Its disk must be this machine's own: SQLite cannot share a file
over a network.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from vlm_autodrive.engines.endpoint.owners import lasts, own
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter

_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID = 0x41445452
_VERSION = 1
_BUSY_S = 60.0
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, outcome TEXT NOT NULL, text TEXT NOT NULL, reasoning TEXT NOT NULL,
    reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    job TEXT PRIMARY KEY, requests INTEGER NOT NULL DEFAULT 0, prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0, money REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS videos (identity TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class Database:
    """An open file; made by :func:`open_database`.

    Attributes:
        owner: What tells this opening of the file from all others, in any process.
    """

    def __init__(self, path: Path, setting: str, connection: sqlite3.Connection, owner: str) -> None:
        self._path, self._setting = path, setting
        self._connection = connection
        self.owner = owner

    def is_open(self, owner: str) -> bool:
        """Whether the opening of this name still lasts."""
        with _told(self._path, self._setting):
            return lasts(self._path, owner)

    def run(self, statement: str, values: dict[str, object]) -> int:
        """Change something. Returns how many rows were changed.

        Raises:
            UserError: If the file cannot be written, or is damaged.
        """
        with _told(self._path, self._setting):
            return self._connection.execute(statement, values).rowcount

    def row(self, statement: str, values: dict[str, object]) -> tuple[object, ...] | None:
        """Read one row; None if there is none.

        Raises:
            UserError: If the file cannot be read, or is damaged.
        """
        with _told(self._path, self._setting):
            found: tuple[object, ...] | None = self._connection.execute(statement, values).fetchone()
            return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have all changes made inside come about at once, or none."""
        self.run("BEGIN IMMEDIATE", {})
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self.run("COMMIT", {})


@contextmanager
def open_database(path: Path, setting: str, reporter: Reporter) -> Iterator[Database]:
    """Open the file, which is made if it does not exist and only its owner can read.

    A file that was torn is set aside under another name, which is said; then what it held is asked again,
    and what jobs have used is counted from nothing.

    Args:
        path: The file.
        setting: The setting that names another, for messages.
        reporter: Told if it was set aside.

    Raises:
        UserError: If it cannot be written, or holds something else.
    """
    with ExitStack() as stack:
        with _told(path, setting):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _lock(path):  # one process looks at a torn file, and others find a new one
                connection = stack.enter_context(closing(_connect(path, setting, reporter)))
                owner = stack.enter_context(own(path))
        yield Database(path, setting, connection, owner)


def _connect(path: Path, setting: str, reporter: Reporter) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    with path.open("rb") as stream:
        head = stream.read(len(_MAGIC))
    if head and head != _MAGIC:
        raise UserError(f"{path} is no file of replies; name another in {setting}, or move it away.")
    try:
        return _prepared(path, setting)
    except sqlite3.OperationalError:  # such as a full disk: nothing is wrong with the file
        raise
    except sqlite3.DatabaseError:
        aside = _set_aside(path)
    reporter.say(
        f"The replies kept in {path} are damaged, and were set aside as {aside.name}: what they answered is asked "
        "and paid for again, and budgets count from nothing."
    )
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return _prepared(path, setting)


def _prepared(path: Path, setting: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        (held,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and held != _APPLICATION_ID:
            raise UserError(f"{path} is a database of something else; name another file in {setting}.")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if tables and version != _VERSION:
            raise UserError(
                f"{path} was made by another version of this software; name another file in {setting}, or remove it."
            )
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)  # a file of an older release has no claims
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)  # they mean nothing beside another file
    return path.rename(aside)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path, setting: str) -> Iterator[None]:
    """Turn what the disk or SQLite says into plain words."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise UserError(
            f"the replies in {path} cannot be kept ({getattr(error, 'strerror', None) or error}); "
            f"make room or give leave there, or name another file in {setting}."
        ) from None
    except sqlite3.DatabaseError as error:
        raise UserError(f"the replies in {path} are damaged ({error}); move the file away and start again.") from None
