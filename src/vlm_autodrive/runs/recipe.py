"""Recipes: YAML files with the stages of a run and their settings.

The shipped ones lie in ``vlm_autodrive/recipes``; ``autodrive recipes copy`` makes one your own. A recipe may say
``like: another``, by a shipped name or a path, and then holds only what is different from that one.
"""

import difflib
from collections.abc import Collection, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator

from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.datasets import CorrectionSettings, ImportSettings, ValidateSettings
from vlm_autodrive.detection import DetectRunSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import BaselineSettings, CompareSettings, EvaluateSettings, ReportSettings
from vlm_autodrive.runs.ablation_settings import AblateSettings
from vlm_autodrive.settings import Settings, merge_values, parse_overrides, parse_settings, parse_yaml
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.supervision import SuperviseSettings
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.video import SamplingSettings

_SUFFIX = ".yaml"
_LIKE = "like"
_SECONDS = "stage_seconds"


class ImportSection(ImportSettings):
    """Which data set is imported, and how.

    Attributes:
        format: Format of the data set.
        path: Path of the data set, relative to the working folder; empty for the videos of ``simulate``.
    """

    format: str = "nexar"
    path: str = ""

    def settings(self) -> ImportSettings:
        """The stage's own settings, without those that are its arguments."""
        return ImportSettings.model_validate(self.model_dump(include=set(ImportSettings.model_fields)))


class CorrectionsSection(CorrectionSettings):
    """Corrections of the data set by reviewers.

    Attributes:
        paths: Folders that were reviewed, stores of reviews or files of corrections, relative to the working folder.
        compare_with: Model of the run before the corrections, such as runs/mine/checkpoint: it is evaluated on the same
            test clips, and the report compares the newly trained model with it. None to leave it out.
    """

    paths: tuple[str, ...] = Field(min_length=1)
    compare_with: str | None = None

    def settings(self) -> CorrectionSettings:
        """The stage's own settings, without those that are its arguments."""
        return CorrectionSettings.model_validate(self.model_dump(include=set(CorrectionSettings.model_fields)))


class AnticipationSection(Settings):
    """Anticipation: windows of the test videos that end before an event and show nothing later.

    Attributes:
        leads_s: Lead times in seconds from a window's end to the event; one window is cut for each.
    """

    leads_s: tuple[float, ...] = Field(default=(0.5, 1.0, 1.5), min_length=1)


