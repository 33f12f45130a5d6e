"""The queue: which items are listed, in which order, and where one stands among them. Its state is the address."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import ConfigDict, Field, ValidationError

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Correction, MomentLabel, Record, SampleLabel, Taxonomy, first_problem
from vlm_autodrive.review.items import ReviewAnswer, ReviewItem
from vlm_autodrive.review.store import current_label, standing

PAGE_SIZE = 100
NO_CLASS = "none"
"""Stands in an address for an answer or a label that names no class."""


class QueueState(Record):
    """What a reviewer asked the queue for: the parameters of its address.

    Attributes:
        event_class: Only items of which the model says this class, or ``none`` for no class; of items without answers,
            by their label.
        label: Only items whose label, as it holds now, is this class; ``none`` for those without a label.
        truth: Only items whose ground truth is this class, whatever was decided; ``none`` for those without one.
        model: Whose answers count in all this; None for the first model.
        min_p: Only items with at least this probability of any event.
        max_p: Only items with at most this one.
        against: Only items where the model's class is not the label's, or where two models name different classes.
        right: Only items of which this model names the class of the ground truth.
        wrong: Only items of which this model names another class than the ground truth, or none.
        reviewed: Only items that this reviewer has, or has not, decided on.
        slice: Only items of this slice, as ``name:value``.
        sort: The order: by what is most worth a look, by falling probability, by time, or by name.
        sample: A random sample of so many of them; None for all.
        seed: The random seed of the sample.
        view: A table, or a grid of film strips.
        page: Which page of them is shown, from 1 on.
    """

    model_config = ConfigDict(populate_by_name=True)

    event_class: str | None = Field(None, alias="class")
    label: str | None = None
    truth: str | None = None
    model: str | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    max_p: float | None = Field(None, ge=0, le=1)
    against: Literal["label", "models"] | None = None
    right: str | None = None
    wrong: str | None = None
    reviewed: Literal["yes", "no"] | None = None
    slice: str | None = None
    sort: Literal["worth", "p", "time", "name"] = "worth"
    sample: int | None = Field(None, ge=1, le=1_000_000)
    seed: int = 0
    view: Literal["list", "grid"] = "list"
    page: int = Field(1, ge=1)

    def query(self, **changes: Any) -> str:
        """The address's query for this state with some parameters changed, without those that have their defaults."""
        state = self.model_copy(update={"event_class" if key == "class" else key: v for key, v in changes.items()})
        return urlencode(state.model_dump(by_alias=True, exclude_defaults=True))


def queue_state(parameters: Mapping[str, str]) -> QueueState:
    """The state that an address asks for; parameters without a value count as not given.

    Raises:
        UserError: If a parameter is unknown or has a wrong value.
    """
    given = {key: value for key, value in parameters.items() if value != ""}
    try:
        return QueueState.model_validate(given)
    except ValidationError as error:
        name, problem = first_problem(error)
        raise UserError(f"the address asks for {name}={given.get(name, '')}, which cannot be: {problem}.") from None


@dataclass(frozen=True)
class QueueRow:
    """One item in the queue.

    Attributes:
        item: The item.
        answer: The answer of the model that was asked for; None if there is none.
        p_event: Its probability of any event; None if it gave none.
        worth: How much the item is worth a look; see :func:`worth`.
        current: What holds of it now.
        decisions: All decisions on it, in order.
        reviewed: Whether this reviewer has decided on it.
        against_label: Whether the model's class is not the label's.
        against_models: Whether two models name different classes.
    """

    item: ReviewItem
    answer: ReviewAnswer | None
    p_event: float | None
    worth: float
    current: MomentLabel | SampleLabel | None
    decisions: tuple[Correction, ...]
    reviewed: bool
    against_label: bool
    against_models: bool


class ReviewQueue:
    """The queue of a folder's items, as one reviewer sees it.

    A row is made once for each model, and anew when its item is decided on: of ten thousand items few change between
    two pages.
    """

    def __init__(self, items: Sequence[ReviewItem], models: Sequence[str], taxonomy: Taxonomy, reviewer: str) -> None:
        """Queue ``items``, which ``models`` have answered with the classes of ``taxonomy``."""
        self._items, self._models, self._reviewer = items, frozenset(models), reviewer
        self._places = {item.item_id: place for place, item in enumerate(items)}
        self._events = frozenset(taxonomy.event_names)
        self._known: dict[str | None, list[QueueRow]] = {}

    def rows(
        self, decisions: Mapping[str, tuple[Correction, ...]], state: QueueState, keep: str | None = None
    ) -> list[QueueRow]:
        """The rows that a state asks for, in its order, of all pages.

        Args:
            decisions: All decisions, by item.
            state: What is asked for.
            keep: The id of an item that is among the rows in any case: the one on the screen, of which a decision may
                have taken it out of the queue.
        """
        rows = self._current_rows(decisions, state.model)
        wanted = [row for row in rows if _is_wanted(row, state)]
        if state.sample is not None:
            # By a hash of each id, so that the same items are drawn whatever is decided or sorted meanwhile.
            wanted.sort(key=lambda row: hashlib.sha256(f"{state.seed}:{row.item.item_id}".encode()).digest())
            wanted = wanted[: state.sample]
        if keep is not None and all(row.item.item_id != keep for row in wanted):
            wanted += [row for row in rows if row.item.item_id == keep]
        return sorted(wanted, key=lambda row: _order(row, state.sort))

    def _current_rows(self, decisions: Mapping[str, tuple[Correction, ...]], model: str | None) -> list[QueueRow]:
        rows = self._known.get(model)
        if rows is None:
            rows = [_row(item, (), self._events, model, self._reviewer) for item in self._items]
            if model is None or model in self._models:  # any text may stand in an address
                self._known[model] = rows
        for item_id, found in decisions.items():
            place = self._places.get(item_id)
            if place is not None and len(rows[place].decisions) != len(found):  # they are only ever added
                rows[place] = _row(self._items[place], found, self._events, model, self._reviewer)
        return rows


