"""The served teacher: any OpenAI-compatible endpoint."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from vlm_autodrive.addresses import address_of, is_address, state_of
from vlm_autodrive.engines import (
    ChatRequest,
    Completion,
    Database,
    EndpointClient,
    EndpointNames,
    EndpointUsage,
    FrameForm,
    Hint,
    frame_parts,
    least_picture_tokens,
    max_usage,
    open_client,
    picture_tokens,
    seen_in_reply,
    structured_body,
    structured_hints,
    text_part,
)
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.settings import TEACHER, ServedTeacherSettings
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest, TeacherVideo
from vlm_autodrive.video import Frames, VideoError, target_frame_count


def chat_body(settings: ServedTeacherSettings, request: TeacherRequest, frames: Frames | None = None) -> bytes:
    """The body that asks for a text.

    Args:
        settings: The endpoint's.
        request: What is wanted.
        frames: What is shown; None leaves the frames out, be there footage or not.
    """
    form: FrameForm = "video" if request.footage is not None and request.footage.as_video else "images"
    parts = [] if frames is None else frame_parts(frames, form, say_times=True)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": request.prompt.system},
        {"role": "user", "content": [*parts, text_part(request.prompt.text)] if parts else request.prompt.text},
    ]
    if request.answered is not None:
        previous, wrong = request.answered
        messages += [{"role": "assistant", "content": previous}, {"role": "user", "content": wrong}]
    return structured_body(settings, messages, request.wanted, request.answer)


def reply_of(request: TeacherRequest, answer: Completion) -> TeacherReply:
    """What came of a request, as the teacher's reply to it."""
    return TeacherReply(
        request_id=request.request_id,
        outcome=answer.outcome,
        text=answer.text,
        thoughts=answer.reasoning,
        reason=answer.reason,
        prompt_tokens=answer.prompt_tokens or 0,
        completion_tokens=answer.completion_tokens or 0,
    )


class VideoIdentities:
    """Identities of footage by content, so that a video may be moved; each video is read once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look_at(self, footage: TeacherVideo | None) -> None:
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

    def of(self, footage: TeacherVideo | None) -> str:
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
        window = f"{footage.start_s:.6f}|{footage.end_s:.6f}|{footage.as_video}|{footage.stream}"
        blurred = f"|blur={footage.blur}" if footage.blur else ""
        return f"{content}|{window}|{footage.sampling.model_dump_json()}{blurred}"

    def _known(self, file: str) -> str | None:
        row = self._database.row("SELECT content FROM videos WHERE identity = :file", {"file": file})
        return None if row is None else str(row[0])

    def _learn(self, file: str, content: str) -> None:
        statement = "INSERT OR IGNORE INTO videos (identity, content) VALUES (:file, :content)"
        self._database.run(statement, {"file": file, "content": content})


def _file_identity(path: Path) -> str:
    if is_address(path):
        state = state_of(path)
        return f"{address_of(path)}|{state.size}|{state.stamp}"
    stat = path.stat()
    return f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"


def _content_hash(path: Path) -> str:
    if is_address(path):  # it is not read as a whole: name, size and ETag stand for its content
        return hashlib.sha256(_file_identity(path).encode()).hexdigest()
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


def _hints(keys: str) -> tuple[Hint, ...]:
    too_long, fewer = "HTTP 413|context|too (long|large)", f"show it fewer or smaller frames, or lower {keys}max_tokens"
    shorter = f"raise the server's context length, or lower {keys}max_tokens"
    return (*structured_hints(keys), Hint(too_long, fewer, of_frames=True), Hint(too_long, shorter))


@asynccontextmanager
async def open_served(
    settings: ServedTeacherSettings, job: str, reporter: Reporter, names: EndpointNames = TEACHER
) -> AsyncIterator["ServedTeacher"]:
    """Open a served teacher. Leaving waits for the requests in flight, since they are paid for, and keeps the replies.

    Args:
        settings: The endpoint.
        job: What the budget is for, the same over all runs and processes that are to share it.
        reporter: Told if kept replies are damaged, and if leaving takes time.
        names: What messages call it and its settings.

    Raises:
        UserError: If the endpoint is on another machine and that is not allowed, the key is missing, or replies
            cannot be kept.
    """
    hints = _hints(names.keys)
    async with open_client(settings, names, job, reporter, kept_for=settings.model, hints=hints) as client:
        yield ServedTeacher(settings, client)


class ServedTeacher:
    """Asks an endpoint; made by :func:`open_served`."""

    def __init__(self, settings: ServedTeacherSettings, client: EndpointClient) -> None:
        self._settings = settings
        self._client = client
        self._footage = VideoIdentities(client.database)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def concurrency(self) -> int:
        """The most that may ever be in flight; how many are is found out."""
        return self._settings.max_connections

    def use(self) -> EndpointUsage:
        """What was used since the teacher was opened."""
        return self._client.use()

    def used(self) -> str:
        """What was used since the teacher was opened, in a few words."""
        return self._client.used()

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Answer one request, from the cache or by asking. What fails is a reply with its outcome and reason.

        Raises:
            UserError: If no request could succeed, such as for a wrong key, or the budget is spent.
        """
        footage = request.footage
        # The cache key holds the identity of the video in place of its frames, so that a reply that was paid for is
        # found again without decoding, and whatever the JPEG encoder of the day writes.
        words = chat_body(self._settings, request)
        most = max_usage(words, shown_tokens(footage), self._settings.max_tokens)
        least = 0 if footage is None else self._least_tokens(footage)
        body_with_pictures = None if footage is None else partial(_with_frames, self._settings, request)
        try:
            await self._footage.look_at(footage)
            shown = self._footage.of(footage)
            answer = await self._client.ask(ChatRequest(words, most, shown, body_with_pictures, least))
        except VideoError as error:
            reason = f"its frames cannot be read: {error.reason}"
            return TeacherReply(request_id=request.request_id, outcome=Outcome.ERROR, reason=reason)
        self._client.tell_once(seen_in_reply(answer, self._settings.model))
        return reply_of(request, answer)

    def _least_tokens(self, footage: TeacherVideo) -> int:
        """Of the frames; half of them, as a window near the end of its file may hold fewer than are wanted."""
        sampling, per_frame = footage.sampling, self._settings.min_tokens_per_frame
        return least_picture_tokens(shown_pictures(footage), sampling.height, sampling.width, per_frame) // 2


def _with_frames(settings: ServedTeacherSettings, request: TeacherRequest) -> bytes:
    footage = request.footage
    assert footage is not None
    return chat_body(settings, request, footage.frames())


def shown_tokens(footage: TeacherVideo | None) -> int:
    """Tokens of the frames of footage; none for none."""
    if footage is None:
        return 0
    return picture_tokens(shown_pictures(footage), footage.sampling.height, footage.sampling.width)


def shown_pictures(footage: TeacherVideo | None) -> int:
    """Frames of footage; none for none."""
    return 0 if footage is None else target_frame_count(footage.end_s - footage.start_s, footage.sampling)
