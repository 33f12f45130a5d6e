"""The stages of an ablation's cells: each is made once for all cells that agree in what it hangs on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from vlm_autodrive.artifacts import PROVENANCE, write_text, writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import evaluate, evaluate_baseline
from vlm_autodrive.models import resolve_model
from vlm_autodrive.progress import Reporter
from vlm_autodrive.runs.ablation.cells import Cell
from vlm_autodrive.runs.ablation.scores import Budget
from vlm_autodrive.runs.folder import RunFolder

_PLAN_FILE = "plan.json"
_Stage = Callable[[Path, Reporter], Path]


class Stages:
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
            gpus: How many GPUs it is counted for, as in :func:`~vlm_autodrive.training.plan.memory.machine_of`.
            gigabytes: Memory of each, likewise.
            only_counting: Nothing will be trained: where a model would have to write texts that are not there yet,
                the rules' are counted instead.
        """
        self._run = run
        self._only_counting = only_counting
        self._gpus, self._gigabytes = gpus, gigabytes
        self._results: dict[str, Path | UserError] = {}
        self._cache = run.folder / ".cache" / "frames"

    def clips(self, cell: Cell) -> Path:
        """The clip set, from the drives that are simulated or read."""
        from vlm_autodrive.clips import build_clips
        from vlm_autodrive.datasets import import_dataset

        recipe, read = cell.recipe, cell.recipe.import_
        source = Path(read.path)
        if recipe.simulate is not None:
            from vlm_autodrive.simulation import simulate

            wanted = recipe.simulate
            source = self._once("simulated", cell, lambda out, say: simulate(out, wanted, say, overwrite=True))
        catalog = self._once(
            "catalog",
            cell,
            lambda out, say: import_dataset(read.format, source, out, read.settings(), say, overwrite=True),
        )
        return self._once("clips", cell, lambda out, say: build_clips(catalog, out, recipe.clips, say, overwrite=True))

    def supervision(self, cell: Cell) -> Path:
        """What the cell is taught: all texts are written once, and the cell's types are chosen from them."""
        from vlm_autodrive.supervision import choose_types, supervise

        clips, settings = self.clips(cell), cell.recipe.supervise
        within = ""
        if self.is_estimated(cell):
            within = ".estimate/"
            settings = settings.model_copy(update={"teacher": "rules", "reasoning": "two_steps"})
        supervision = self._once(
            "supervision", cell, lambda out, say: supervise(clips, out, settings, say, overwrite=True), within
        )
        if set(cell.types) == set(settings.types):
            return supervision
        return self._once(
            "chosen", cell, lambda out, _: choose_types(supervision, out, cell.types, overwrite=True), within
        )

    def is_estimated(self, cell: Cell) -> bool:
        """Whether the rules' texts are counted instead of those that a model has yet to write."""
        settings = cell.recipe.supervise
        by_model = settings.teacher != "rules" or settings.reasoning == "student"
        there = (self._run.folder / cell.place("supervision") / PROVENANCE).is_file()
        return self._only_counting and by_model and not there

    def budget(self, cell: Cell) -> Budget:
        """What a training of the cell takes.

        Raises:
            UserError: If it does not fit.
        """
        from vlm_autodrive.training import machine_of, plan

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
                budget = Budget(
                    clips=len(readable),
                    items=sum(clip.items for clip in readable),
                    steps=planned.steps,
                    frames=max(clip.frames for clip in readable),
                    row_tokens=max(clip.sequence_tokens for clip in readable),
                    tokens=round(planned.tokens_shared * planned.steps / planned.steps_per_epoch),
                    exact=planned.exact and not estimated,
                )
                write_text(folder / _PLAN_FILE, budget.model_dump_json(indent=1) + "\n")
            return out

        made = self._once("plans", cell, count, ".estimate/" if estimated else "")
        return Budget.model_validate_json((made / _PLAN_FILE).read_text(encoding="utf-8"))

    def predictions(self, cell: Cell) -> Path:
        """The trained cell's answers about the held-out clips."""
        from vlm_autodrive.training import train

        recipe, supervision = cell.recipe, self.supervision(cell)
        checkpoint = self._once(
            "checkpoints",
            cell,
            lambda out, say: train(supervision, out, recipe.train, say, frame_cache=self._cache, overwrite=True),
        )
        return self._asked("predictions/cells", cell, str(checkpoint))

    def base(self, cell: Cell) -> Path:
        """The answers of the model that the cell begins from."""
        return self._asked("predictions/base", cell, cell.recipe.train.model)

    def baseline(self, name: str, cell: Cell) -> Path:
        """The answers of what needs no model."""
        clips = self.clips(cell)
        do = partial(evaluate_baseline, clips, name, settings=cell.recipe.baselines, overwrite=True)
        return self._once(f"predictions/{name}", cell, lambda out, say: do(out=out, reporter=say))

    def _asked(self, stage: str, cell: Cell, model: str) -> Path:
        clips = self.clips(cell)
        asked = cell.recipe.evaluate
        settings = asked.model_copy(update={"frame_cache": asked.frame_cache or str(self._cache)})
        return self._once(stage, cell, lambda out, say: evaluate(clips, model, out, settings, say, overwrite=True))

    def _once(self, stage: str, cell: Cell, do: _Stage, within: str = "") -> Path:
        """Do a stage for the first cell that needs it; what failed fails for the others in the same words."""
        place = within + cell.place(stage)
        if place not in self._results:
            try:
                self._results[place] = self._run.stage(place, place, do)
            except Exception as error:
                self._results[place] = UserError(reason_of(error))  # and not the error, which holds on to its models
                raise
        result = self._results[place]
        if isinstance(result, UserError):
            raise result
        return result


def reason_of(error: Exception) -> str:
    """Why something failed, in one line."""
    if isinstance(error, UserError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
