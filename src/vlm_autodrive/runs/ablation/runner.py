"""The run of an ablation: count every cell, refuse what does not fit, then train and evaluate them one by one."""

import gc
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from vlm_autodrive.artifacts import PROVENANCE, read_clips, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import SUPERVISION_TYPES, Record
from vlm_autodrive.runs.ablation.cell_stages import CellStages, failure_reason
from vlm_autodrive.runs.ablation.cells import DEPENDS_ON, TYPES_KEY, AblationCell, cells_of, short_names
from vlm_autodrive.runs.ablation.page import write_ablation
from vlm_autodrive.runs.ablation.result import AblationResult
from vlm_autodrive.runs.ablation.row_metrics import MACRO_F1, VQA_ACCURACY, f1_of
from vlm_autodrive.runs.ablation.scores import (
    AblationRow,
    CellFailure,
    Role,
    RowInput,
    TrainingBudget,
    notes_on,
    score_rows,
)
from vlm_autodrive.runs.ablation.type_effects import type_effects
from vlm_autodrive.runs.folder import RunFolder, refuse_several_processes, run_lock
from vlm_autodrive.runs.recipe import Recipe

_BASE = "before training"
_BASELINES = {"majority": "majority class", "camera_shake": "camera shake"}


class SharedStage(Record):
    """How often a stage is done for all cells together.

    Attributes:
        stage: The stage.
        times: How often.
        there: How many of these results lie in the folder already.
    """

    stage: str
    times: int
    there: int


class AblationPreview(Record):
    """What an ablation would do.

    Attributes:
        name: The recipe.
        rows: The cells with their budgets, and as failures what does not fit.
        trainings: How many there would be.
        shared: How often each stage is done.
        steps: Steps of all trainings.
        tokens: Tokens of all trainings, about.
    """

    name: str
    rows: tuple[AblationRow, ...]
    trainings: int
    shared: tuple[SharedStage, ...]
    steps: int
    tokens: int


def preview(
    recipe: Recipe,
    out: Path,
    reporter: Reporter = SILENT,
    *,
    gpus: int | None = None,
    gigabytes: float | None = None,
) -> AblationPreview:
    """Say what an ablation would do. Nothing is trained, and no model generates anything.

    Counting needs the clips and the rule-based samples, so these are made in ``out``, where the ablation takes them up.
    Where the teacher is a model, rule-based samples are counted instead of those that it has yet to write.

    Args:
        recipe: As for :func:`ablate`.
        out: Likewise.
        reporter: Gets the progress.
        gpus: Number of GPUs that cells must fit; None for this machine's.
        gigabytes: Memory of each GPU; None for this machine's.
    """
    cells = cells_of(recipe)
    with run_lock(out):
        there = _shared(cells, out)
        stages = CellStages(RunFolder(out, reporter), only_counting=True, gpus=gpus, gigabytes=gigabytes)
        budgets, unfit = _count(stages, cells, out)
    rows = [
        _cell_row(
            name, of_row, budgets, failures=(CellFailure(seed=None, reason=unfit[name]),) if name in unfit else ()
        )
        for name, of_row in _by_name(cells).items()
    ]
    trained = [budgets[cell.name] for cell in cells if cell.name in budgets]
    return AblationPreview(
        name=recipe.name,
        rows=tuple(rows),
        trainings=len(trained),
        shared=there,
        steps=sum(budget.steps for budget in trained),
        tokens=sum(budget.tokens for budget in trained),
    )


def ablate(recipe: Recipe, out: Path, reporter: Reporter = SILENT) -> AblationResult:
    """Train and evaluate every cell of a recipe's ablation, and write its table and plot.

    Killed anywhere, the same call goes on where it was. A cell that fails is a row with the reason; the same call
    tries it again. The table is written anew after every cell, with those that wait.

    Args:
        recipe: What to do, with a section ``ablate``.
        out: The folder of the ablation.
        reporter: Gets the progress.

    Returns:
        The content of ``ablation.json``; ``ablation.html`` and ``ablation.md`` are beside it.

    Raises:
        UserError: If settings are wrong, if cells cannot be trained and ``ablate.unfit`` is ``refuse``, or if
            another process is at work in ``out``.
    """
    refuse_several_processes(
        "an ablation trains in one process; start it without torchrun, or run its cells by `train`."
    )
    cells = cells_of(recipe)
    with run_lock(out):
        reporter.say(f"Ablation {recipe.name}, in {out}: {len(_by_name(cells))} cells, {len(cells)} trainings.")
        run = RunFolder(out, reporter)
        stages = CellStages(run)
        budgets, unfit = _count(stages, cells, out)
        _refuse(recipe, unfit, len(_by_name(cells)))
        table = _Table(recipe, out, cells, budgets, unfit)
        # References first, so that the table has something to compare with from the first cell on.
        table.add_references(stages)
        for number, cell in enumerate(_seed_by_seed(cells), 1):
            if cell.name in unfit:
                continue
            reporter.say(f"cell {number} of {len(cells)}: {cell.title}")
            before = len(run.executed)
            failed = not table.add(cell, stages.predictions)
            if failed or len(run.executed) > before:
                table.write()
                _release_memory()
        return table.write()


