"""The result of an ablation: one row for each cell of its grid, scored over its seeds and the held-out clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from vlm_autodrive.evaluation import CompareSettings, EvaluationSamples, read_evaluation_samples
from vlm_autodrive.metrics import Estimate, few_clusters_warning
from vlm_autodrive.records import Record, Taxonomy
from vlm_autodrive.runs.ablation.row_metrics import (
    ACCURACY,
    MACRO_F1,
    REASONING_CONSISTENCY,
    UNANSWERED,
    VQA_ACCURACY,
    Gain,
    RowMetric,
    accuracy_on,
    estimate,
    f1_of,
    gain,
    row_metrics,
)

Role = Literal["base", "baseline", "cell"]
_FEW_SEEDS = 3
_FEW_CLIPS = 30


class CellFailure(Record):
    """A training or evaluation that failed, and why."""

    seed: int | None
    reason: str


class TrainingBudget(Record):
    """What the training of a cell takes.

    Attributes:
        clips: Clips in the train split.
        samples: Their SFT samples.
        steps: Optimizer steps in all.
        frames: Most frames of a clip.
        sequence_tokens: Tokens of the longest sequence: a clip with all samples drawn for it.
        tokens: Tokens of the whole training, about: those of the first epoch, times the epochs.
        exact: Whether tokens were counted by the model's own tokenizer, on the samples that it is trained on.
    """

    clips: int
    samples: int
    steps: int
    frames: int
    sequence_tokens: int
    tokens: int
    exact: bool


class CellScores(Record):
    """The metrics of a row; means over its seeds.

    Attributes:
        n: Held-out clips, the same for each seed.
        clusters: Independent groups of them.
        accuracy: Proportion of right verdicts; a clip without an answer counts as wrong.
        macro_f1: Mean F1 of the classes.
        f1: F1 of each class.
        unanswered: Proportion of clips without a class in the answer, failures of every sort together.
        macro_f1_by_seed: The macro-F1 of each training; None where it is undefined.
        reasoning_consistency: How often trace and verdict name the same class, where both name one; None without
            traces.
        vqa_accuracy: Proportion of the held-out questions answered rightly; None if none were asked.
        vqa_chance: Chance level of that: the mean of 1 / number of options.
        vqa_topics: The accuracy by topic.
        gains: Over the first cell, by the metric's name; empty for the first cell and what is no cell, and without
            those metrics that are counted over other clips or questions.
    """

    n: int
    clusters: int
    accuracy: Estimate
    macro_f1: Estimate
    f1: dict[str, Estimate]
    unanswered: Estimate
    macro_f1_by_seed: tuple[float | None, ...]
    reasoning_consistency: Estimate | None = None
    vqa_accuracy: Estimate | None = None
    vqa_chance: float | None = None
    vqa_topics: dict[str, Estimate] = {}
    gains: dict[str, Gain] = {}


class AblationRow(Record):
    """One row of the table.

    Attributes:
        name: What it is called.
        role: ``base`` for the model as it is before training, ``baseline`` for what needs no model, ``cell`` for one
            of the grid.
        values: What is varied, by its short name, as this row has it; of a base or baseline, what it depends on.
        types: The supervision types that it was trained on; empty for what is no cell.
        seeds: The seeds that are in the scores; empty without any.
        waiting: How many trainings are not done yet.
        failures: Those that failed.
        budget: What a training of it takes; None if it could not be counted.
        scores: The metrics; None without any.
    """

    name: str
    role: Role
    values: dict[str, str] = {}
    types: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    waiting: int = 0
    failures: tuple[CellFailure, ...] = ()
    budget: TrainingBudget | None = None
    scores: CellScores | None = None


@dataclass(frozen=True)
class RowInput:
    """A row before it is scored: its text, and the predictions of each training by seed."""

    row: AblationRow
    predictions: Mapping[int | None, Path]


@dataclass(frozen=True)
class ScoredRows:
    """Rows with their scores.

    Attributes:
        rows: In the order of the table.
        metrics: What the scores of each row are computed from, by its name; only of rows with predictions.
        taxonomy: The classes; None if no row has predictions.
    """

    rows: list[AblationRow]
    metrics: dict[str, dict[str, RowMetric]]
    taxonomy: Taxonomy | None


def score_rows(inputs: Sequence[RowInput], settings: CompareSettings) -> ScoredRows:
    """Score every row that has predictions.

    Args:
        inputs: The rows, in the order of the table.
        settings: The bootstrap.
    """
    scored = ScoredRows([], {}, None)
    reference = reference_of([each.row for each in inputs])
    for each in inputs:
        if not each.predictions:
            scored.rows.append(each.row)
            continue
        models = {seed: str(seed) for seed in each.predictions}
        samples = read_evaluation_samples({models[seed]: folder for seed, folder in each.predictions.items()})
        metrics = row_metrics(samples, models)
        scored.metrics[each.row.name] = metrics
        scored = replace(scored, taxonomy=samples.taxonomy)
        first = scored.metrics.get(reference, {}) if each.row.role == "cell" and each.row.name != reference else {}
        scores = _scores(samples, metrics, first, settings)
        seeds = tuple(seed for seed in each.predictions if seed is not None)
        scored.rows.append(each.row.model_copy(update={"scores": scores, "seeds": seeds}))
    return scored


def _scores(
    samples: EvaluationSamples,
    metrics: Mapping[str, RowMetric],
    first: Mapping[str, RowMetric],
    settings: CompareSettings,
) -> CellScores:
    found = {name: estimate(metric, settings) for name, metric in metrics.items()}
    names = samples.taxonomy.names
    compared = [ACCURACY, MACRO_F1, *map(f1_of, names), REASONING_CONSISTENCY, VQA_ACCURACY]
    gains = {name: gain(first[name], metrics[name], settings) for name in compared if name in first and name in metrics}
    by_seed = [metrics[MACRO_F1].statistic(counts.sum(axis=0)[None])[0] for counts in metrics[MACRO_F1].counts.values()]
    topics = sorted({question.topic for question in samples.questions})
    chances = [1 / len(question.options) for question in samples.questions]
    return CellScores(
        n=len(samples.clips),
        clusters=len(set(samples.clusters)),
        accuracy=found[ACCURACY],
        macro_f1=found[MACRO_F1],
        f1={name: found[f1_of(name)] for name in names},
        unanswered=found[UNANSWERED],
        macro_f1_by_seed=tuple(None if np.isnan(score) else float(score) for score in by_seed),
        reasoning_consistency=found.get(REASONING_CONSISTENCY),
        vqa_accuracy=found.get(VQA_ACCURACY),
        vqa_chance=sum(chances) / len(chances) if chances else None,
        vqa_topics={topic: found[accuracy_on(topic)] for topic in topics},
        gains={name: each for name, each in gains.items() if each is not None},
    )


def reference_of(rows: Sequence[AblationRow]) -> str:
    """The name of the row that the other cells are compared with: the first cell, whether or not it has metrics."""
    return next((row.name for row in rows if row.role == "cell"), "")


def notes_on(rows: Sequence[AblationRow], always_verdict: bool, simulated: float) -> list[str]:
    """What to mind in reading the rows, said by the rows themselves.

    Args:
        rows: The scored rows.
        always_verdict: Whether every cell is trained on the direct verdict.
        simulated: Proportion of the held-out clips that are simulated.
    """
    cells = [row for row in rows if row.role == "cell"]
    scored = [row.scores for row in cells if row.scores is not None]
    notes = []
    if simulated == 1:
        notes.append("All held-out clips are simulated. The metrics say nothing about real footage.")
    elif simulated:
        notes.append(f"{simulated:.0%} of the held-out clips are simulated, the others are real.")
    if scored and min(each.n for each in scored) < _FEW_CLIPS:
        notes.append(f"These metrics are not meaningful: {min(each.n for each in scored)} clips are too few.")
    if scored:
        notes.append(few_clusters_warning(min(each.clusters for each in scored)))
    fewest = min((len(row.seeds) for row in cells if row.seeds), default=0)
    if fewest == 1:
        notes.append(
            "Rows of one seed: their confidence intervals are over the clips alone, and leave out how much another "
            "training of the same cell would differ."
        )
    elif 1 < fewest < _FEW_SEEDS:
        notes.append(f"{fewest} seeds say little about how much trainings differ; where they differ much, take three.")
    if len({row.budget.tokens for row in cells if row.budget is not None}) > 1:
        notes.append(
            "Cells take the same steps where they have the same clips, but not the same tokens: fewer supervision "
            "types or fewer frames also cost less."
        )
    if not always_verdict and any("verdict" not in row.types for row in cells):
        notes.append(
            "Cells that were not trained on the verdict are evaluated by it all the same, as the base model is: their "
            "metrics say how far training on other types carries over to a prompt that they never saw."
        )
    compared = [row.scores for row in cells if row.name != reference_of(rows) and row.scores is not None]
    if any(MACRO_F1 not in each.gains for each in compared):
        notes.append(
            "Where no gain over the first cell is given, the clips are not the same, or the first cell has no metrics."
        )
    return [note for note in notes if note]
