"""What to label next: the moments of unlabelled trips that are most worth a reviewer's time (active learning)."""

from bisect import bisect, insort
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.detection import ListedEvent, ListedTrip, list_events, read_trips
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import FileName, MomentLabel, NotJudged, Record, item_id_of
from vlm_autodrive.review.items import ReviewAnswer
from vlm_autodrive.review.queue import uncertainty, worth

NEXT_FILE = "next.json"

_TOUCH_S = 1e-3  # moments that only meet do not overlap; the times of listed events are rounded to this


class ProposedMoment(Record):
    """A moment of a trip that is proposed for labelling: an event that was found, or a window in which none was.

    Attributes:
        folder: The folder of the trip in the folder of detections.
        start_s: Where the moment begins, in trip time.
        end_s: Where it ends.
        worth: How much it is worth a look; see :func:`~vlm_autodrive.review.queue.worth`.
        event_id: The event that was found there, by its name in the short list; None if none was.
        answers: What each model says of it, the searching one first; of a second one nothing if it has no score there.

    Its item in the review shows some seconds more.
    """

    folder: str
    start_s: float
    end_s: float
    worth: float
    event_id: str | None
    answers: tuple[ReviewAnswer, ...]

    @property
    def item_id(self) -> str:
        """The id of its item in the review."""
        if self.event_id is not None:
            return item_id_of("event", self.folder, self.event_id)
        return item_id_of("moment", self.folder, f"{self.start_s:.3f}", f"{self.end_s:.3f}")


class Proposals(Record):
    """The list in ``next.json``.

    Attributes:
        count: How many moments were wanted.
        against: The folder of a second model's detections; None if there is none.
        trips: The key of the detections of each trip that was ranked, by its folder.
        candidates: How many moments there were to choose from.
        moments: The chosen ones, those most worth a look first; no two overlap.
        not_judged: The seconds without a score, which can therefore not be proposed.
    """

    count: int
    against: FileName | None
    trips: dict[str, str]
    candidates: int
    moments: tuple[ProposedMoment, ...]
    not_judged: tuple[NotJudged, ...]


def propose(found: Path, count: int, against: Path | None = None) -> Proposals:
    """Choose the moments of a search that are most worth labelling, and write them into its folder.

    Args:
        found: What ``autodrive detect`` wrote.
        count: How many moments.
        against: What another model found in the same trips.

    Raises:
        UserError: If there are no detections, or the second model has searched other files.
    """
    trips = read_trips(found)
    ranked = rank_moments(trips, [] if against is None else _same_trips(trips, against))
    proposals = Proposals(
        count=count,
        against=None if against is None else str(against.absolute()),
        trips={trip.folder.name: trip.provenance.key for trip in trips},
        candidates=len(ranked),
        moments=tuple(ranked[:count]),
        not_judged=tuple(span for trip in trips for span in _not_judged(trip)),
    )
    write_text(found / NEXT_FILE, proposals.model_dump_json(indent=1) + "\n")
    return proposals


def read_proposals(found: Path, trips: Sequence[ListedTrip]) -> tuple[ProposedMoment, ...]:
    """The moments proposed in a folder of detections; none if nothing was proposed.

    Raises:
        UserError: If the list cannot be read, or was made from other detections than these.
    """
    path = found / NEXT_FILE
    if not path.exists():
        return ()
    anew = f"make it anew with `autodrive review next {found}`, or remove it."
    try:
        proposals = Proposals.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        raise UserError(f"{path} holds no list of moments; {anew}") from None
    keys = {trip.folder.name: trip.provenance.key for trip in trips}
    if any(keys.get(moment.folder) != proposals.trips.get(moment.folder) for moment in proposals.moments):
        raise UserError(f"{path} was made from other detections than those beside it; {anew}")
    return proposals.moments


def rank_moments(trips: Sequence[ListedTrip], others: Sequence[ListedTrip] = ()) -> list[ProposedMoment]:
    """All moments that can be labelled, those most worth a look first; no two of one trip overlap.

    A moment is as long as a window: around the time of an event that was found, or a scored window that does not
    touch one of these. Of moments that overlap, the one more worth a look is kept
    (uncertainty sampling).

    Args:
        trips: The trips, as one model searched them.
        others: The same trips in the same order, as a second model searched them; empty if there is none.
    """
    pairs = [(trip, others[place] if others else None) for place, trip in enumerate(trips)]
    candidates = [moment for trip, other in pairs for moment in _candidates(trip, other)]
    candidates.sort(key=lambda moment: (-moment.worth, moment.folder, moment.start_s, moment.end_s))
    taken: dict[str, list[tuple[float, float]]] = {}
    kept = []
    for moment in candidates:
        spans = taken.setdefault(moment.folder, [])
        place = bisect(spans, (moment.start_s, moment.end_s))
        if not any(_overlap(moment.start_s, moment.end_s, *span) for span in spans[max(place - 1, 0) : place + 1]):
            insort(spans, (moment.start_s, moment.end_s))
            kept.append(moment)
    return kept