def _count(
    stages: CellStages, cells: Sequence[AblationCell], out: Path
) -> tuple[dict[str, TrainingBudget], dict[str, str]]:
    """The budget of every cell by its name, and why a cell cannot be trained."""
    budgets, unfit = {}, {}
    for name, of_row in _by_name(cells).items():
        try:
            budgets[name] = stages.budget(of_row[0])
        except Exception as error:
            unfit[name] = _noted_failure(out, name, error)
    return budgets, unfit


def _refuse(recipe: Recipe, unfit: dict[str, str], cells: int) -> None:
    if not unfit or recipe.ablate is None:
        return
    if len(unfit) == cells and len(set(unfit.values())) == 1:
        raise UserError(next(iter(unfit.values())))
    if recipe.ablate.unfit == "refuse" or len(unfit) == cells:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in unfit.items())
        raise UserError(
            f"{len(unfit)} of {cells} cells cannot be trained, and nothing was:\n{listed}\nMend their settings, or "
            "leave them out with ablate.unfit=leave_out."
        )


class _Table:
    """The rows of the table as they come in."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        cells: Sequence[AblationCell],
        budgets: dict[str, TrainingBudget],
        unfit: dict[str, str],
    ) -> None:
        self._recipe, self._out, self._cells = recipe, out, cells
        self._budgets, self._unfit = budgets, unfit
        self._references: list[RowInput] = []
        self._done: dict[tuple[str, int], Path] = {}
        self._failed: dict[tuple[str, int], str] = {}

    def add_references(self, stages: CellStages) -> None:
        """Evaluate the base models and the baselines, each once for all cells that share it."""
        self._refer("predictions/base", _BASE, "base", stages.base)
        for name, title in _BASELINES.items():
            self._refer(f"predictions/{name}", title, "baseline", partial(stages.baseline, name))

    def _refer(self, stage: str, title: str, role: Role, do: Callable[[AblationCell], Path]) -> None:
        firsts = {cell.place(stage): cell for cell in reversed(self._cells) if cell.name not in self._unfit}
        for cell in reversed(firsts.values()):
            keys = cell.shared_by(stage)
            names = short_names(list(cell.values))
            values = {names[key]: value for key, value in keys.items()}
            suffix = ", ".join(f"{key}={value}" for key, value in values.items())
            row = AblationRow(name=f"{title}, {suffix}" if suffix else title, role=role, values=values)
            try:
                self._references.append(RowInput(row, {None: do(cell)}))
            except Exception as error:
                failed = CellFailure(seed=None, reason=_noted_failure(self._out, row.name, error))
                self._references.append(RowInput(row.model_copy(update={"failures": (failed,)}), {}))

    def add(self, cell: AblationCell, do: Callable[[AblationCell], Path]) -> bool:
        """Train and evaluate a cell, or note why it failed; whether it went well."""
        try:
            self._done[cell.name, cell.seed] = do(cell)
        except Exception as error:
            self._failed[cell.name, cell.seed] = _noted_failure(self._out, cell.title, error)
            return False
        return True

    def write(self) -> AblationResult:
        """Score what is there and write table and plot."""
        wanted = self._recipe.ablate
        assert wanted is not None
        inputs = [*self._references, *(self._input(name, of_row) for name, of_row in _by_name(self._cells).items())]
        settings = self._recipe.compare
        scored = score_rows(inputs, settings)
        rows, taxonomy = scored.rows, scored.taxonomy
        most_severe = [] if taxonomy is None else [f1_of(taxonomy.names[0])]
        keys = list(self._cells[0].values)
        names = short_names(keys)
        notes = notes_on(rows, "verdict" in wanted.always, _simulated(inputs))
        type_sets = [set(cell.types) for cell in self._cells]
        ablation = AblationResult(
            name=self._recipe.name,
            description=self._recipe.description,
            notes=(*self._recipe.report.notes, *notes),
            varied=tuple(names[key] for key in keys if key != TYPES_KEY),
            types=tuple(
                supervision_type
                for supervision_type in SUPERVISION_TYPES
                if any(supervision_type in types for types in type_sets)
            )
            if TYPES_KEY in keys
            else (),
            classes={} if taxonomy is None else {each.name: each.label for each in taxonomy.classes},
            rows=tuple(rows),
            type_effects=type_effects(rows, scored.metrics, [MACRO_F1, *most_severe, VQA_ACCURACY], settings),
        )
        write_ablation(ablation, self._out)
        return ablation

    def _input(self, name: str, of_row: Sequence[AblationCell]) -> RowInput:
        seeds = [cell.seed for cell in of_row]
        done: dict[int | None, Path] = {seed: self._done[name, seed] for seed in seeds if (name, seed) in self._done}
        failures = [CellFailure(seed=s, reason=self._failed[name, s]) for s in seeds if (name, s) in self._failed]
        waiting = len(seeds) - len(done) - len(failures)
        if name in self._unfit:
            failures, waiting = [CellFailure(seed=None, reason=self._unfit[name])], 0
        return RowInput(_cell_row(name, of_row, self._budgets, waiting, tuple(failures)), done)


def _cell_row(
    name: str,
    of_row: Sequence[AblationCell],
    budgets: dict[str, TrainingBudget],
    waiting: int = 0,
    failures: tuple[CellFailure, ...] = (),
) -> AblationRow:
    cell = of_row[0]
    names = short_names(list(cell.values))
    return AblationRow(
        name=name,
        role="cell",
        values={names[key]: value for key, value in cell.values.items()},
        types=cell.types,
        waiting=waiting,
        failures=failures,
        budget=budgets.get(name),
    )


def _by_name(cells: Sequence[AblationCell]) -> dict[str, list[AblationCell]]:
    rows: dict[str, list[AblationCell]] = {}
    for cell in cells:
        rows.setdefault(cell.name, []).append(cell)
    return rows


def _seed_by_seed(cells: Sequence[AblationCell]) -> list[AblationCell]:
    """All cells with the first seed, then all with the next: so every row has scores early."""
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    return sorted(cells, key=lambda cell: seeds.index(cell.seed))


def _shared(cells: Sequence[AblationCell], out: Path) -> tuple[SharedStage, ...]:
    stages = []
    not_for_all = {
        "simulated": [cell for cell in cells if cell.recipe.simulate is not None],
        "validated": [cell for cell in cells if cell.recipe.validate_ is not None],
        "corrected": [cell for cell in cells if cell.recipe.corrections is not None],
        "chosen": [cell for cell in cells if set(cell.types) != set(cell.recipe.supervise.types)],
    }
    for stage in DEPENDS_ON:
        places = {cell.place(stage) for cell in not_for_all.get(stage, cells)}
        if not places:
            continue
        there = sum((out / place / PROVENANCE).is_file() for place in places)
        stages.append(SharedStage(stage=stage, times=len(places), there=there))
    return tuple(stages)


def _simulated(inputs: Sequence[RowInput]) -> float:
    """The proportion of simulated clips among all held-out clips."""
    folders = [folder for each in inputs for folder in each.predictions.values()]
    clips = {clip.clip_id: clip for folder in folders for clip in read_clips(folder)}
    return sum(clip.scenario is not None for clip in clips.values()) / len(clips) if clips else 0.0


def _noted_failure(out: Path, title: str, error: Exception) -> str:
    """Why something failed; where it is not the user's mistake, the whole traceback is kept in a file."""
    if not isinstance(error, UserError):
        path = out / "failures" / f"{quote(title, safe=' =,+')[:160]}.txt"
        path.parent.mkdir(exist_ok=True)
        write_text(path, "".join(traceback.format_exception(error)))
    return failure_reason(error)


def _release_memory() -> None:
    """Give back what a cell's model held on a GPU, before the next one is loaded."""
    import torch

    # The caching allocator keeps freed blocks in the sizes of the last model; the next one may not fit into them.
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
