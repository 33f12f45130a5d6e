"""A request as the body of a chat completion, and the completion as a reply."""

from functools import cache
from typing import Any

from pydantic import BaseModel

from vlm_autodrive.engines import Completion, body_of, shown, text_part
from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.video import Frames


def chat_body(settings: ServedTeacherSettings, request: TeacherRequest, frames: Frames | None = None) -> bytes:
    """The body that asks for a text.

    Args:
        settings: The endpoint's.
        request: What is wanted.
        frames: What is shown; None leaves the frames out, be there footage or not.
    """
    as_one_video = request.footage is not None and request.footage.as_video
    parts = [] if frames is None else shown(frames, as_one_video=as_one_video)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": request.prompt.system},
        {"role": "user", "content": [*parts, text_part(request.prompt.text)] if parts else request.prompt.text},
    ]
    if request.answered is not None:
        written, wrong = request.answered
        messages += [{"role": "assistant", "content": written}, {"role": "user", "content": wrong}]
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": messages,
        settings.token_limit: settings.max_tokens,
    }
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    if settings.json_schema:
        schema = {"name": request.wanted, "schema": _schema(request.answer)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body_of(body)


def reply_of(request: TeacherRequest, answer: Completion) -> TeacherReply:
    """What came of a request, as the teacher's reply to it."""
    return TeacherReply(
        request_id=request.request_id,
        outcome=answer.outcome,
        text=answer.text,
        thoughts=answer.thoughts,
        reason=answer.reason,
        prompt_tokens=answer.prompt_tokens or 0,
        completion_tokens=answer.completion_tokens or 0,
    )


@cache
def _schema(answer: type[BaseModel]) -> dict[str, Any]:
    return answer.model_json_schema()