def _candidates(trip: ListedTrip, other: ListedTrip | None) -> Iterator[ProposedMoment]:
    model, normal = trip.detections.model, trip.taxonomy.normal.name
    # A weak model's event may span minutes of windows, which nobody labels as one moment.
    half_s = max((window.end_s - window.start_s for window in trip.detections.windows), default=0.0) / 2
    taken = []
    for event in list_events([trip]):
        label = MomentLabel(event_class=event.event_class, time_s=event.trip_time_s)
        answer = ReviewAnswer(model=model, label=label, probabilities=event.probabilities)
        start_s = max(event.start_s, event.trip_time_s - half_s)
        end_s = min(event.end_s, event.trip_time_s + half_s)
        taken.append((start_s, end_s))
        yield _moment(trip, start_s, end_s, answer, other, event)
    for window in trip.detections.windows:
        beside = not any(_overlap(window.start_s, window.end_s, *span) for span in taken)
        if window.probabilities is not None and beside:
            answer = ReviewAnswer(
                model=model, label=MomentLabel(event_class=normal), probabilities=window.probabilities
            )
            yield _moment(trip, window.start_s, window.end_s, answer, other)


def _moment(
    trip: ListedTrip,
    start_s: float,
    end_s: float,
    answer: ReviewAnswer,
    other: ListedTrip | None,
    event: ListedEvent | None = None,
) -> ProposedMoment:
    second = None if other is None else _answer_of_other(other, start_s, end_s, answer.model)
    answers = (answer,) if second is None else (answer, second)
    said = {each.label.event_class for each in answers if each.label is not None}
    return ProposedMoment(
        folder=trip.folder.name,
        start_s=start_s,
        end_s=end_s,
        worth=worth(
            uncertainty(answers, frozenset(trip.taxonomy.event_names)),
            against_label=False,
            against_models=len(said) > 1,
        ),
        event_id=None if event is None else event.event_id,
        answers=answers,
    )


def _answer_of_other(trip: ListedTrip, start_s: float, end_s: float, first: str) -> ReviewAnswer | None:
    """What the second model says of a moment: its event in there, or else its window that shows most of it."""
    found = trip.detections
    # Both may bear one name, such as that of a folder called checkpoint.
    model = found.model if found.model != first else f"{found.model} ({trip.folder.parent.name})"
    inside = [event for event in found.events if start_s <= event.time_s < end_s]
    if inside:
        event = max(inside, key=lambda event: event.probability)
        label = MomentLabel(event_class=event.event_class, time_s=event.time_s)
        return ReviewAnswer(model=model, label=label, probabilities=event.probabilities)
    near = [(min(end_s, w.end_s) - max(start_s, w.start_s), w.probabilities) for w in found.windows]
    shared_s, probabilities = max(
        ((shared_s, each) for shared_s, each in near if each is not None), key=lambda pair: pair[0], default=(0.0, {})
    )
    if shared_s <= _TOUCH_S:
        return None
    return ReviewAnswer(
        model=model, label=MomentLabel(event_class=trip.taxonomy.normal.name), probabilities=probabilities
    )


def _same_trips(trips: Sequence[ListedTrip], against: Path) -> list[ListedTrip]:
    """Of each trip what the second model found in it."""
    by_files: Mapping[object, ListedTrip] = {_files(trip): trip for trip in read_trips(against)}
    for trip in trips:
        other = by_files.get(_files(trip))
        if other is None:
            raise UserError(
                f"{against} holds no search of the files of {trip.name}; search the same files with the second model."
            )
        if other.taxonomy != trip.taxonomy:
            raise UserError(f"{against} was searched for other classes; give a model with the same classes.")
    return [by_files[_files(trip)] for trip in trips]


def _files(trip: ListedTrip) -> tuple[object, ...]:
    found = trip.detections
    return (found.video_stream, *(file.path for file in found.files)) if found.files else (found.video,)


def _not_judged(trip: ListedTrip) -> Sequence[NotJudged]:
    found = trip.detections
    if found.not_judged or found.windows:
        return found.not_judged
    return [NotJudged(path=found.video, start_s=0.0, duration_s=None, reason=found.reason)]


def _overlap(start_s: float, end_s: float, other_start_s: float, other_end_s: float) -> bool:
    return start_s < other_end_s - _TOUCH_S and other_start_s < end_s - _TOUCH_S
