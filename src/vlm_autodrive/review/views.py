"""What the pages and the JSON routes show: classes, an item with all around it, and how far a review is."""

from collections.abc import Sequence
from typing import Any

from vlm_autodrive.palette import class_colour
from vlm_autodrive.records import (
    REJECTION_REASONS,
    Correction,
    Estimate,
    MomentLabel,
    Record,
    RejectionReason,
    SampleLabel,
    Taxonomy,
)
from vlm_autodrive.review.items import ReviewItem
from vlm_autodrive.review.media import ItemMedia


class ClassView(Record):
    """A class as the page shows it: never by its colour alone.

    Attributes:
        name: Its name in records.
        label: What people read.
        colour: Its CSS colour.
        pattern_letter: The letter that marks it where there is no room for the label.
        is_event: Whether something happens in it.
    """

    name: str
    label: str
    colour: str
    pattern_letter: str
    is_event: bool


class Thumbnail(Record):
    """One thumbnail of an item: its moment in item time, and where it is."""

    time_s: float
    url: str


class ItemView(Record):
    """All that the review screen needs of an item.

    Attributes:
        item: The item.
        decisions: All decisions on it, in order.
        current: What holds of it now; None if nothing is said.
        etag: Its entity tag.
        taxonomy: The classes.
        media: Its files.
        thumbs: Its thumbnails.
        previous: The item before it in the queue; None at the beginning.
        next: The one after it; None at the end.
        position: Its place in the queue, from 1 on.
        queue_length: How many items the queue has.
        hide_answer: Whether the model's answer is to be hidden until this reviewer has decided.
        reviewer: Who reviews.
        reasons: Why a sample may be rejected, by the name in records.
    """

    item: ReviewItem
    decisions: tuple[Correction, ...]
    current: MomentLabel | SampleLabel | None
    etag: str
    taxonomy: tuple[ClassView, ...]
    media: tuple[ItemMedia, ...]
    thumbs: tuple[Thumbnail, ...]
    previous: str | None
    next: str | None
    position: int
    queue_length: int
    hide_answer: bool
    reviewer: str
    reasons: dict[RejectionReason, str] = REJECTION_REASONS


class ReviewSummary(Record):
    """How far a review is.

    Attributes:
        items: How many items there are.
        reviewed: How many of them this reviewer has decided on.
        left: How many are left.
        reviewed_by_anyone: How many anybody has decided on.
        by_decision: Standing decisions by their kind, of all reviewers.
        reviewers: Items decided on, by reviewer.
        decided_by_two: Items that two or more reviewers have decided on.
        agreement: Krippendorff's alpha of their classes (nominal) with its 95 % confidence interval, by a bootstrap
            over videos; None with fewer than two reviewers, and of samples.
        blind: Whether answers are hidden until the first decision.
        reviewer: Who reviews.
    """

    items: int
    reviewed: int
    left: int
    reviewed_by_anyone: int
    by_decision: dict[str, int]
    reviewers: dict[str, int]
    decided_by_two: int
    agreement: Estimate | None
    blind: bool
    reviewer: str


def class_views(taxonomy: Taxonomy) -> tuple[ClassView, ...]:
    """The classes of a taxonomy, in its order."""
    letters = _letters([each.label for each in taxonomy.classes])
    return tuple(
        ClassView(
            name=each.name,
            label=each.label,
            colour="#{:02x}{:02x}{:02x}".format(*class_colour(taxonomy.event_names, each.name)),
            pattern_letter=letter,
            is_event=each.is_event,
        )
        for each, letter in zip(taxonomy.classes, letters, strict=True)
    )


def as_json(record: Record) -> dict[str, Any]:
    """A record as an answer of the server."""
    return record.model_dump(mode="json")


def _letters(labels: Sequence[str]) -> list[str]:
    """A letter for each class: its first that no class before it has, or else a number."""
    taken: list[str] = []
    for number, label in enumerate(labels, start=1):
        letters = [letter.upper() for letter in label if letter.isalpha()]
        taken.append(next((letter for letter in letters if letter not in taken), str(number)))
    return taken
