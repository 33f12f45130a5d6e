"""What an ablation says: one row for each cell of its grid, scored over its seeds and the held-out clips."""

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


class Failure(Record):
    """A training or evaluation that brought no figures, and why."""

    seed: int | None
    reason: str


class Budget(Record):
    """What a cell is trained with.

    Attributes:
        clips: Clips that are trained on.
        items: Their items.
        steps: Steps in all.
        frames: Most frames of a clip.
        row_tokens: Tokens of the longest row.
        tokens: Tokens of the whole training, about: those of the first epoch's visits, times the epochs.
        exact: Whether tokens were counted by the model's own tokenizer, on texts as they are taught.
    """

    clips: int
    items: int
    steps: int
    frames: int
    row_tokens: int
    tokens: int
    exact: bool


class CellScores(Record):
    """The figures of a row; means over its seeds.

    Attributes:
        n: Held-out clips, the same for each seed.
        clusters: Independent groups of them.
        accuracy: Share right; a clip without an answer counts as wrong.
        macro_f1: Mean F1 of the classes.
        f1: F1 of each class.
        unanswered: Share of clips without a class in the answer, failures of every sort together.
        macro_f1_by_seed: The macro-F1 of each training; None where it is undefined.
        accuracy_gained: Accuracy minus that of the first cell, paired by clip and seed; None for the first cell, for
            what is no cell, and where the clips are others.
        macro_f1_gained: Likewise.
    """

    n: int
    clusters: int
    accuracy: Estimate
    macro_f1: Estimate
    f1: dict[str, Estimate]
    unanswered: Estimate
    macro_f1_by_seed: tuple[float | None, ...]
    accuracy_gained: Estimate | None = None
    macro_f1_gained: Estimate | None = None


class AblationRow(Record):
    """One row of the table.

    Attributes:
        name: What it is called.
        role: ``base`` for the model as it is before training, ``baseline`` for what needs no model, ``cell`` for one
            of the grid.
        values: What is varied, by its short name, as this row has it; of a base or baseline, what it hangs on.
        types: The types that were taught; empty for what is no cell.
        seeds: The seeds that are in the figures; empty for what has none.
        waiting: How many trainings are not done yet.
        failures: Those that failed.
        budget: What a training of it takes; None if it could not be counted.
        scores: The figures; None without any.
    """

    name: str
    role: Role
    values: dict[str, str] = {}
    types: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    waiting: int = 0
    failures: tuple[Failure, ...] = ()
    budget: Budget | None = None
    scores: CellScores | None = None


