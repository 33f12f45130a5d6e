"""A model's predictions as one answer for each clip, checked to fit the clips and the classes."""

from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.artifacts import read_predictions
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ChoiceAnswer, Clip, Outcome, Prediction, Taxonomy, Verdict


def read_answers(
    folder: Path, name: str, clips: Sequence[Clip], taxonomy: Taxonomy
) -> tuple[dict[str, Prediction], tuple[str, ...]]:
    """One model's answer for each clip, and the clips that have several lines.

    Of lines that say the same, one counts; of lines that do not, nobody knows which is meant, so the clip counts as
    failed.

    Args:
        folder: The model's predictions.
        name: What the model is called in errors.
        clips: The clips that it was asked about.
        taxonomy: The classes.

    Raises:
        UserError: If a clip has no answer, an answer is about no such clip, or a class does not exist.
    """
    by_clip: dict[str, Prediction] = {}
    repeated: dict[str, None] = {}
    for prediction in read_predictions(folder):
        known = by_clip.setdefault(prediction.clip_id, prediction)
        if known is not prediction:
            repeated[prediction.clip_id] = None
            if _answer(known) != _answer(prediction):
                by_clip[prediction.clip_id] = _undecided(known)
    missing = [clip.clip_id for clip in clips if clip.clip_id not in by_clip]
    if missing:
        raise UserError(f"{folder} has no prediction for {missing[0]}; evaluate {name} anew.")
    strange = sorted(set(by_clip) - {clip.clip_id for clip in clips})
    if strange:
        raise UserError(
            f"{folder} has a prediction for {strange[0]}, which is none of its clips; take that line out, or evaluate "
            f"{name} anew."
        )
    for prediction in by_clip.values():
        said = (prediction.verdict, *prediction.controls.values(), *prediction.prompt_variants.values())
        for event_class in [verdict.event_class for verdict in said] + [
            prediction.reasoning.event_class if prediction.reasoning else None
        ]:
            if event_class is not None and event_class not in taxonomy.names:
                raise UserError(
                    f"{folder} answers {event_class!r} for {prediction.clip_id}, but the classes are "
                    f"{', '.join(taxonomy.names)}; evaluate {name} anew."
                )
    return by_clip, tuple(repeated)


def _answer(prediction: Prediction) -> tuple[object, ...]:
    """What is scored of a prediction: all but how long it took."""
    return tuple(value for key, value in prediction if key != "latency_s")


def _undecided(prediction: Prediction) -> Prediction:
    reason = "there are several answers that differ"
    failed = Verdict(outcome=Outcome.ERROR, event_class=None, probabilities=None, raw_text="", reason=reason)
    unanswered = ChoiceAnswer(outcome=Outcome.ERROR, letter=None, reason=reason)
    return prediction.model_copy(
        update={
            "verdict": failed,
            "reasoning": None,
            "prompt_variants": {},
            "controls": {},
            "questions": dict.fromkeys(prediction.questions, unanswered),
        }
    )
