"""One review: what is reviewed, by whom, and all that the server needs for it."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vlm_autodrive.artifacts import reduce_history
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Correction, Estimate, MomentLabel, SampleLabel
from vlm_autodrive.review.decisions import DecisionRequest, make_correction, make_undo
from vlm_autodrive.review.items import ReviewItem
from vlm_autodrive.review.media import MediaLibrary
from vlm_autodrive.review.metrics import MetricsInBackground
from vlm_autodrive.review.pictures import PictureMaker, thumbnail_tenths
from vlm_autodrive.review.queue import QueueRow, QueueState, ReviewQueue
from vlm_autodrive.review.sources import ReviewSource, read_source
from vlm_autodrive.review.store import DecisionStore, current_label, default_store, etag_of, standing
from vlm_autodrive.review.views import ClassView, ItemView, ReviewSummary, Thumbnail, class_views
from vlm_autodrive.supervision import ReviewResult, ReviewSettings, acceptance_rates


@dataclass
class Review:
    """An open review. Its methods may be called from several threads.

    Attributes:
        source: What is reviewed.
        store: The decisions.
        media: The videos.
        pictures: Their pictures.
        reviewer: Who reviews.
        blind: Whether the model's answer is hidden until the reviewer's first decision on an item.
        start: The queue that is shown first, as the query of its address.
    """

    source: ReviewSource
    store: DecisionStore
    media: MediaLibrary
    pictures: PictureMaker
    reviewer: str
    blind: bool
    start: str = ""

    def __post_init__(self) -> None:
        """Find items by their ids, and queue them."""
        self._queue = ReviewQueue(self.source.items, self.source.models, self.source.taxonomy, self.reviewer)
        self._items = {item.item_id: item for item in self.source.items}
        self.metrics = MetricsInBackground(self.source)
        self._lock = threading.Lock()

    @cached_property
    def slices(self) -> dict[str, Counter[str]]:
        """How many items each value of each slice has."""
        found: dict[str, Counter[str]] = {}
        for item in self.source.items:
            for name, value in item.slices.items():
                found.setdefault(name, Counter())[value] += 1
        return found

    @cached_property
    def classes(self) -> tuple[ClassView, ...]:
        """The classes, in the taxonomy's order."""
        return class_views(self.source.taxonomy)

    def item(self, item_id: str) -> ReviewItem:
        """The item of an id.

        Raises:
            KeyError: If there is none.
        """
        return self._items[item_id]

    def rows(self, state: QueueState, keep: str | None = None) -> list[QueueRow]:
        """The rows of the queue for a state, of all pages; ``keep`` is an item that is among them in any case."""
        return self._queue.rows(self.store.all_decisions(), state, keep)

    def view(self, item_id: str, state: QueueState) -> ItemView:
        """All that the review screen needs of an item, reached by the queue of a state.

        Raises:
            KeyError: If there is no such item.
        """
        item = self.item(item_id)
        decisions = self.store.decisions(item_id)
        ids = [row.item.item_id for row in self.rows(state, keep=item_id)]
        place = ids.index(item_id)
        return ItemView(
            item=item.model_copy(update={"duration_s": self.media.length_s(item)}),
            decisions=decisions,
            current=current_label(item.said, decisions),
            etag=etag_of(decisions),
            taxonomy=self.classes,
            media=self.media.of_item(item),
            thumbs=tuple(
                Thumbnail(time_s=tenths / 10, url=f"/pictures/{item_id}/{tenths}.jpg")
                for tenths in (thumbnail_tenths(item) if item.files else ())
            ),
            previous=ids[place - 1] if place else None,
            next=ids[place + 1] if place + 1 < len(ids) else None,
            position=place + 1,
            queue_length=len(ids),
            hide_answer=self.hides_answer(decisions),
            reviewer=self.reviewer,
        )

    def current(self, item_id: str) -> MomentLabel | SampleLabel | None:
        """What holds of an item now; None if nothing is said of it, or there is no such item."""
        item = self._items.get(item_id)
        return current_label(item.said, self.store.decisions(item_id)) if item is not None else None

    @property
    def shows_metrics(self) -> bool:
        """Whether there is a metrics page: of predictions, unless their answers are hidden."""
        return bool(self.source.predictions) and not self.blind

    def hides_answer(self, decisions: Sequence[Correction]) -> bool:
        """Whether an item's answer is hidden from the reviewer, after these decisions on it."""
        return self.blind and not any(each.reviewer == self.reviewer for each in decisions)

    def decide(self, item_id: str, request: DecisionRequest, etag: str) -> tuple[Correction, str]:
        """Take a decision; returns the correction, which is on the disk, and the item's new entity tag.

        Raises:
            KeyError: If there is no such item.
            ReviewConflict: If something was decided on it since ``etag``.
            RefusedDecision: If it cannot be taken as it is.
        """
        item = self.item(item_id)
        length_s = self.media.length_s(item)
        return self._add(
            item_id,
            etag,
            lambda decisions: make_correction(item, decisions, request, self.source.taxonomy, self.reviewer, length_s),
        )

    def undo(self, item_id: str, etag: str) -> tuple[Correction, str]:
        """Take back the reviewer's last decision on an item; for the rest see :meth:`decide`."""
        item = self.item(item_id)
        return self._add(item_id, etag, lambda decisions: make_undo(item, decisions, self.reviewer))

    def _add(
        self, item_id: str, etag: str, make: Callable[[Sequence[Correction]], Correction]
    ) -> tuple[Correction, str]:
        with self._lock:
            decisions = self.store.decisions(item_id)
            self.store.check(item_id, etag)
            correction = make(decisions)
            return correction, self.store.add(correction, etag)

    def summary(self) -> ReviewSummary:
        """How far the review is."""
        decisions = {id_: found for id_, found in self.store.all_decisions().items() if id_ in self._items}
        held = {item_id: kept for item_id, found in decisions.items() if (kept := standing(found))}
        by_reviewer = Counter(name for kept in held.values() for name in {each.reviewer for each in kept})
        mine = by_reviewer[self.reviewer]
        return ReviewSummary(
            items=len(self._items),
            reviewed=mine,
            left=len(self._items) - mine,
            reviewed_by_anyone=len(held),
            by_decision=dict(sorted(Counter(each.decision for kept in held.values() for each in kept).items())),
            reviewers=dict(sorted(by_reviewer.items())),
            decided_by_two=sum(len({each.reviewer for each in kept}) > 1 for kept in held.values()),
            agreement=self._agreement(decisions) if len(by_reviewer) > 1 and not self.source.strata else None,
            blind=self.blind,
            reviewer=self.reviewer,
        )

    def acceptance(self) -> ReviewResult | None:
        """The acceptance rates of a supervision set and the agreement of its reviewers; None for other sources."""
        if not self.source.strata:
            return None
        return acceptance_rates(self.source.strata, reduce_history(_flat(self.store.all_decisions())).holding)

    def _agreement(self, decisions: dict[str, tuple[Correction, ...]]) -> Estimate:
        from vlm_autodrive.datasets import reviewer_agreement  # seconds of scipy, for two reviewers

        return reviewer_agreement(reduce_history(_flat(decisions))).krippendorff_alpha

    def close(self) -> None:
        """Close the store and stop what is made in the background."""
        self.media.close()
        self.store.close()


