"""Jobs of many requests for a served teacher, also in processes of their own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from tests.supervision.worlds import real_clip
from vlm_autodrive.engines import EndpointUsage
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, TeacherPrompt, append_jsonl
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.served import open_served

FACTS = facts_of(real_clip(1, "normal", None), DEFAULT_TAXONOMY)


class SeenAnswer(BaseModel):
    """What the requests ask for."""

    seen: str


def request(number: int, text: str = "What is seen?", **more) -> TeacherRequest:
    prompt = TeacherPrompt(system="You write.", text=f"{text} <{number}>", version="1")
    return TeacherRequest(f"clip_{number}/description", "description", FACTS, prompt, SeenAnswer, **more)


def served(url: str, cache: Path, **settings) -> ServedTeacherSettings:
    values = {"base_url": url, "model": "big-teacher", "cache": str(cache), "max_connections": 8, **settings}
    return ServedTeacherSettings(**values)


def ask(
    settings: ServedTeacherSettings, requests: Sequence[TeacherRequest], job: str = "job", reporter: Reporter = SILENT
) -> tuple[list[TeacherReply | UserError], EndpointUsage]:
    """Ask for all, as many at once as the teacher wants; what stops the run stands in its request's place."""

    async def run():
        async with open_served(settings, job, reporter) as teacher:
            places = asyncio.Semaphore(teacher.concurrency)

            async def one(wanted: TeacherRequest) -> TeacherReply | UserError:
                async with places:
                    try:
                        return await teacher.write(wanted)
                    except UserError as error:
                        return error

            replies = await asyncio.gather(*(one(wanted) for wanted in requests))
            return replies, teacher.use()

    return asyncio.run(run())


def run_job(url: str, cache: Path, numbers: range, out: Path, **settings) -> None:
    """In a process of its own: ask for all, and write what came of it when all is done."""
    replies, _ = ask(served(url, cache, **settings), [request(number) for number in numbers])
    append_jsonl(out, [reply for reply in replies if isinstance(reply, TeacherReply)])
    told = [str(reply) for reply in replies if isinstance(reply, UserError)]
    out.with_suffix(".stopped").write_text("\n".join(told), encoding="utf-8")
