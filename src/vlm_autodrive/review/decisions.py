"""What a reviewer asks to be decided, checked and made into a correction."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from pydantic import Field

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    Correction,
    Decision,
    MomentLabel,
    Record,
    RejectionReason,
    SampleLabel,
    Taxonomy,
    file_at,
)
from vlm_autodrive.review.items import ReviewedSample, ReviewItem
from vlm_autodrive.review.store import current_label, standing

_OF_SAMPLES = ("accept", "reject", "correct")
_SLACK_S = 0.05  # the last frame's length is a guess in many files


class DecisionRequest(Record):
    """One decision, as the page sends it.

    Attributes:
        decision: Its kind.
        after: What holds of a moment from now on; of a confirmation None or what holds already.
        target: The text of a sample that was corrected.
        rejection: Why a sample is rejected.
        reason: Why; needed where the class is changed. Of a sample a note.
        blind: Whether the model's answer, or what the checks said of a sample, was hidden.
        model: The model whose answer was judged; None for the first.
    """

    decision: Literal["confirm", "change", "add", "accept", "reject", "correct"]
    after: MomentLabel | None = None
    target: str = Field("", max_length=20_000)
    rejection: RejectionReason = ""
    reason: str = Field("", max_length=2000)
    blind: bool = False
    model: str | None = Field(None, max_length=500)


class RefusedDecision(UserError):
    """A decision that cannot be taken as it is; the message says why, and what to do."""


def make_correction(
    item: ReviewItem,
    decisions: Sequence[Correction],
    request: DecisionRequest,
    taxonomy: Taxonomy,
    reviewer: str,
    length_s: float,
) -> Correction:
    """The correction that a decision makes.

    Args:
        item: The item.
        decisions: What was decided on it before.
        request: The decision.
        taxonomy: The classes.
        reviewer: Who decides.
        length_s: The length of the item's time line.

    Raises:
        RefusedDecision: If a class is unknown, a reason is missing, or a time cannot be.
    """
    before = current_label(item.said, decisions)
    reason = request.reason.strip()
    if item.sample is not None:
        said = _label_sample(item.sample, request)
        teacher = item.sample.sample.teacher
        return _correction(item, request.decision, before, said, reviewer, reason, request.blind, model=teacher)
    assert not isinstance(before, SampleLabel)
    after: MomentLabel
    if request.decision in _OF_SAMPLES:
        raise RefusedDecision("this is no SFT sample; confirm or change what is said of it.")
    if request.decision == "confirm":
        if before is None:
            raise RefusedDecision("nothing is said of this item yet that could be confirmed; choose its class.")
        after = before
    else:
        if request.after is None:
            raise RefusedDecision("the new label is missing; choose a class.")
        after = request.after
        _check(after, taxonomy, length_s)
    if request.decision == "add":
        before = None
        if after.event_class not in taxonomy.event_names:
            raise RefusedDecision("an added event needs the class of an event.")
    elif before is not None and before.event_class != after.event_class and not reason:
        raise RefusedDecision("the class is changed; say why.")
    return _correction(item, request.decision, before, after, reviewer, reason, request.blind, model=request.model)


def make_undo(item: ReviewItem, decisions: Sequence[Correction], reviewer: str) -> Correction:
    """The correction that takes back a reviewer's last standing decision on an item.

    Raises:
        RefusedDecision: If there is none.
    """
    own = [each for each in standing(decisions) if each.reviewer == reviewer]
    if not own:
        raise RefusedDecision("there is no decision of yours on this item to take back.")
    undone = own[-1]
    left = [each for each in decisions if each.correction_id != undone.correction_id]
    before, after = current_label(item.said, decisions), current_label(item.said, left)
    return _correction(
        item, "undo", before, after, reviewer, "", blind=False, model=undone.model, undoes=undone.correction_id
    )


def _label_sample(reviewed: ReviewedSample, request: DecisionRequest) -> SampleLabel:
    """What a decision says of a sample; to accept is to accept the text as the set has it."""
    sample = reviewed.sample
    if request.decision not in _OF_SAMPLES:
        raise RefusedDecision("this is an SFT sample; accept, reject or correct it.")
    label = SampleLabel(sample_id=sample.sample_id, accepted=request.decision != "reject", target=sample.target)
    if request.decision == "reject":
        if not request.rejection:
            raise RefusedDecision("the reason is missing; choose why the sample is rejected.")
        return label.model_copy(update={"rejection": request.rejection})
    if request.decision == "accept":
        return label
    target = request.target.replace("\r\n", "\n").strip()
    if not target:
        raise RefusedDecision("the corrected text is empty; write one, or reject the sample.")
    if target == sample.target:
        raise RefusedDecision("the text is as it was; accept it, or change it.")
    return label.model_copy(update={"target": target})


def _check(label: MomentLabel, taxonomy: Taxonomy, length_s: float) -> None:
    if label.event_class not in taxonomy.names:
        raise RefusedDecision(f"there is no class {label.event_class}; choose one of {', '.join(taxonomy.names)}.")
    times_s = (label.time_s, label.start_s, label.end_s, label.alert_time_s)
    given_s = [time_s for time_s in times_s if time_s is not None]
    if label.event_class not in taxonomy.event_names:
        if given_s:
            raise RefusedDecision(f"{taxonomy.normal.label} has no event; leave its times out.")
        return
    for time_s in given_s:
        if not 0 <= time_s <= length_s + _SLACK_S:  # NaN too is refused
            raise RefusedDecision(f"{time_s:g} s lies outside the video, which is {length_s:.2f} s long.")
    ordered = [time_s for time_s in (label.start_s, label.time_s, label.end_s) if time_s is not None]
    if any(earlier > later for earlier, later in pairwise(ordered)):
        raise RefusedDecision("an event's start, moment and end must come in this order; move one of them.")
    if label.alert_time_s is not None and label.time_s is not None and label.alert_time_s > label.time_s:
        raise RefusedDecision("the alert must not come after the event's moment; move one of them.")


def _correction(
    item: ReviewItem,
    decision: Decision,
    before: MomentLabel | SampleLabel | None,
    after: MomentLabel | SampleLabel | None,
    reviewer: str,
    reason: str,
    blind: bool,
    *,
    model: str | None,
    undoes: str | None = None,
) -> Correction:
    if not item.files:
        raise RefusedDecision("this item has no video, so nothing can be decided on it.")
    moments = [each.time_s for each in (after, before, item.label) if isinstance(each, MomentLabel)]
    moment = next((time_s for time_s in moments if time_s is not None), None)
    file = file_at(item.files, (item.start_s + item.end_s) / 2 if moment is None else moment)
    answer = item.answer_of(model)
    return Correction(
        correction_id=uuid.uuid4().hex,
        item_id=item.item_id,
        decision=decision,
        reviewer=reviewer,
        at=datetime.now(UTC),
        before=before,
        after=after,
        reason=reason,
        blind=blind,
        model=model if model is not None else answer.model if answer is not None else "",
        undoes=undoes,
        video=file.path,
        video_stream=item.video_stream,
        video_start_s=file.start_s,
        window_start_s=item.start_s,
        window_end_s=item.end_s,
        video_id=item.video_id,
        clip_id=item.clip_id,
        split=item.split,
    )
