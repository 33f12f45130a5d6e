"""The errors most worth watching: missed events and false alarms of which a model is surest, and why each is shown."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_autodrive.records import Clip, Prediction, Taxonomy


@dataclass(frozen=True)
class WorstError:
    """A clip that a model has wrong.

    Attributes:
        clip: The clip.
        kind: Missed, a false alarm, or another class.
        why: Why it is among those shown.
    """

    clip: Clip
    kind: str
    why: str


def worst_errors(
    clips: Sequence[Clip], predictions: Mapping[str, Prediction], taxonomy: Taxonomy, most: int
) -> list[WorstError]:
    """The errors of which a model is surest: half missed events, half false alarms, then events of another class.

    Where one kind has fewer, the next ones take their places. Clips without an answer are not among them: a model that
    could not answer is not sure of anything.

    Args:
        clips: All clips.
        predictions: The model's, by clip id.
        taxonomy: The classes.
        most: At most this many.
    """
    normal = taxonomy.normal.name
    kinds: dict[str, list[Clip]] = {"Missed": [], "False alarm": [], "Another class": []}
    for clip in clips:
        answer = predictions[clip.clip_id].verdict.event_class
        if clip.event_class is None or answer in (None, clip.event_class):
            continue
        kind = "Missed" if answer == normal else "False alarm" if clip.event_class == normal else "Another class"
        kinds[kind].append(clip)

    def order(clip: Clip) -> tuple[float, int, str]:
        sure = _confidence(predictions[clip.clip_id])
        truth = taxonomy.names.index(str(clip.event_class))
        return -(sure or 0.0), truth, hashlib.sha256(clip.clip_id.encode()).hexdigest()

    missed, alarms, others = (sorted(found, key=order) for found in kinds.values())
    shown_missed = missed[: max(-(-most // 2), most - len(alarms))]
    shown_alarms = alarms[: most - len(shown_missed)]
    shown_others = others[: most - len(shown_missed) - len(shown_alarms)]
    chosen = [
        ("Missed", "missed events", shown_missed, missed),
        ("False alarm", "false alarms", shown_alarms, alarms),
        ("Another class", "events given another class", shown_others, others),
    ]
    return [
        WorstError(clip, kind, _why(predictions[clip.clip_id], taxonomy, number, len(every), what))
        for kind, what, shown, every in chosen
        for number, clip in enumerate(shown, 1)
    ]


def _why(prediction: Prediction, taxonomy: Taxonomy, number: int, total: int, what: str) -> str:
    label = taxonomy.by_name(str(prediction.verdict.event_class)).label
    sure = _confidence(prediction)
    if sure is None:
        return f"The model says {label}. One of {total} {what}; without probabilities none is worse than another."
    return (
        f"The model says {label} with a probability of {sure:.2f}: number {number} of {total} {what}, the surest first."
    )


def _confidence(prediction: Prediction) -> float | None:
    verdict = prediction.verdict
    return verdict.probabilities[str(verdict.event_class)] if verdict.probabilities else None
