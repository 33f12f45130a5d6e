"""Replies that were paid for, kept for whoever asks the same again."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.database import Database
from vlm_autodrive.supervision.teachers.protocol import Footage, TeacherReply
from vlm_autodrive.video.container import VideoError

_FORMAT = 1  # counted up when frames are sent otherwise than before
_COLUMNS = "outcome, text, thoughts, reason, prompt_tokens, completion_tokens"


def cache_path(settings: ServedTeacherSettings) -> Path:
    """The file that replies are kept in: the one of the settings, or one in the user's cache folder."""
    if settings.cache:
        return Path(settings.cache).expanduser()
    folder = os.environ.get("XDG_CACHE_HOME", "")  # which counts only if it is absolute
    base = Path(folder) if folder.startswith("/") else Path.home() / ".cache"
    return base / "vlm-autodrive" / "teacher_replies.sqlite"


class ReplyCache:
    """Replies by all that they depend on: video, window, sampling, messages, schema, model and endpoint."""

    def __init__(self, database: Database, url: str, settings: ServedTeacherSettings) -> None:
        self._database = database
        self._url = url
        self._settings = settings

    async def look_at(self, footage: Footage) -> None:
        """Learn the content of a video without holding up other requests, so that :meth:`key` is quick.

        Raises:
            VideoError: If it cannot be read.
        """
        with _as_video_error(footage.path):
            file = _file_identity(footage.path)
            if self._known(file) is None:
                self._learn(file, await asyncio.to_thread(_content_hash, footage.path))

    def key(self, words: bytes, footage: Footage | None) -> str:
        """What a reply is kept under; the request's id is no part of it.

        Args:
            words: The body without frames: model, parameters, messages and schema.
            footage: What is shown beside it.

        Raises:
            VideoError: If the footage cannot be read.
        """
        shown = "" if footage is None else self._identity(footage)
        return hashlib.sha256(f"{_FORMAT}\n{self._url}\n{shown}\n".encode() + words).hexdigest()

    def load(self, key: str, request_id: str) -> TeacherReply | None:
        """The reply kept under a key, as the reply to a request; None if there is none."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM replies WHERE key = :key", {"key": key})
        if row is None:
            return None
        values = dict(zip(_COLUMNS.split(", "), row, strict=True))
        return TeacherReply.model_validate({"request_id": request_id, **values})

    def keep(self, key: str, reply: TeacherReply) -> None:
        """Keep a reply; an error is none."""
        if reply.outcome is Outcome.ERROR:
            return
        values = ", ".join(f":{name}" for name in _COLUMNS.split(", "))
        self._database.run(
            f"INSERT OR IGNORE INTO replies (key, model, {_COLUMNS}) VALUES (:key, :model, {values})",
            {"key": key, "model": self._settings.model, **reply.model_dump(mode="json")},
        )

    def _identity(self, footage: Footage) -> str:
        with _as_video_error(footage.path):
            file = _file_identity(footage.path)
            content = self._known(file)
            if content is None:
                content = _content_hash(footage.path)
                self._learn(file, content)
        window = f"{footage.start_s:.6f}|{footage.end_s:.6f}|{footage.as_video}"
        return f"{content}|{window}|{footage.sampling.model_dump_json()}"

    def _known(self, file: str) -> str | None:
        row = self._database.row("SELECT content FROM videos WHERE identity = :file", {"file": file})
        return None if row is None else str(row[0])

    def _learn(self, file: str, content: str) -> None:
        statement = "INSERT OR IGNORE INTO videos (identity, content) VALUES (:file, :content)"
        self._database.run(statement, {"file": file, "content": content})


def _file_identity(path: Path) -> str:
    stat = path.stat()
    return f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"


def _content_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _as_video_error(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise VideoError(path, "the file does not exist") from None
    except OSError as error:
        raise VideoError(path, f"cannot be read ({error.strerror})") from None