class Ablation(Record):
    """The content of ``ablation.json``.

    Attributes:
        name: The recipe.
        description: What it is for.
        notes: What to mind in reading the table.
        varied: Short names of what is varied, in order.
        types: The types that some row is taught and others are not, in order; empty if types are not varied.
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
        cases = read_evaluation_samples({by_seed[seed]: folder for seed, folder in each.predictions.items()})
        counts = {seed: _counts(cases, name) for seed, name in by_seed.items()}
        taxonomy = cases.taxonomy
        scores = _scores(cases, counts, settings)
        if each.row.name == reference:
            first = cases, counts
        elif each.row.role == "cell" and first is not None:
            scores = scores.model_copy(update=_gains(first, (cases, counts), settings))
        seeds = tuple(seed for seed in each.predictions if seed is not None)
        rows.append(each.row.model_copy(update={"scores": scores, "seeds": seeds}))
    return rows, taxonomy


def reference_of(rows: Sequence[AblationRow]) -> str:
    """The name of the row that the other cells are compared with: the first cell, whether or not it has figures."""
    return next((row.name for row in rows if row.role == "cell"), "")


def notes_on(rows: Sequence[AblationRow], always_taught: bool, simulated: float) -> list[str]:
    """What to mind in reading the rows, said by the rows themselves.

    Args:
        rows: The scored rows.
        always_taught: Whether every cell is taught the direct verdict.
        simulated: Share of the held-out clips that are simulated.
    """
    cells = [row for row in rows if row.role == "cell"]
    scored = [row.scores for row in cells if row.scores is not None]
    notes = []
    if simulated == 1:
        notes.append("All held-out clips are simulated. The figures say nothing about real footage.")
    elif simulated:
        notes.append(f"{simulated:.0%} of the held-out clips are simulated, the others are real.")
    if scored and min(each.n for each in scored) < _FEW_CLIPS:
        notes.append(f"These figures mean nothing: {min(each.n for each in scored)} clips are too few to judge by.")
    if scored:
        notes.append(few_clusters_warning(min(each.clusters for each in scored)))
    fewest = min((len(row.seeds) for row in cells if row.seeds), default=0)
    if fewest == 1:
        notes.append(
            "Rows of one seed: their intervals are over the clips alone, and do not say how far another training of "
            "the same cell would come out elsewhere."
        )
    elif 1 < fewest < _FEW_SEEDS:
        notes.append(f"{fewest} seeds say little of how trainings differ; where they differ much, take three or more.")
    if len({row.budget.tokens for row in cells if row.budget is not None}) > 1:
        notes.append(
            "Cells take the same steps where they have the same clips, but not the same tokens: what is taught less, "
            "or sees fewer frames, also costs less."
        )
    if not always_taught and any("verdict" not in row.types for row in cells):
        notes.append(
            "Cells that were not taught the verdict are asked for it all the same, as an untuned model is: their "
            "figures say how far what they learnt carries over to a question that they never saw."
        )
    compared = [row.scores for row in cells if row.name != reference_of(rows) and row.scores is not None]
    if any(each.macro_f1_gained is None for each in compared):
        notes.append(
            "Where no difference from the first cell is given, the clips are not the same, or the first cell has no "
            "figures."
        )
    return [note for note in notes if note]


def _counts(cases: EvaluationSamples, name: str) -> NDArray[np.float64]:
    return classification.one_hot_confusion(cases.truths, cases.answers(name), cases.taxonomy.names)


def _scores(
    cases: EvaluationSamples, counts: Mapping[int | None, NDArray[np.float64]], settings: CompareSettings
) -> CellScores:
    tables = np.stack(list(counts.values()))  # [seeds, clips, K, K + 1]
    bootstrap = Bootstrap(cases.clusters, settings.resamples, settings.seed)

    def figure(statistic: Statistic) -> Estimate:
        return over_seeds(tables, statistic, bootstrap)

    by_seed = classification.macro_f1(tables.sum(axis=1))
    return CellScores(
        n=len(cases.clips),
        clusters=bootstrap.count,
        accuracy=figure(classification.accuracy),
        macro_f1=figure(classification.macro_f1),
        f1={name: figure(_of_class(k)) for k, name in enumerate(cases.taxonomy.names)},
        unanswered=figure(_unanswered),
        macro_f1_by_seed=tuple(None if np.isnan(score) else float(score) for score in by_seed),
    )


def _gains(
    first: tuple[EvaluationSamples, Mapping[int | None, NDArray[np.float64]]],
    second: tuple[EvaluationSamples, Mapping[int | None, NDArray[np.float64]]],
    settings: CompareSettings,
) -> dict[str, Estimate]:
    """What a cell has more than the first one, over the seeds that both have; nothing if their clips differ."""
    (cases, ours), (others, theirs) = first, second
    seeds = [seed for seed in ours if seed in theirs]
    if cases.clips != others.clips or not seeds:
        return {}
    bootstrap = Bootstrap(cases.clusters, settings.resamples, settings.seed)
    before, after = (np.stack([counts[seed] for seed in seeds]) for counts in (ours, theirs))
    return {
        field: difference_over_seeds(before, after, statistic, bootstrap)
        for field, statistic in (
            ("accuracy_gained", classification.accuracy),
            ("macro_f1_gained", classification.macro_f1),
        )
    }


def _of_class(k: int) -> Statistic:
    return lambda totals: classification.f1(totals)[..., k]


def _unanswered(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = totals[..., -1].sum(axis=-1) / totals.sum(axis=(-2, -1))
    return share
