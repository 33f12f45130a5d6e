"""The rows of the main table and of the controls, common to the page, Markdown and the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_autodrive.evaluation.report.formats import plain, title_of
from vlm_autodrive.evaluation.score import ANY_EVENT, Comparison, ModelScores
from vlm_autodrive.metrics import Estimate
from vlm_autodrive.records import Taxonomy

_RECALL, _FALSE_POSITIVES = "any event: recall", "{}: false positive rate"
_MEAN_AHEAD = "mean AP ahead of the event"


def main_rows(
    models: Mapping[str, ModelScores], taxonomy: Taxonomy, *, short: bool = False
) -> list[tuple[str, list[Estimate | None]]]:
    """The name of each figure and its value for each model; figures that no model has are left out.

    Args:
        models: All figures of the models.
        taxonomy: The classes.
        short: Only macro-F1, the F1 of each class of events, and how often any event is found and raised falsely,
            with the mean AP of windows that end before the event, where there are any.
    """
    rows = [_figures(scores, taxonomy) for scores in models.values()]
    labels = list(dict.fromkeys(label for row in rows for label in row))
    if short:
        of_events = (f"{taxonomy.by_name(name).label} F1" for name in taxonomy.event_names)
        labels = ["macro-F1", *of_events, _RECALL, _FALSE_POSITIVES.format(taxonomy.normal.label), _MEAN_AHEAD]
    table = [(label, [row.get(label) for row in rows]) for label in labels]
    return [(label, cells) for label, cells in table if any(cell is not None for cell in cells)]


def right_answers(scores: ModelScores) -> str:
    """How many clips are answered rightly, and their share as papers write it."""
    share = scores.accuracy.value
    return "–" if share is None else f"{round(share * scores.n)} of {scores.n} = {100 * share:.2f} %"


def _figures(scores: ModelScores, taxonomy: Taxonomy) -> dict[str, Estimate | None]:
    named: dict[str, Estimate | None] = {
        "accuracy": scores.accuracy,
        "balanced accuracy": scores.balanced_accuracy,
        "macro-F1": scores.macro_f1,
    }
    for c in taxonomy.classes:
        found = scores.per_class[c.name]
        named |= {f"{c.label} precision": found.precision, f"{c.label} recall": found.recall, f"{c.label} F1": found.f1}
    event, calibration = scores.event, scores.calibration
    ranked = scores.ranking.get(ANY_EVENT) or scores.ranking.get(taxonomy.classes[0].name)
    triplets, hard = scores.triplets, scores.hard_negatives
    if scores.anticipation is not None:
        ahead = scores.anticipation
        named |= {f"AP {key} s ahead of the event": figure for key, figure in ahead.average_precision.items()}
        named[_MEAN_AHEAD] = ahead.mean_average_precision
    return named | {
        _RECALL: None if event is None else event.recall,
        _FALSE_POSITIVES.format(taxonomy.normal.label): None if event is None else event.false_positive_rate,
        "any event: average precision": None if ranked is None else ranked.average_precision,
        "calibration error (ECE)": None if calibration is None else calibration.uncalibrated.ece,
        "triplets: all three correct": None if triplets is None else triplets.triplet_accuracy,
        "triplets: in order": None if triplets is None else triplets.in_order,
        "hard negatives: false positive rate": None if hard is None else hard.false_positives,
        "reasoning agrees with verdict": scores.reasoning_consistency,
        "VQA accuracy": None if scores.vqa is None else scores.vqa.accuracy,
        "probability on the class codes": scores.code_mass,
    }


_BASELINES = {
    "majority": "always predicts the most frequent class of the training clips",
    "camera_shake": "logistic regression on camera motion alone",
}
_WHERE_KNOWN = {
    "g_force": "threshold on the largest acceleration alone; the most frequent class where none is recorded",
    "camera_marks": "whether the camera itself marked an event in the clip",
}
_CONTROLS = {
    "black": ("Black video", "every frame black"),
    "shuffled": ("Shuffled frames", "the frames in another order"),
    "no_video": ("No video", "the prompt without any frame"),
}
_HIDDEN = "event_hidden, elsewhere_hidden"


@dataclass(frozen=True)
class ControlRow:
    """One row: what was done, and what is left of the score.

    Attributes:
        label: The control.
        what: What it takes away.
        accuracy: Its accuracy; None where the control was not run.
        macro_f1: Its macro-F1, likewise.
        lost: How much macro-F1 the model loses by it; None for a baseline.
        same_answer: Share of clips with the same answer as on the true footage.
    """

    label: str
    what: str
    accuracy: Estimate | None = None
    macro_f1: Estimate | None = None
    lost: Estimate | None = None
    same_answer: Estimate | None = None


def baseline_rows(comparison: Comparison) -> list[ControlRow]:
    """The baselines without a model, whether or not they were compared; the one on telemetry only if it was."""
    rows = []
    shown = {name: what for name, what in _WHERE_KNOWN.items() if name in comparison.models}
    for name, what in (_BASELINES | shown).items():
        scores = comparison.models.get(name)
        rows.append(
            ControlRow(title_of(name), what)
            if scores is None
            else ControlRow(title_of(name), what, scores.accuracy, scores.macro_f1)
        )
    return rows


def control_rows(comparison: Comparison, model: str) -> list[ControlRow]:
    """A model on the original video and on each control, whether or not the control was run."""
    scores = comparison.models[model]
    rows = [ControlRow("Original video", "no ablation", scores.accuracy, scores.macro_f1)]
    for name in [*_CONTROLS, *(name for name in scores.controls if name not in _CONTROLS)]:
        label, what = _CONTROLS.get(name, (plain(name).capitalize(), ""))
        control = scores.controls.get(name)
        if control is None:
            rows.append(ControlRow(label, what))
        else:
            rows.append(
                ControlRow(label, what, control.accuracy, control.macro_f1, control.macro_f1_drop, control.same_answer)
            )
    return rows


def missing_commands(comparison: Comparison, models: Sequence[str]) -> list[str]:
    """The commands that would fill in what is missing of the models' controls; empty if nothing is.

    Args:
        comparison: What the models scored.
        models: Those whose controls are shown.
    """
    commands = [
        f"autodrive evaluate CLIPS --model {name} --out DIR" for name in _BASELINES if name not in comparison.models
    ]
    missing = [name for name in _CONTROLS if any(name not in comparison.models[model].controls for model in models)]
    if any(comparison.models[model].faithfulness is None for model in models):
        missing.append(_HIDDEN)
    if missing:
        commands.append(f"autodrive evaluate CLIPS --model MODEL --out DIR 'controls=[{', '.join(missing)}]'")
    return commands
