"""A request as the body of a chat completion."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel

from vlm_autodrive.supervision.teacher_settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.pictures import as_images, as_video
from vlm_autodrive.supervision.teachers.protocol import TeacherRequest
from vlm_autodrive.video.frames import Frames


def chat_body(settings: ServedTeacherSettings, request: TeacherRequest, frames: Frames | None = None) -> bytes:
    """The body that asks for a text.

    Args:
        settings: The endpoint's.
        request: What is wanted.
        frames: What is shown; None leaves the frames out, be there footage or not.
    """
    shown = [] if frames is None else _shown(frames, request.footage is not None and request.footage.as_video)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": request.prompt.system},
        {"role": "user", "content": [*shown, _text(request.prompt.text)] if shown else request.prompt.text},
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
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


@cache
def _schema(answer: type[BaseModel]) -> dict[str, Any]:
    return answer.model_json_schema()


def _shown(frames: Frames, is_video: bool) -> list[dict[str, Any]]:
    """The frames with their true times; they come before the text, so that requests about a clip begin alike."""
    if is_video:
        times = ", ".join(f"{time_s:.2f}" for time_s in frames.times_s)
        video = {"type": "video_url", "video_url": {"url": as_video(frames)}}
        return [video, _text(f"The frames of the video are at t={times} seconds.")]
    parts: list[dict[str, Any]] = []
    for url, time_s in zip(as_images(frames), frames.times_s, strict=True):
        parts += [_text(f"The frame at t={time_s:.2f}:"), {"type": "image_url", "image_url": {"url": url}}]
    return parts


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
