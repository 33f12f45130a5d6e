"""Texts of a model in this process, kept as they are written, so that a run that was killed goes on from there."""

from pathlib import Path

from pydantic import BaseModel

from vlm_autodrive.records import Outcome, append_jsonl, read_partial_jsonl
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest


class KeptReplies:
    """The replies of an unfinished run, by request, in a file of its own folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replies = {reply.request_id: reply for reply in read_partial_jsonl(path, TeacherReply)}

    def get(self, request_id: str) -> TeacherReply | None:
        """What was written, if it was."""
        return self._replies.get(request_id)

    def keep(self, reply: TeacherReply) -> None:
        """Keep a reply; an error is none, and is tried again."""
        if reply.outcome is not Outcome.ERROR:
            append_jsonl(self._path, [reply])
            self._replies[reply.request_id] = reply

    def discard(self) -> None:
        """Remove the file, once all replies stand in the finished set."""
        self._path.unlink(missing_ok=True)


class KeepingTeacher:
    """A teacher whose replies are kept."""

    def __init__(self, teacher: Teacher, kept: KeptReplies) -> None:
        self._teacher = teacher
        self._kept = kept
        self.name = teacher.name
        self.at_once = teacher.at_once

    def use(self) -> BaseModel | None:
        """What the teacher has used."""
        return self._teacher.use()

    def used(self) -> str:
        """Likewise in words."""
        return self._teacher.used()

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """The kept reply, or a new one; see :class:`vlm_autodrive.supervision.teachers.protocol.Teacher`."""
        reply = self._kept.get(request.request_id)
        if reply is None:
            reply = await self._teacher.write(request)
            self._kept.keep(reply)
        return reply
