"""Grades of reasoning traces: a judge model's, and human ratings by the same rubric."""

from pydantic import Field

from vlm_autodrive.records.base import Outcome, Record


class Judgement(Record):
    """A judge model's grade of one reasoning trace; exactly one record for each prediction.

    Attributes:
        clip_id: The clip.
        model: The model that generated the trace.
        judge: The model that judges.
        outcome: How it ended; an ``error`` too where there is no trace to judge.
        grade: 1 to 5; None if none can be parsed.
        why: The judge's reason for it.
        raw_text: All that the judge wrote.
        reason: Why there is no grade; empty if there is one.
        prompt: The judge's prompt; empty if no request was sent.
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
    """A human rating of a reasoning trace, by the same rubric.

    Attributes:
        clip_id: The clip.
        grade: 1 to 5.
        person: The rater; empty if unknown.
    """

    clip_id: str
    grade: int = Field(ge=1, le=5)
    person: str = ""
