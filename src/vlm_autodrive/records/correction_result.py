"""What became of reviewers' corrections when they were applied to a catalog."""

from typing import Literal

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.calibration import Estimate
from vlm_autodrive.records.correction import Decision, MomentLabel


class CorrectionOutcome(Record):
    """What became of one correction.

    Attributes:
        correction_id: The correction.
        item_id: The item that was decided on.
        decision: What kind of decision it is.
        reviewer: Who decided.
        outcome: ``applied`` changed the catalog, ``unchanged`` agrees with it, ``conflict`` contradicts another
            decision that holds too, ``refused`` may not or cannot be applied, ``superseded`` does not hold any more.
        reason: Why, or what was done, in a sentence.
        video_id: The video in the new catalog; None if it has none.
    """

    correction_id: str
    item_id: str
    decision: Decision
    reviewer: str
    outcome: Literal["applied", "unchanged", "conflict", "refused", "superseded"]
    reason: str
    video_id: str | None = None


class CatalogChange(Record):
    """One change of a catalog. Times are in seconds after the video's first frame.

    Attributes:
        correction_id: The correction that made it.
        reviewer: Who decided.
        reason: The reviewer's own reason; may be empty.
        change: ``changed`` an event, ``added`` one, ``removed`` one, or ``normal``: a moment is Normal that nobody had
            labelled before.
        video_id: The video.
        event_id: The event; None for a Normal moment.
        before: What the catalog said; None if nothing.
        after: What it says now; None if nothing.
    """

    correction_id: str
    reviewer: str
    reason: str
    change: Literal["changed", "added", "removed", "normal"]
    video_id: str
    event_id: str | None
    before: MomentLabel | None
    after: MomentLabel | None


class ReviewerAgreement(Record):
    """How far reviewers agree on the class of the items that several of them judged.

    Attributes:
        reviewers: How many decisions of each reviewer hold, by name.
        items: How many items several reviewers judged.
        blind: How many of those were judged by at least two reviewers to whom the model's answer was hidden.
        alike: The proportion of these items of which all say the same class.
        krippendorff_alpha: Agreement beyond chance, for classes without an order (nominal): 1 is full agreement, 0 is
            chance level. Its interval is the bootstrap's over videos.
    """

    reviewers: dict[str, int]
    items: int
    blind: int
    alike: Estimate
    krippendorff_alpha: Estimate


class CorrectionsResult(Record):
    """What corrections changed in a catalog: the content of ``diff.json``.

    Attributes:
        corrections: How many there are, those that do not hold any more too.
        outcomes: How many came to each outcome.
        new_videos: Ids of the videos that the catalog did not have.
        before: How many events of each class there were; under the name of the class without event, how many videos and
            moments are Normal; under ``unknown``, events of unknown kind.
        after: How many there are now.
        changes: Every change, in the order of the corrections.
        left_out: What was taken out because it no longer fits, in sentences.
        agreement: How far the reviewers agree.
    """

    corrections: int
    outcomes: dict[str, int]
    new_videos: tuple[str, ...]
    before: dict[str, int]
    after: dict[str, int]
    changes: tuple[CatalogChange, ...]
    left_out: tuple[str, ...]
    agreement: ReviewerAgreement
