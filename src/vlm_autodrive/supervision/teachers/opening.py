"""Opening the teacher, the captioner and the rejection sampler that the settings name."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from vlm_autodrive.engines import EndpointNames
from vlm_autodrive.progress import Reporter
from vlm_autodrive.supervision.settings import CAPTIONER, TEACHER, CaptionerSettings, SuperviseSettings
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


@dataclass(frozen=True)
class TeacherModels:
    """The models that write.

    Attributes:
        teacher: The teacher; None where rules write all.
        captioner: Who writes descriptions; None where the teacher or rules do.
    """

    teacher: Teacher | None = None
    captioner: Teacher | None = None

    @property
    def all(self) -> tuple[Teacher, ...]:
        """Those that there are."""
        return tuple(model for model in (self.teacher, self.captioner) if model is not None)

    def use(self) -> dict[str, Any]:
        """What each has used so far, for ``summary.json``; only those that cost something."""
        by_key = (("use", self.teacher), ("captioner_use", self.captioner))
        used = {key: model.use() for key, model in by_key if model is not None}
        return {key: use.model_dump(mode="json") for key, use in used.items() if use is not None}

    def used(self) -> str:
        """Likewise in a few words."""
        return ", ".join(words for model in self.all if (words := model.used()))


@asynccontextmanager
async def open_models(
    settings: SuperviseSettings, jobs: Mapping[str, str], kept: KeptReplies, reporter: Reporter
) -> AsyncIterator[TeacherModels]:
    """Open the teacher and the captioner for as long as the block lasts.

    Args:
        settings: Which they are.
        jobs: Whose budget each spends, by ``teacher`` and ``captioner``.
        kept: What an earlier run of local models has written.
        reporter: Told what is to be minded.

    Raises:
        UserError: If one cannot be used.
    """
    captioner, job = settings.captioner, jobs["captioner"]
    async with (
        _opened(settings, settings, TEACHER, jobs["teacher"], kept, reporter) as teacher,
        _opened(captioner, settings, CAPTIONER, job, kept, reporter) as its_captioner,
    ):
        yield TeacherModels(teacher, its_captioner)


@asynccontextmanager
async def _opened(
    which: SuperviseSettings | CaptionerSettings,
    settings: SuperviseSettings,
    names: EndpointNames,
    job: str,
    kept: KeptReplies,
    reporter: Reporter,
) -> AsyncIterator[Teacher | None]:
    if which.teacher == "served":
        from vlm_autodrive.supervision.teachers.served import open_served

        async with open_served(which.served, job, reporter, names) as served:
            yield served
    elif which.teacher == "local":
        from vlm_autodrive.supervision.teachers.local import open_local

        local = open_local(which.local, settings.seed, keys=names.keys.replace("served.", "local."))
        yield KeepingTeacher(local, kept)
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
    wanted = settings.samples_reasoning and "reasoning" in settings.types
    return open_rejection_sampler(settings.rejection_sampling, settings.seed, kept) if wanted else None