class Recipe(Settings):
    """A whole run, from videos to the report.

    Attributes:
        name: Short name; the run's folder is ``runs/<name>`` by default.
        description: One line on the purpose of the recipe.
        run_dir: The run's folder; None for ``runs/<name>``.
        stage_seconds: How long each stage takes on two idle cores, in seconds, in the order of a run: from these the
            time left of the whole run is estimated. Empty if not known; a recipe built on this one has its own.
        simulate: Simulation of videos; None for real footage.
        import_: The data set; in YAML ``import``.
        validate_: Decoding of every video, to find those that cannot be used; in YAML ``validate``. None for none.
        corrections: Corrections of the data set by reviewers; None if there are none.
        clips: Windows and splits.
        supervise: The SFT samples of every clip.
        train: The training and its base model.
        evaluate: The evaluation of the base and the fine-tuned model.
        anticipation: Evaluation on windows that end before an event; None to leave it out.
        baselines: The baselines without a model.
        compare: The comparison of all predictions.
        detect: Detection of events in long videos; None to leave it out.
        report: The HTML report.
        ablate: The grid of ``autodrive ablate``; ignored by ``autodrive run``.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    run_dir: str | None = None
    stage_seconds: dict[str, float] = {}
    simulate: SimulateSettings | None = None
    import_: ImportSection = Field(default=ImportSection(), alias="import")
    validate_: ValidateSettings | None = Field(default=None, alias="validate")
    corrections: CorrectionsSection | None = None
    clips: ClipSettings = ClipSettings()
    supervise: SuperviseSettings = SuperviseSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    anticipation: AnticipationSection | None = None
    baselines: BaselineSettings = BaselineSettings()
    compare: CompareSettings = CompareSettings()
    detect: DetectRunSettings | None = None
    report: ReportSettings = ReportSettings()
    ablate: AblateSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if self.simulate is None and not self.import_.path:
            raise ValueError("set import.path to the videos, or add a section simulate for simulated ones")
        if self.simulate is not None and self.import_.path:
            raise ValueError("import.path and simulate exclude each other; leave one out")
        if self.simulate is None and self.detect is not None and not self.detect.videos:
            raise ValueError("without simulated videos, detect.videos must name the videos to search")
        if self.detect is not None and self.detect.blur != self.report.blur:
            raise ValueError("the report shows timelines of detect, too: set detect.blur and report.blur alike")
        if self.corrections is not None and self.clips.split_by == "count" and self.clips.frozen_test is None:
            raise ValueError(
                "split_by: count divides the drives by class, which corrections change; set clips.frozen_test to the "
                "test_ids.txt of the run before, such as runs/mine/clips/test_ids.txt"
            )
        return self

    @property
    def default_run_dir(self) -> Path:
        """Where the run writes by default."""
        return Path(self.run_dir or f"runs/{self.name}")


SECTIONS: dict[str, type[Settings]] = {
    "simulate": SimulateSettings,
    "import": ImportSection,
    "validate": ValidateSettings,
    "corrections": CorrectionsSection,
    "clips": ClipSettings,
    "supervise": SuperviseSettings,
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "anticipation": AnticipationSection,
    "baselines": BaselineSettings,
    "compare": CompareSettings,
    "detect": DetectRunSettings,
    "report": ReportSettings,
    "ablate": AblateSettings,
}


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = files("vlm_autodrive") / "recipes"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def recipe_text(recipe: str) -> str:
    """The YAML of a recipe.

    Args:
        recipe: The name of a shipped recipe, or the path of a YAML file.

    Raises:
        UserError: If there is none.
    """
    if recipe in shipped_recipes():
        return (files("vlm_autodrive") / "recipes" / (recipe + _SUFFIX)).read_text(encoding="utf-8")
    path = Path(recipe)
    if path.is_file():
        return path.read_text(encoding="utf-8")
    near = difflib.get_close_matches(recipe, shipped_recipes(), n=1)
    hint = f"did you mean {near[0]}?" if near else "give the path of a YAML file, or a name."
    raise UserError(f"there is no recipe {recipe}; {hint} `autodrive recipes ls` lists them.")


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and lay dotted overrides over it.

    Raises:
        UserError: If there is none, or a key or value is wrong.
    """
    values = _mapping(recipe)
    if overrides:
        values.pop(_SECONDS, None)  # they hold for the recipe as it stands
    values = merge_values(values, parse_overrides(overrides))
    return parse_settings(Recipe, values, f"recipe {recipe}")


def recipe_section(recipe: str, section: str, fields: Collection[str]) -> dict[str, Any]:
    """The settings of a recipe's section that are among ``fields``, without what the stage is given as arguments."""
    load_recipe(recipe)
    kept = _mapping(recipe).get(section) or {}
    extra = {"import": ImportSection, "detect": DetectRunSettings}.get(section)
    arguments = set(extra.__annotations__) if extra is not None else set()
    return {key: value for key, value in kept.items() if key in fields and key not in arguments}


def with_training_frames(evaluation: EvaluateSettings, training: TrainSettings) -> EvaluateSettings:
    """Evaluation settings with the frame sampling of the training, except where they set it themselves.

    A base model has no sampling of its own; compared with the fine-tuned one it must see the same frames, or the
    difference between the two would be partly one of input. A served model is left alone: its endpoint's settings say
    how frames are sampled.
    """
    if training.sampling is None or evaluation.endpoint.base_url:
        return evaluation
    changes = {} if evaluation.sampling is None else evaluation.sampling.model_dump(exclude_unset=True)
    values = {**training.sampling.model_dump(), **changes}
    sampling = parse_settings(SamplingSettings, values, "evaluate.sampling, merged into train.sampling")
    return evaluation.model_copy(update={"sampling": sampling})


def _mapping(recipe: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe's plain values, merged into those of the recipe named by ``like``."""
    values = parse_yaml(recipe_text(recipe), f"recipe {recipe}")
    if not isinstance(values, dict):
        raise UserError(f"recipe {recipe}: this is no recipe; write name: and the sections of its stages.")
    like = values.pop(_LIKE, None)
    if like is None:
        return values
    if not isinstance(like, str) or like in (*above, recipe):
        raise UserError(f"recipe {recipe}: {_LIKE} must name another recipe, one that is not built on this one.")
    return merge_values({**_mapping(like, (*above, recipe)), _SECONDS: {}}, values)


def full_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every default."""
    return yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
