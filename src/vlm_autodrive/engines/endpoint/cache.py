"""The cache of paid replies, by request."""

import hashlib
from pathlib import Path

from vlm_autodrive.addresses import cache_folder
from vlm_autodrive.engines.endpoint.completion import Completion
from vlm_autodrive.engines.endpoint.database import Database
from vlm_autodrive.engines.endpoint.settings import EndpointSettings
from vlm_autodrive.records import Outcome

_FORMAT = 1  # counted up when frames are sent otherwise than before
_COLUMNS = ("outcome", "text", "reasoning", "reason", "prompt_tokens", "completion_tokens")


def cache_path(settings: EndpointSettings) -> Path:
    """The file that replies are kept in: the one of the settings, or one in the user's cache folder."""
    if settings.cache:
        return Path(settings.cache).expanduser()
    return cache_folder() / "teacher_replies.sqlite"


class ReplyCache:
    """Replies by everything that they depend on: frames, messages, schema, model and endpoint."""

    def __init__(self, database: Database, url: str, model: str) -> None:
        self._database = database
        self._url = url
        self._model = model

    def key(self, words: bytes, shown: str) -> str:
        """What a reply is kept under.

        Args:
            words: The body without pictures: model, parameters, messages and schema.
            shown: What tells the pictures from others; empty for none.
        """
        return hashlib.sha256(f"{_FORMAT}\n{self._url}\n{shown}\n".encode() + words).hexdigest()

    def load(self, key: str) -> Completion | None:
        """The reply kept under a key, without log-probabilities; None if there is none."""
        row = self._database.row(f"SELECT {', '.join(_COLUMNS)} FROM replies WHERE key = :key", {"key": key})
        if row is None:
            return None
        outcome, text, reasoning, reason = (str(value) for value in row[:4])
        read, written = (value if isinstance(value, int) else 0 for value in row[4:])
        return Completion(Outcome(outcome), text, reasoning, reason, read, written)

    def claim(self, key: str) -> bool:
        """Claim a request before it is sent; false if its reply is kept, or another client has claimed it.

        A claim holds until it is released, or until its client has ended, however that came.
        """
        with self._database.together():  # else a reply could come, and its claim go, between the two looks
            if self.load(key) is not None:
                return False
            row = self._database.row("SELECT owner FROM claims WHERE key = :key", {"key": key})
            if row is not None and self._database.is_open(str(row[0])):
                return False
            self._database.run(
                "INSERT OR REPLACE INTO claims (key, owner) VALUES (:key, :owner)",
                {"key": key, "owner": self._database.owner},
            )
        return True

    def release(self, key: str) -> None:
        """Give up the claim to a request: its reply is kept, or nothing came of it."""
        self._database.run(
            "DELETE FROM claims WHERE key = :key AND owner = :owner", {"key": key, "owner": self._database.owner}
        )

    def keep(self, key: str, answer: Completion) -> None:
        """Keep a reply that is whole: an error, or nothing to read, may be an answer when asked again."""
        if answer.outcome in (Outcome.ERROR, Outcome.UNPARSEABLE):
            return
        values = ", ".join(f":{name}" for name in _COLUMNS)
        self._database.run(
            f"INSERT OR IGNORE INTO replies (key, model, {', '.join(_COLUMNS)}) VALUES (:key, :model, {values})",
            {
                "key": key,
                "model": self._model,
                "outcome": answer.outcome.value,
                "text": answer.text,
                "reasoning": answer.reasoning,
                "reason": answer.reason,
                "prompt_tokens": answer.prompt_tokens or 0,
                "completion_tokens": answer.completion_tokens or 0,
            },
        )
