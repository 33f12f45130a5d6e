"""What a served model, or a person, thinks of a reasoning trace."""

from pydantic import Field

from vlm_autodrive.records.base import Outcome, Record


class Judgement(Record):
    """One trace, one judge: exactly one record for each prediction.

    Attributes:
        clip_id: The clip.
        model: The model that wrote the trace.
        judge: The model that judges.
        outcome: How it ended; an ``error`` too where there is no trace to judge.
        grade: 1 to 5; None if it gave none that can be read.
        why: What it says for it.
        raw_text: All that it wrote.
        reason: Why there is no grade; empty if there is one.
        prompt: What it was asked; empty if it was not.
    """

    clip_id: str
    model: str
    judge: str
    outcome: Outcome
    grade: int | None = Field(None, ge=1, le=5)
    why: str = ""
    raw_text: str = ""
    reason: str = ""
    prompt: str = ""


class HumanRating(Record):
    """A person's grade of a trace, by the same rubric.

    Attributes:
        clip_id: The clip.
        grade: 1 to 5.
        person: Who; empty if that is not told.
    """

    clip_id: str
    grade: int = Field(ge=1, le=5)
    person: str = ""