def any_event(answer: ReviewAnswer, events: frozenset[str]) -> float | None:
    """The probability of any event in an answer; None if it has no probabilities."""
    if not answer.probabilities:
        return None
    return min(1.0, sum(p for name, p in answer.probabilities.items() if name in events))


def uncertainty(answers: Sequence[ReviewAnswer], events: frozenset[str]) -> float:
    """How uncertain models are: 1 - abs(2 p - 1), p being the probability of any event; of several models the largest.

    It is 1 at 0.5, and 0 where all models are certain or none gave a probability.
    """
    chances = [p for each in answers if (p := any_event(each, events)) is not None]
    return max((1 - abs(2 * p - 1) for p in chances), default=0.0)


def worth(uncertain: float, *, against_label: bool, against_models: bool) -> float:
    """How much an item is worth a look: its uncertainty, plus 1 for each kind of disagreement; from 0 to 3.

    Args:
        uncertain: As :func:`uncertainty` gives it.
        against_label: Whether a model's class is not the label's.
        against_models: Whether two models name different classes.
    """
    return uncertain + against_label + against_models


def _row(
    item: ReviewItem, decisions: tuple[Correction, ...], events: frozenset[str], model: str | None, reviewer: str
) -> QueueRow:
    current = current_label(item.said, decisions) if decisions else item.said
    label = current if isinstance(current, MomentLabel) and (decisions or item.label is not None) else None
    answer = item.answer_of(model)
    named = [each.label.event_class if each.label is not None else None for each in item.answers]
    asked = named if model is None else [answer.label.event_class if answer.label else None] if answer else []
    against_label = label is not None and any(name != label.event_class for name in asked)
    against_models = len(set(named)) > 1
    return QueueRow(
        item=item,
        answer=answer,
        p_event=any_event(answer, events) if answer is not None else None,
        worth=worth(
            uncertainty(item.answers, events),
            against_label=against_label,
            against_models=against_models,
        ),
        current=current,
        decisions=decisions,
        reviewed=bool(decisions) and any(each.reviewer == reviewer for each in standing(decisions)),
        against_label=against_label,
        against_models=against_models,
    )


def _is_wanted(row: QueueRow, state: QueueState) -> bool:
    said = row.answer.label if row.answer is not None else row.current
    if state.model is not None and row.answer is None:
        return False
    if state.event_class is not None and _class_of(said) != state.event_class:
        return False
    if state.label is not None and _class_of(row.current) != state.label:
        return False
    if state.truth is not None and _class_of(row.item.label) != state.truth:
        return False
    if state.right is not None and _is_right(row.item, state.right) is not True:
        return False
    if state.wrong is not None and _is_right(row.item, state.wrong) is not False:
        return False
    if state.min_p is not None and (row.p_event is None or row.p_event < state.min_p):
        return False
    if state.max_p is not None and (row.p_event is None or row.p_event > state.max_p):
        return False
    if state.against is not None and not (row.against_label if state.against == "label" else row.against_models):
        return False
    if state.reviewed is not None and row.reviewed != (state.reviewed == "yes"):
        return False
    if state.slice is not None:
        name, _, value = state.slice.partition(":")
        return row.item.slices.get(name) == value
    return True


def _class_of(label: MomentLabel | SampleLabel | None) -> str:
    return label.event_class if isinstance(label, MomentLabel) else NO_CLASS


def _is_right(item: ReviewItem, model: str) -> bool | None:
    """Whether a model names the class of the ground truth; None without a ground truth, or without such a model."""
    answer = item.answer_of(model)
    if item.label is None or answer is None:
        return None
    return answer.label is not None and answer.label.event_class == item.label.event_class


def _order(row: QueueRow, sort: str) -> tuple[float | str, ...]:
    place = (row.item.title, row.item.start_s, row.item.item_id)
    if sort == "worth":
        return (-row.worth, row.item.place, *place)
    if sort == "p":
        return (-(row.p_event if row.p_event is not None else -1.0), *place)
    if sort == "time":
        return (row.item.files[0].recorded_at or "" if row.item.files else "", *place)
    return place
