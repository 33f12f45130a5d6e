"""Opening the teacher and the rejection sampler that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel

from vlm_autodrive.progress import Reporter
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teachers.protocol import KeptReplies, Teacher, TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.rejection_sampling import RejectionSampler, open_rejection_sampler


class KeepingTeacher:
    """A teacher whose replies are kept."""

    def __init__(self, teacher: Teacher, kept: KeptReplies) -> None:
        self._teacher = teacher
        self._kept = kept
        self.name = teacher.name
        self.concurrency = teacher.concurrency

    def use(self) -> BaseModel | None:
        """What the teacher has used."""
        return self._teacher.use()

    def used(self) -> str:
        """Likewise in words."""
        return self._teacher.used()

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """The kept reply, or a new one; see :class:`.protocol.Teacher`."""
        reply = self._kept.get(request.request_id)
        if reply is None:
            reply = await self._teacher.write(request)
            self._kept.keep(reply)
        return reply


@asynccontextmanager
async def open_teacher(
    settings: SuperviseSettings, job: str, kept: KeptReplies, reporter: Reporter
) -> AsyncIterator[Teacher | None]:
    """Open the teacher for as long as the block lasts; None where rules write all.

    Args:
        settings: Which it is.
        job: Whose budget it spends.
        kept: What an earlier run of a local model has written.
        reporter: Told what is to be minded.

    Raises:
        UserError: If it cannot be used.
    """
    if settings.teacher == "served":
        from vlm_autodrive.supervision.teachers.served import open_served

        async with open_served(settings.served, job, reporter) as served:
            yield served
    elif settings.teacher == "local":
        from vlm_autodrive.supervision.teachers.local import open_local

        yield KeepingTeacher(open_local(settings.local, settings.seed), kept)
    else:
        yield None


def rejection_sampler_for(settings: SuperviseSettings, kept: KeptReplies) -> RejectionSampler | None:
    """The sampler, if reasoning comes from rejection sampling.

    Args:
        settings: Which it is.
        kept: What an earlier run of it has written.

    Raises:
        UserError: If it cannot be loaded.
    """
    wanted = settings.reasoning == "rejection_sampling" and "reasoning" in settings.types
    return open_rejection_sampler(settings.rejection_sampling, settings.seed, kept) if wanted else None
