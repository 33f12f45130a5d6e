"""Which footage a reply is about: the content of its video, the window and how it is sampled."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.engines import Database
from vlm_autodrive.supervision.teachers.protocol import Footage
from vlm_autodrive.video import VideoError


class FootageIdentities:
    """Identities of footage by content, so that a video may be moved; each video is read once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look_at(self, footage: Footage | None) -> None:
        """Learn the content of a video without holding up other requests, so that :meth:`of` is quick.

        Raises:
            VideoError: If it cannot be read.
        """
        if footage is None:
            return
        with _as_video_error(footage.path):
            file = _file_identity(footage.path)
            if self._known(file) is None:
                self._learn(file, await asyncio.to_thread(_content_hash, footage.path))

    def of(self, footage: Footage | None) -> str:
        """The identity of footage; empty for none.

        Raises:
            VideoError: If it cannot be read.
        """
        if footage is None:
            return ""
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
