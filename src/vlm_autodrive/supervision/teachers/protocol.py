"""The protocol of teachers: requests, replies and the interface."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel

from vlm_autodrive.records import Outcome, Record, TeacherPrompt, append_jsonl, read_partial_jsonl
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.video import Blur, Frames, SamplingSettings, read_frames

TeacherTask = Literal["description", "questions", "reasoning", "understanding", "reasoning_vqa", "thinking"]


@dataclass(frozen=True)
class TeacherVideo:
    """The window of a video that a teacher is shown, and how.

    Attributes:
        path: The video.
        start_s: Start of the window, in seconds after the video's first frame.
        end_s: Its end, likewise.
        sampling: Which frames, and how large.
        as_video: Send them as one video rather than as images; either way with their true times.
        stream: Which of the file's video streams, as for a clip.
        blur: What is blurred in its frames.
    """

    path: Path
    start_s: float
    end_s: float
    sampling: SamplingSettings
    as_video: bool = False
    stream: int | None = None
    blur: Blur = None

    def frames(self) -> Frames:
        """Its frames.

        Raises:
            VideoError: If they cannot be read.
        """
        return read_frames(self.path, self.start_s, self.end_s, self.sampling, stream=self.stream, blur=self.blur)


@dataclass(frozen=True)
class TeacherRequest:
    """One text that is wanted.

    Attributes:
        request_id: Unique in a supervision set, such as ``clip/description`` or ``clip/description/repair``.
        wanted: What is wanted.
        facts: What is known of the clip. A model reads ``prompt`` alone.
        prompt: What the model reads. It may hold the label.
        answer: The shape of the answer, a JSON object of this model.
        footage: What a model is shown; None for text alone.
        answered: What the teacher wrote before, and what was wrong with it, in a repair turn.
    """

    request_id: str
    wanted: TeacherTask
    facts: Facts
    prompt: TeacherPrompt
    answer: type[BaseModel]
    footage: TeacherVideo | None = None
    answered: tuple[str, str] | None = None


class TeacherReply(Record):
    """What came of one request.

    Attributes:
        request_id: The request.
        outcome: ``ok``, or how it failed.
        text: All that the teacher wrote, as it wrote it.
        thoughts: What a reasoning model thought beforehand, where its server tells that apart from the text.
        reason: Why it failed, in plain words.
        prompt_tokens: As the endpoint counted them; 0 if it does not.
        completion_tokens: Likewise.
    """

    request_id: str
    outcome: Outcome
    text: str = ""
    thoughts: str = ""
    reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


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


class Teacher(Protocol):
    """Writes with a model in this process, or by asking a served one."""

    @property
    def name(self) -> str:
        """As it stands in supervision samples."""

    @property
    def concurrency(self) -> int:
        """How many requests it is worth having under way at the same time; 1 for local models."""

    def use(self) -> BaseModel | None:
        """What writing has used so far, for ``summary.json``; None where it costs nothing."""

    def used(self) -> str:
        """Likewise in a few words; empty where it costs nothing."""

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Answer one request. What fails is a reply with its outcome and reason.

        Raises:
            UserError: If no request could ever succeed, such as for a wrong key, or the budget is spent.
        """
