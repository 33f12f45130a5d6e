"""The stages of a recipe: for each its function, inputs and settings.

A run does them in order (:mod:`~vlm_autodrive.runs.pipeline`); an ablation does each once for all cells that share it
(:mod:`~vlm_autodrive.runs.ablation.cell_stages`). Both take them from here, so a base model is evaluated alike in both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import iterate_clips, read_provenance
from vlm_autodrive.clips import TEST_IDS_FILE, build_clips
from vlm_autodrive.datasets import ValidateSettings, apply_corrections, import_dataset, validate
from vlm_autodrive.detection import DetectRunSettings, search_long_videos
from vlm_autodrive.evaluation import (
    EvaluateSettings,
    compare,
    evaluate,
    evaluate_baseline,
    validation_settings,
    write_report,
)
from vlm_autodrive.executor import Executor
from vlm_autodrive.models import MAIN
from vlm_autodrive.progress import Reporter
from vlm_autodrive.runs.recipe import AnticipationSection, CorrectionsSection, Recipe, with_training_frames
from vlm_autodrive.settings import Settings
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.supervision import supervise
from vlm_autodrive.training import train


@dataclass(frozen=True)
class Stage:
    """One stage: a call that writes one artefact folder.

    Attributes:
        name: How progress calls it.
        folder: Its folder below that of the run.
        function: The stage function.
        inputs: Its positional arguments before the folder: artefact folders and names.
        settings: Its settings, which decide together with the inputs whether the folder is up to date.
        options: Its further keyword arguments.
    """

    name: str
    folder: str
    function: Callable[..., Path]
    inputs: tuple[Any, ...]
    settings: Settings
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, out: Path, reporter: Reporter) -> Path:
        """Do the stage in ``out`` if it is out of date there.

        A folder made from other inputs or settings is replaced: the folders below a run's are the run's own.
        """
        return self.function(*self.inputs, out, self.settings, reporter, overwrite=True, **self.options)


def _validate(catalog: Path, out: Path, settings: ValidateSettings, reporter: Reporter, **options: Any) -> Path:
    validate(catalog, out, settings, reporter, **options)
    return out


def has_validation(clips: Path) -> bool:
    """Whether a clip set has validation clips of known class."""
    return any(clip.split == "validation" and clip.event_class is not None for clip in iterate_clips(clips))


@dataclass(frozen=True)
class RecipeStages:
    """The stages of one recipe, in the order of a run.

    Attributes:
        recipe: All settings.
        frame_cache: Where training and evaluation keep decoded frames.
        executor: The cluster that does what is done clip by clip or video by video; None for this machine.
    """

    recipe: Recipe
    frame_cache: Path
    executor: Executor | None = None

    def simulate(self, settings: SimulateSettings) -> Stage:
        """Render simulated videos."""
        return Stage("simulate", "simulated", simulate, (), settings)

    def import_dataset(self, simulated: Path | None) -> Stage:
        """Read the data set, or what was simulated, into a catalog."""
        section = self.recipe.import_
        source = Path(section.path) if simulated is None else simulated
        return Stage("import", "catalog", import_dataset, (section.format, source), section.settings())

    def validate(self, catalog: Path, settings: ValidateSettings) -> Stage:
        """Decode every video, and mark those that cannot be used."""
        return Stage("validate", "validated", _validate, (catalog,), settings, {"executor": self.executor})

    def apply_corrections(self, catalog: Path, section: CorrectionsSection) -> Stage:
        """Apply reviewers' corrections to a catalog; those of the frozen test split only if they are to be."""
        frozen = self.recipe.clips.frozen_test
        inputs = (catalog, [Path(path) for path in section.paths])
        options = {"test_ids": None if frozen is None else Path(frozen)}
        return Stage("corrections", "corrected", apply_corrections, inputs, section.settings(), options)

    def build_clips(self, catalog: Path) -> Stage:
        """Cut windows and split them."""
        return Stage("clips", "clips", build_clips, (catalog,), self.recipe.clips, {"executor": self.executor})

    def supervise(self, clips: Path) -> Stage:
        """Make the SFT samples of every clip."""
        options = {"executor": self.executor}
        return Stage("supervise", "supervision", supervise, (clips,), self.recipe.supervise, options)

    def train(self, supervision: Path) -> Stage:
        """Fine-tune the base model."""
        options = {"frame_cache": self.frame_cache}
        return Stage("train", "checkpoint", train, (supervision,), self.recipe.train, options)

    def chooses_prompt(self, clips: Path) -> bool:
        """Whether the base model's prompt is chosen: unless the recipe forbids it, where there are validation clips."""
        return self.recipe.evaluate.choose_prompt is not False and has_validation(clips)

    def evaluate(self, name: str, clips: Path, supervision: Path, model: str, validation: Path | None = None) -> Stage:
        """Predict the held-out clips, with the prompt variants, controls and held-out questions of the recipe.

        Args:
            name: The model's name in the comparison.
            clips: The clip set.
            supervision: Where the held-out questions are.
            model: The model.
            validation: What :meth:`evaluate_prompts` makes, by which the model's prompt is chosen; None for ``main``.
        """
        settings = self._evaluation().model_copy(update={"choose_prompt": validation is not None})
        options = {"questions": supervision, "validation": validation, "executor": self.executor}
        return Stage(f"evaluate {name}", f"predictions/{name}", evaluate, (clips, model), settings, options)

    def evaluate_prompts(self, name: str, clips: Path, model: str) -> Stage:
        """Predict the validation clips with every prompt."""
        settings = validation_settings(self._evaluation())
        return self._evaluate_validation(name, clips, model, settings)

    def evaluate_baseline(self, name: str, clips: Path) -> Stage:
        """Predict the held-out clips without a model."""
        settings = self.recipe.baselines
        return Stage(f"evaluate {name}", f"predictions/{name}", evaluate_baseline, (clips, name), settings)

    def evaluate_validation(self, name: str, clips: Path, model: str) -> Stage:
        """Predict the validation clips, on which the comparison fits the model's temperature."""
        settings = self._verdicts_only().model_copy(update={"split": "validation"})
        return self._evaluate_validation(name, clips, model, settings)

    def _evaluate_validation(self, name: str, clips: Path, model: str, settings: EvaluateSettings) -> Stage:
        options = {"executor": self.executor}
        name, folder = f"evaluate {name} on validation", f"validation/{name}"
        return Stage(name, folder, evaluate, (clips, model), settings, options)

    def build_clips_ahead(self, catalog: Path, clips: Path, section: AnticipationSection) -> Stage:
        """Cut windows that end before an event, with the test split of ``clips``.

        Drawn anew, the split could put a video that was trained on into the test.
        """
        changes = {"anticipation_s": section.leads_s, "frozen_test": str(clips / TEST_IDS_FILE)}
        settings = self.recipe.clips.model_copy(update=changes)
        return Stage("clips ahead", "clips-ahead", build_clips, (catalog,), settings, {"executor": self.executor})

    def evaluate_ahead(self, name: str, clips_ahead: Path, model: str, predictions: Path) -> Stage:
        """Predict the windows that end before an event, with the prompt of the model's other ``predictions``."""
        prompt = read_provenance(predictions).facts.get("prompt", MAIN)
        inputs, settings = (clips_ahead, model), self._verdicts_only().model_copy(update={"prompt": prompt})
        return Stage(f"evaluate {name} ahead", f"ahead/{name}", evaluate, inputs, settings, {"executor": self.executor})

    def compare(
        self, predictions: Mapping[str, Path], validation: Mapping[str, Path], ahead: Mapping[str, Path]
    ) -> Stage:
        """Score all predictions, with confidence intervals and tests."""
        options = {"validation": validation, "anticipation": ahead}
        return Stage("compare", "comparison", compare, (predictions,), self.recipe.compare, options)

    def search_long_videos(self, checkpoint: Path, simulated: Path | None, section: DetectRunSettings) -> Stage:
        """Search long videos for events with the fine-tuned model."""
        options = {"executor": self.executor}
        return Stage("detect", "long_videos", search_long_videos, (checkpoint, simulated), section, options)

    def write_report(self, comparison: Path, long_videos: Path | None, corrected: Path | None, run_dir: Path) -> Stage:
        """Write the report: the page and its metrics."""
        options = {"long_videos": long_videos, "corrections": corrected, "run_dir": run_dir}
        return Stage("report", "report", write_report, (comparison,), self.recipe.report, options)

    def _evaluation(self) -> EvaluateSettings:
        settings = with_training_frames(self.recipe.evaluate, self.recipe.train)
        return settings.model_copy(update={"frame_cache": settings.frame_cache or str(self.frame_cache)})

    def _verdicts_only(self) -> EvaluateSettings:
        return self._evaluation().model_copy(
            update={"reasoning": False, "prompt_variants": (), "controls": (), "choose_prompt": None}
        )