def _flat(decisions: dict[str, tuple[Correction, ...]]) -> list[Correction]:
    return [each for found in decisions.values() for each in found]


def open_review(
    path: Path,
    reviewer: str,
    store: Path | None = None,
    *,
    drawing: ReviewSettings | None = None,
    blind: bool = False,
    media_roots: Sequence[Path] = (),
    start: str = "",
) -> Review:
    """Open a folder for review.

    Args:
        path: The folder; see :func:`~vlm_autodrive.review.sources.read_source`.
        reviewer: Who reviews; kept with each decision.
        store: The file of the decisions; None for :func:`~vlm_autodrive.review.store.default_store`.
        drawing: What is drawn from a supervision set; None for the defaults, and for other sources.
        blind: Hide the model's answer until the first decision on an item.
        media_roots: Folders that videos may lie in where the records name links.
        start: The queue that is shown first, as the query of its address.

    Raises:
        UserError: If there is nothing to review, or the decisions cannot be kept.
    """
    if not reviewer.strip():
        raise UserError("the reviewer has no name; give one with --reviewer.")
    source = read_source(path, drawing)
    store_path = default_store(path) if store is None else store
    cache = store_path.with_name(f".{store_path.stem}-cache")
    media = MediaLibrary(source.items, cache, media_roots)
    return Review(
        source=source,
        store=DecisionStore(store_path),
        media=media,
        pictures=PictureMaker(media, source.taxonomy, cache),
        reviewer=reviewer.strip(),
        blind=blind,
        start=start,
    )
