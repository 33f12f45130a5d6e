"""The result of an ablation: one row for each cell of its grid, scored over its seeds and the held-out clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation import CompareSettings, EvaluationSamples, read_evaluation_samples
from vlm_autodrive.metrics import (
    Bootstrap,
    Estimate,
    Statistic,
    classification,
    difference_over_seeds,
    few_clusters_warning,
    over_seeds,
)
from vlm_autodrive.records import Record, Taxonomy

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
        accuracy_gain: Accuracy minus that of the first cell, paired by clip and seed; None for the first cell, for
            what is no cell, and where the clips are others.
        macro_f1_gain: Likewise.
    """

    n: int
    clusters: int
    accuracy: Estimate
    macro_f1: Estimate
    f1: dict[str, Estimate]
    unanswered: Estimate
    macro_f1_by_seed: tuple[float | None, ...]
    accuracy_gain: Estimate | None = None
    macro_f1_gain: Estimate | None = None


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


class AblationResult(Record):
    """The content of ``ablation.json``.

    Attributes:
        name: The recipe.
        description: What it is for.
        notes: What to mind in reading the table.
        varied: Short names of what is varied, in order.
        types: The supervision types of all cells, in order; empty if types are not varied.
        classes: The classes' names and labels.
        rows: Base and baselines first, then the cells in the order of the grids.
    """

    name: str
    description: str
    notes: tuple[str, ...]
    varied: tuple[str, ...]
    types: tuple[str, ...]
    classes: dict[str, str]
    rows: tuple[AblationRow, ...]

    @property
    def failed(self) -> list[AblationRow]:
        """Rows of which something failed."""
        return [row for row in self.rows if row.failures]


@dataclass(frozen=True)
class RowInput:
    """A row before it is scored: its text, and the predictions of each training by seed."""

    row: AblationRow
    predictions: Mapping[int | None, Path]


def score_rows(inputs: Sequence[RowInput], settings: CompareSettings) -> tuple[list[AblationRow], Taxonomy | None]:
    """Score every row that has predictions; the taxonomy is None if none has.

    Args:
        inputs: The rows, in the order of the table.
        settings: The bootstrap.
    """
    rows, taxonomy = [], None
    reference = reference_of([each.row for each in inputs])
    first: tuple[EvaluationSamples, dict[int | None, NDArray[np.float64]]] | None = None
    for each in inputs:
        if not each.predictions:
            rows.append(each.row)
            continue
        by_seed = {seed: str(seed) for seed in each.predictions}
        samples = read_evaluation_samples({by_seed[seed]: folder for seed, folder in each.predictions.items()})
        counts = {seed: _counts(samples, name) for seed, name in by_seed.items()}
        taxonomy = samples.taxonomy
        scores = _scores(samples, counts, settings)
        if each.row.name == reference:
            first = samples, counts
        elif each.row.role == "cell" and first is not None:
            scores = scores.model_copy(update=_gains(first, (samples, counts), settings))
        seeds = tuple(seed for seed in each.predictions if seed is not None)
        rows.append(each.row.model_copy(update={"scores": scores, "seeds": seeds}))
    return rows, taxonomy


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
    if any(each.macro_f1_gain is None for each in compared):
        notes.append(
            "Where no gain over the first cell is given, the clips are not the same, or the first cell has no metrics."
        )
    return [note for note in notes if note]


def _counts(samples: EvaluationSamples, name: str) -> NDArray[np.float64]:
    return classification.one_hot_confusion(samples.truths, samples.answers(name), samples.taxonomy.names)


def _scores(
    samples: EvaluationSamples, counts: Mapping[int | None, NDArray[np.float64]], settings: CompareSettings
) -> CellScores:
    tables = np.stack(list(counts.values()))  # [seeds, clips, K, K + 1]
    bootstrap = Bootstrap(samples.clusters, settings.resamples, settings.seed)

    def estimate(statistic: Statistic) -> Estimate:
        return over_seeds(tables, statistic, bootstrap)

    by_seed = classification.macro_f1(tables.sum(axis=1))
    return CellScores(
        n=len(samples.clips),
        clusters=bootstrap.count,
        accuracy=estimate(classification.accuracy),
        macro_f1=estimate(classification.macro_f1),
        f1={name: estimate(_of_class(k)) for k, name in enumerate(samples.taxonomy.names)},
        unanswered=estimate(_unanswered),
        macro_f1_by_seed=tuple(None if np.isnan(score) else float(score) for score in by_seed),
    )


def _gains(
    first: tuple[EvaluationSamples, Mapping[int | None, NDArray[np.float64]]],
    second: tuple[EvaluationSamples, Mapping[int | None, NDArray[np.float64]]],
    settings: CompareSettings,
) -> dict[str, Estimate]:
    """The gain of a cell over the first one, over the seeds that both have; nothing if their clips differ."""
    (samples, ours), (others, theirs) = first, second
    seeds = [seed for seed in ours if seed in theirs]
    if samples.clips != others.clips or not seeds:
        return {}
    bootstrap = Bootstrap(samples.clusters, settings.resamples, settings.seed)
    before, after = (np.stack([counts[seed] for seed in seeds]) for counts in (ours, theirs))
    return {
        field: difference_over_seeds(before, after, statistic, bootstrap)
        for field, statistic in (
            ("accuracy_gain", classification.accuracy),
            ("macro_f1_gain", classification.macro_f1),
        )
    }


def _of_class(k: int) -> Statistic:
    return lambda totals: classification.f1(totals)[..., k]


def _unanswered(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    proportion: NDArray[np.float64] = totals[..., -1].sum(axis=-1) / totals.sum(axis=(-2, -1))
    return proportion
