"""What a teacher is: something that turns a prompt, and frames if it is given any, into text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vlm_autodrive.records import Outcome, Record, TeacherPrompt
from vlm_autodrive.video.frames import Frames


@dataclass(frozen=True)
class TeacherRequest:
    """One text that is wanted.

    Attributes:
        request_id: Unique among the requests of a run; replies are joined by it.
        prompt: What the teacher reads.
        frames: Loads the clip's frames, when the request's turn has come; None for text alone.
        schema: JSON schema of the answer, and its name.
        answered: What the teacher wrote before, and what was wrong with it, for a repair turn.
    """

    request_id: str
    prompt: TeacherPrompt
    frames: Callable[[], Frames] | None = None
    schema: tuple[str, dict[str, Any]] | None = field(default=None)
    answered: tuple[str, str] | None = None


class TeacherReply(Record):
    """What came of one request.

    Attributes:
        request_id: The request.
        outcome: ``ok``, or how it failed.
        text: All that the teacher wrote.
        reason: Why it failed, in plain words.
        prompt_tokens: As the endpoint counted them; 0 if it does not.
        completion_tokens: Likewise.
    """

    request_id: str
    outcome: Outcome
    text: str = ""
    reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Teacher(Protocol):
    """Writes texts."""

    @property
    def name(self) -> str:
        """As it stands in supervision items."""

    def write(self, requests: Sequence[TeacherRequest]) -> Iterator[TeacherReply]:
        """Answer every request exactly once, in whatever order the answers arrive.

        Raises:
            UserError: If no request could ever succeed, such as for a wrong key.
        """
