"""What holds of a history of decisions, and how far the reviewers agree."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_autodrive.datasets.corrections.labels import label_of
from vlm_autodrive.metrics import Bootstrap, krippendorff_alpha_estimate
from vlm_autodrive.records import Correction, MomentLabel, ReviewerAgreement


@dataclass(frozen=True)
class History:
    """A history of decisions, reduced to what holds.

    Attributes:
        holding: The decisions that hold, in order: of each reviewer the last on each item that is not undone, and every
            event that a reviewer added and did not undo.
        superseded: Why each of the others does not, by its id.
        refused: Why an ``undo`` takes nothing back, by its id.
        first_said: What was said of each item before the first decision on it, by item id.
    """

    holding: tuple[Correction, ...]
    superseded: dict[str, str]
    refused: dict[str, str]
    first_said: dict[str, MomentLabel | None]


def reduce_history(corrections: Sequence[Correction]) -> History:
    """Reduce a history to what holds.

    An ``undo`` takes back one earlier decision of the same reviewer; an undo that is itself undone takes nothing back.

    Args:
        corrections: All decisions, in order, each id once.
    """
    places = {correction.correction_id: place for place, correction in enumerate(corrections)}
    superseded: dict[str, str] = {}
    refused: dict[str, str] = {}
    # From the end: whether an undo holds is known once all that could undo it is.
    for place in reversed(range(len(corrections))):
        undo = corrections[place]
        if undo.decision != "undo" or undo.correction_id in superseded:
            continue
        target = places.get(undo.undoes or "", len(corrections))
        if target >= place:
            refused[undo.correction_id] = "the decision that it takes back is not among those before it"
        elif corrections[target].reviewer != undo.reviewer:
            refused[undo.correction_id] = f"it takes back a decision of {corrections[target].reviewer}"
        else:
            superseded[undo.correction_id] = "it takes a decision back"
            superseded.setdefault(corrections[target].correction_id, f"{undo.reviewer} took it back")
    last: dict[tuple[str, str], str] = {}
    for correction in corrections:
        key = correction.item_id, correction.reviewer
        if correction.decision not in ("confirm", "change") or correction.correction_id in superseded:
            continue
        if key in last:
            superseded[last[key]] = f"{correction.reviewer} decided again later"
        last[key] = correction.correction_id
    return History(
        holding=tuple(c for c in corrections if c.decision != "undo" and c.correction_id not in superseded),
        superseded=superseded,
        refused=refused,
        first_said=_first_said(corrections),
    )


def _first_said(corrections: Sequence[Correction]) -> dict[str, MomentLabel | None]:
    found: dict[str, MomentLabel | None] = {}
    for correction in corrections:
        if correction.decision in ("confirm", "change"):
            found.setdefault(correction.item_id, correction.before)
    return found


def reviewer_agreement(history: History) -> ReviewerAgreement:
    """How far reviewers agree on the classes of the items that several of them judged.

    Events that reviewers added count for nothing here: nobody else was asked about them.
    """
    judged: dict[str, list[Correction]] = {}
    for correction in history.holding:
        if correction.decision != "add" and label_of(correction) is not None:
            judged.setdefault(correction.item_id, []).append(correction)
    shared = [several for several in judged.values() if len(several) > 1]
    classes = [[label.event_class for c in several if (label := label_of(c)) is not None] for several in shared]
    numbers = {name: float(number) for number, name in enumerate(sorted({name for row in classes for name in row}))}
    videos = {path: number for number, path in enumerate(dict.fromkeys(several[0].video for several in shared))}
    bootstrap = Bootstrap(videos[several[0].video] for several in shared)
    return ReviewerAgreement(
        reviewers=dict(sorted(Counter(correction.reviewer for correction in history.holding).items())),
        items=len(shared),
        blind=sum(sum(c.blind for c in several) > 1 for several in shared),
        alike=bootstrap.proportion(np.array([len(set(row)) == 1 for row in classes], dtype=bool)),
        krippendorff_alpha=krippendorff_alpha_estimate(
            [[numbers[name] for name in row] for row in classes], bootstrap, "nominal"
        ),
    )
