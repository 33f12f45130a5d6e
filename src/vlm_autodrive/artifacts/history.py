"""What holds of a history of reviewers' decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_autodrive.records import Correction, MomentLabel, SampleLabel


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
    first_said: dict[str, MomentLabel | SampleLabel | None]


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
        if correction.decision in ("add", "undo") or correction.correction_id in superseded:
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


def _first_said(corrections: Sequence[Correction]) -> dict[str, MomentLabel | SampleLabel | None]:
    found: dict[str, MomentLabel | SampleLabel | None] = {}
    for correction in corrections:
        if correction.decision not in ("add", "undo"):
            found.setdefault(correction.item_id, correction.before)
    return found
