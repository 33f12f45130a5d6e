"""The figures that stand in every short table, in the terminal and in Markdown alike."""

from collections.abc import Mapping

from vlm_autodrive.evaluation.score.probabilities import ANY_EVENT
from vlm_autodrive.evaluation.score.records import ModelScores
from vlm_autodrive.metrics import Estimate
from vlm_autodrive.records import Taxonomy


def main_rows(models: Mapping[str, ModelScores], taxonomy: Taxonomy) -> list[tuple[str, list[Estimate | None]]]:
    """The name of each figure and its value for each model; figures that no model has are left out.

    Args:
        models: All figures of the models.
        taxonomy: The classes.
    """
    rows = [_figures(scores, taxonomy) for scores in models.values()]
    labels = list(dict.fromkeys(label for row in rows for label in row))
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
        named["mean AP ahead of the event"] = ahead.mean_average_precision
    return named | {
        "any event: recall": None if event is None else event.recall,
        f"{taxonomy.normal.label} taken for an event": None if event is None else event.false_positive_rate,
        "any event: average precision": None if ranked is None else ranked.average_precision,
        "calibration error (ECE)": None if calibration is None else calibration.plain.ece,
        "triplets told apart": None if triplets is None else triplets.told_apart,
        "triplets in order": None if triplets is None else triplets.in_order,
        "hard negatives taken for events": None if hard is None else hard.false_positives,
        "reasoning agrees with verdict": scores.agreement,
    }
