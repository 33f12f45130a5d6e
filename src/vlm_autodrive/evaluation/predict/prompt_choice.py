"""The choice of a model's prompt on validation clips, for a fair "before": the best of the documented prompts."""

from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.artifacts import read_clips, read_predictions, read_taxonomy
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.settings import EvaluateSettings
from vlm_autodrive.metrics import classification
from vlm_autodrive.models import MAIN
from vlm_autodrive.records import Clip, Record, Verdict

SMALLEST_CODE_MASS = 0.5
"""Mean probability of all class codes together below which a forced choice among them compares leftovers."""


class PromptChoice(Record):
    """The prompt on which a model's metrics rest, and what it was chosen by.

    Attributes:
        prompt: The prompt.
        clips: Labelled validation clips on which it was chosen.
        macro_f1: Macro-F1 there under each prompt.
        noise: Prompts that were not eligible, since the forced choice under them is noise.
    """

    prompt: str
    clips: int
    macro_f1: dict[str, float]
    noise: tuple[str, ...] = ()


def validation_settings(settings: EvaluateSettings) -> EvaluateSettings:
    """The settings by which the validation clips are predicted with every prompt, and with nothing else."""
    changes = {"split": "validation", "reasoning": False, "controls": (), "prompt": MAIN, "choose_prompt": None}
    return settings.model_copy(update=changes)


def evenly_spaced(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most so many clips, at even intervals of each class, in their order."""
    by_class = sorted(range(len(clips)), key=lambda place: (str(clips[place].event_class), place))
    step = max(1.0, len(clips) / most)
    kept = sorted(by_class[int(number * step)] for number in range(min(most, len(clips))))
    return [clips[place] for place in kept]


def choose_prompt(validation: Path) -> PromptChoice:
    """Choose the prompt with the highest macro-F1 on validation clips; of equal ones ``main``, then the first.

    A prompt under which the forced choice is noise is eligible only if it is so under every prompt: leftovers of the
    probability differ from clip to clip, and so may beat a model that always names one class.

    Args:
        validation: Predictions under every prompt. An answer that failed counts as wrong.

    Raises:
        UserError: If no clip has a known class.
    """
    labels = {clip.clip_id: clip.event_class for clip in read_clips(validation) if clip.event_class is not None}
    if not labels:
        raise UserError(f"no validation clip in {validation} has a known class; set choose_prompt=false.")
    names = read_taxonomy(validation).names
    said = [prediction for prediction in read_predictions(validation) if prediction.clip_id in labels]
    truths = [labels[prediction.clip_id] for prediction in said]
    verdicts: dict[str, list[Verdict]] = {MAIN: [prediction.verdict for prediction in said]}
    for prediction in said:
        for name, verdict in prediction.prompt_variants.items():
            verdicts.setdefault(name, []).append(verdict)
    scores = {}
    for name, given in verdicts.items():
        tables = classification.one_hot_confusion(truths, [verdict.event_class for verdict in given], names)
        scores[name] = float(classification.macro_f1(tables.sum(axis=0)))
    noise = tuple(name for name, given in verdicts.items() if _is_noise(given))
    eligible = [name for name in scores if name not in noise] or list(scores)
    return PromptChoice(
        prompt=max(eligible, key=lambda name: scores[name]),
        clips=len(said),
        macro_f1=scores,
        noise=noise,
    )


def _is_noise(verdicts: Sequence[Verdict]) -> bool:
    masses = [verdict.code_mass for verdict in verdicts if verdict.code_mass is not None]
    return bool(masses) and sum(masses) / len(masses) < SMALLEST_CODE_MASS
