"""Human review of a supervision set: the SFT samples that were drawn, and the decisions on them."""

from typing import Literal

from pydantic import AwareDatetime, Field

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.supervision import SupervisionType

RejectionReason = Literal["", "untrue", "time", "class", "unseen", "leak", "empty", "wording", "other"]
REJECTION_REASONS: dict[RejectionReason, str] = {
    "untrue": "Says what is not so",
    "time": "Wrong time",
    "class": "Wrong class",
    "unseen": "Cannot be seen",
    "leak": "Gives the answer away",
    "empty": "Says nothing",
    "wording": "Badly worded",
    "other": "Something else",
}
"""Why a reviewer may reject a sample, in the words of the page."""


class ReviewStratum(Record):
    """Samples that are alike in type, class, teacher and result of the automatic checks.

    Attributes:
        type: Their supervision type.
        event_class: The class of their clips; None for events of unknown kind.
        teacher: Who wrote them.
        accepted: Whether they passed the checks, and so are trained on.
        size: How many the supervision set has.
        drawn: How many of them were drawn; at least 1.
    """

    type: SupervisionType
    event_class: str | None
    teacher: str
    accepted: bool
    size: int
    drawn: int


class ReviewedSample(Record):
    """One SFT sample that was drawn for review.

    Attributes:
        sample_id: The sample.
        stratum: Its place in the strata of the review, from 0 on.
        weight: Number of samples of the supervision set that it represents (inverse sampling probability).
    """

    sample_id: str
    stratum: int
    weight: float


class ReviewDraw(Record):
    """The sample of a supervision set that people review.

    Attributes:
        review_id: Hash of the drawn samples with all their words: decisions on other words are of another review.
        strata: The strata, those of the whole supervision set or of the wanted types.
        samples: The samples, in the order of the page; every stratum comes once before any comes again.
    """

    review_id: str
    strata: tuple[ReviewStratum, ...]
    samples: tuple[ReviewedSample, ...]


class ReviewDecision(Record):
    """One reviewer's decision on one SFT sample.

    Attributes:
        review_id: The review.
        sample_id: The sample.
        decision: Whether the person would train on it.
        reason: Why not, a key of :data:`REJECTION_REASONS`; empty if none was chosen.
        note: In the person's own words; may be empty.
        reviewer: The person's name or initials.
        time: When it was decided.
    """

    review_id: str
    sample_id: str
    decision: Literal["accept", "reject"]
    reason: RejectionReason = ""
    note: str = ""
    reviewer: str = Field(min_length=1)
    time: AwareDatetime
