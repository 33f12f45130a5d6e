"""The served teacher: any OpenAI-compatible endpoint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from vlm_autodrive.engines import Asked, Client, Use, most_cost, open_client
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.teacher_settings import TEACHER, ServedTeacherSettings
from vlm_autodrive.supervision.teachers.chat import chat_body, reply_of
from vlm_autodrive.supervision.teachers.estimate import shown_tokens
from vlm_autodrive.supervision.teachers.footage import FootageIdentities
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.video import VideoError, read_frames

_HINTS = (
    ("max_completion_tokens", "it knows the bound by another name; set served.token_limit"),
    ("temperature", "it chooses the temperature itself; set served.temperature: null"),
    ("response_format|json_schema|guided", "it may not take JSON schemas; set served.json_schema: false"),
    ("HTTP 413|context|too (long|large)", "show it fewer or smaller frames, or lower served.max_tokens"),
)


@asynccontextmanager
async def open_served(settings: ServedTeacherSettings, job: str, reporter: Reporter) -> AsyncIterator["ServedTeacher"]:
    """Open a served teacher. Leaving waits for the requests in flight, since they are paid for, and keeps the replies.

    Args:
        settings: The endpoint.
        job: What the budget is for, the same over all runs and processes that are to share it.
        reporter: Told if kept replies are damaged, and if leaving takes time.

    Raises:
        UserError: If the endpoint is on another machine and that is not allowed, the key is missing, or replies
            cannot be kept.
    """
    async with open_client(settings, TEACHER, job, reporter, kept_for=settings.model, hints=_HINTS) as client:
        yield ServedTeacher(settings, client)


class ServedTeacher:
    """Asks an endpoint; made by :func:`open_served`."""

    def __init__(self, settings: ServedTeacherSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._footage = FootageIdentities(client.database)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def at_once(self) -> int:
        """The most that may ever be in flight; how many are is found out."""
        return self._settings.max_connections

    def use(self) -> Use:
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
        words = chat_body(self._settings, request)
        most = most_cost(words, shown_tokens(footage), self._settings.max_tokens)
        with_pictures = None if footage is None else partial(_with_frames, self._settings, request)
        try:
            await self._footage.look_at(footage)
            answer = await self._client.ask(Asked(words, most, self._footage.of(footage), with_pictures))
        except VideoError as error:
            reason = f"its frames cannot be read: {error.reason}"
            return TeacherReply(request_id=request.request_id, outcome=Outcome.ERROR, reason=reason)
        return reply_of(request, answer)


def _with_frames(settings: ServedTeacherSettings, request: TeacherRequest) -> bytes:
    footage = request.footage
    assert footage is not None
    return chat_body(settings, request, read_frames(footage.path, footage.start_s, footage.end_s, footage.sampling))
