"""The stages of an ablation's cells: each is made once for all cells that agree in what it depends on."""

from collections.abc import Callable
from pathlib import Path

from vlm_autodrive.artifacts import PROVENANCE, write_text, writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import resolve_model
from vlm_autodrive.progress import Reporter
from vlm_autodrive.runs.ablation.cells import AblationCell
from vlm_autodrive.runs.ablation.scores import TrainingBudget
from vlm_autodrive.runs.folder import FRAME_CACHE, RunFolder
from vlm_autodrive.runs.recipe import Recipe
from vlm_autodrive.runs.stages import RecipeStages
from vlm_autodrive.supervision import choose_types
from vlm_autodrive.training import machine_of, plan

_PLAN_FILE = "plan.json"
_Stage = Callable[[Path, Reporter], Path]


class CellStages:
    """What has been made in the folder of an ablation, and what could not be."""

    def __init__(
        self,
        run: RunFolder,
        *,
        only_counting: bool = False,
        gpus: int | None = None,
        gigabytes: float | None = None,
    ) -> None:
        """Work in a folder.

        Args:
            run: The folder.
            gpus: Number of GPUs to plan for, as in :func:`~vlm_autodrive.training.plan.memory.machine_of`.
            gigabytes: Memory of each, likewise.
            only_counting: Nothing will be trained: where a model would have to write samples that are not there yet,
                rule-based ones are counted instead.
        """
        self._run = run
        self._only_counting = only_counting
        self._gpus, self._gigabytes = gpus, gigabytes
        self._results: dict[str, Path | UserError] = {}
        self._cache = run.folder / FRAME_CACHE

    def clips(self, cell: AblationCell) -> Path:
        """The clip set, from videos that are simulated or imported."""
        rows, simulated = self._rows(cell), None
        if cell.recipe.simulate is not None:
            simulated = self._once("simulated", cell, rows.simulate(cell.recipe.simulate))
        catalog = self._once("catalog", cell, rows.import_dataset(simulated))
        if cell.recipe.validate_ is not None:
            catalog = self._once("validated", cell, rows.validate(catalog, cell.recipe.validate_))
        if cell.recipe.corrections is not None:
            catalog = self._once("corrected", cell, rows.apply_corrections(catalog, cell.recipe.corrections))
        return self._once("clips", cell, rows.build_clips(catalog))

    def supervision(self, cell: AblationCell) -> Path:
        """The cell's SFT samples: all types are made once, and the cell's are chosen from them."""
        rows, within = self._rows(cell), ""
        if self.is_estimated(cell):
            within = ".estimate/"
            changes = {"teacher": "rules", "reasoning": "two_steps"}
            changed = cell.recipe.supervise.model_copy(update=changes)
            rows = self._rows(cell, cell.recipe.model_copy(update={"supervise": changed}))
        supervision = self._all_types(cell, rows, within)
        if set(cell.types) == set(cell.recipe.supervise.types):
            return supervision
        return self._once(
            "chosen", cell, lambda out, _: choose_types(supervision, out, cell.types, overwrite=True), within
        )

    def _all_types(self, cell: AblationCell, rows: RecipeStages, within: str = "") -> Path:
        return self._once("supervision", cell, rows.supervise(self.clips(cell)), within)

    def is_estimated(self, cell: AblationCell) -> bool:
        """Whether rule-based samples are counted instead of those that a model has yet to write."""
        settings = cell.recipe.supervise
        by_model = settings.teacher != "rules" or settings.reasoning == "rejection_sampling"
        there = (self._run.folder / cell.place("supervision") / PROVENANCE).is_file()
        return self._only_counting and by_model and not there

    def budget(self, cell: AblationCell) -> TrainingBudget:
        """What a training of the cell takes.

        Raises:
            UserError: If it does not fit.
        """
        supervision, settings = self.supervision(cell), cell.recipe.train
        estimated = self.is_estimated(cell)
        machine = machine_of(settings, self._gpus, self._gigabytes)
        inputs = {"supervision": supervision}
        base = Path(resolve_model(settings.model))
        if base.is_dir():
            inputs["base"] = base

        def count(out: Path, reporter: Reporter) -> Path:
            facts = {"machine": str(machine)}
            with writing_artifact(out, "plan", inputs, settings, facts=facts, overwrite=True) as folder:
                if folder is None:
                    return out
                planned = plan(supervision, settings, reporter, frame_cache=self._cache, machine=machine)
                if not planned.fits:
                    raise UserError(planned.refusal())
                readable = [clip for clip in planned.clips if not clip.problem]
                budget = TrainingBudget(
                    clips=len(readable),
                    samples=sum(clip.samples for clip in readable),
                    steps=planned.steps,
                    frames=max(clip.frames for clip in readable),
                    sequence_tokens=max(clip.sequence_tokens for clip in readable),
                    tokens=round(planned.tokens_shared * planned.steps / planned.steps_per_epoch),
                    exact=planned.exact and not estimated,
                )
                write_text(folder / _PLAN_FILE, budget.model_dump_json(indent=1) + "\n")
            return out

        made = self._once("plans", cell, count, ".estimate/" if estimated else "")
        return TrainingBudget.model_validate_json((made / _PLAN_FILE).read_text(encoding="utf-8"))

    def predictions(self, cell: AblationCell) -> Path:
        """The fine-tuned cell's predictions for the held-out clips."""
        rows = self._rows(cell)
        checkpoint = self._once("checkpoints", cell, rows.train(self.supervision(cell)))
        return self._once("predictions/cells", cell, self._evaluation("cell", cell, str(checkpoint)))

    def base(self, cell: AblationCell) -> Path:
        """The predictions of the model that the cell begins from, with the prompt that is best on validation clips."""
        model, clips, stages = cell.recipe.train.model, self.clips(cell), self._rows(cell)
        validation = None
        if stages.chooses_prompt(clips):
            validation = self._once("validation/base", cell, stages.evaluate_prompts("base", clips, model))
        return self._once("predictions/base", cell, self._evaluation("base", cell, model, validation))

    def _evaluation(self, name: str, cell: AblationCell, model: str, validation: Path | None = None) -> _Stage:
        """The questions are those of all types, whichever the cell is trained on: so all cells are asked the same."""
        rows = self._rows(cell)
        return rows.evaluate(name, self.clips(cell), self._all_types(cell, rows), model, validation)

    def baseline(self, name: str, cell: AblationCell) -> Path:
        """The predictions of what needs no model."""
        return self._once(f"predictions/{name}", cell, self._rows(cell).evaluate_baseline(name, self.clips(cell)))

    def _rows(self, cell: AblationCell, recipe: Recipe | None = None) -> RecipeStages:
        return RecipeStages(recipe or cell.recipe, self._cache)

    def _once(self, stage: str, cell: AblationCell, do: _Stage, within: str = "") -> Path:
        """Do a stage for the first cell that needs it; if it fails, it fails for the others with the same message."""
        place = within + cell.place(stage)
        if place not in self._results:
            try:
                self._results[place] = self._run.run_stage(place, place, do)
            except Exception as error:
                # Not the error itself: its traceback would hold on to the models of the failed cell.
                self._results[place] = UserError(failure_reason(error))
                raise
        result = self._results[place]
        if isinstance(result, UserError):
            raise result
        return result


def failure_reason(error: Exception) -> str:
    """Why something failed, in one line."""
    if isinstance(error, UserError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
