"""A person's audit of a supervision set: the sample that was drawn, and the verdicts on it."""

from typing import Literal

from pydantic import AwareDatetime, Field

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.supervision import SupervisionType

Reason = Literal["", "untrue", "time", "class", "unseen", "leak", "empty", "wording", "other"]
REASONS: dict[Reason, str] = {
    "untrue": "Says what is not so",
    "time": "Wrong time",
    "class": "Wrong class",
    "unseen": "Cannot be seen",
    "leak": "Gives the answer away",
    "empty": "Says nothing",
    "wording": "Badly worded",
    "other": "Something else",
}
"""Why a person may reject an item, in the words of the page."""


class ReviewStratum(Record):
    """Items that are alike in kind, class, teacher and what the checks said of them.

    Attributes:
        type: Their supervision type.
        event_class: The class of their clips; None for events of unknown kind.
        teacher: Who wrote them.
        accepted: Whether they passed the checks, and so are taught.
        size: How many the supervision set has.
        drawn: How many of them are in the sample; at least 1.
    """

    type: SupervisionType
    event_class: str | None
    teacher: str
    accepted: bool
    size: int
    drawn: int


class ReviewedSample(Record):
    """One item of the sample.

    Attributes:
        sample_id: The item.
        stratum: Its place in the sample's strata, from 0 on.
        weight: How many items of the supervision set it stands for.
    """

    sample_id: str
    stratum: int
    weight: float


class ReviewSample(Record):
    """What was drawn for people to judge.

    Attributes:
        review_id: Hash of the drawn items with all their words: verdicts on other words are of another audit.
        strata: The strata, those of the whole supervision set or of the kinds asked for.
        items: The items, in the order of the page; every stratum comes once before any comes again.
    """

    review_id: str
    strata: tuple[ReviewStratum, ...]
    items: tuple[ReviewedSample, ...]


class ReviewDecision(Record):
    """What one person said of one item.

    Attributes:
        review_id: The audit.
        sample_id: The item.
        verdict: Whether the person would have it taught.
        reason: Why not, a key of :data:`REASONS`; empty if none was chosen.
        note: In the person's own words; may be empty.
        reviewer: The person's name or initials.
        time: When it was said.
    """

    review_id: str
    sample_id: str
    verdict: Literal["accept", "reject"]
    reason: Reason = ""
    note: str = ""
    reviewer: str = Field(min_length=1)
    time: AwareDatetime
