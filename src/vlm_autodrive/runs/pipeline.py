"""A whole run of a recipe: every stage that is out of date, in order.

Every stage function skips what it has made already from the same inputs and settings, so a run is nothing but the
calls in order. That is also what makes it resumable: there is no record of progress beside the artefacts themselves.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import PROVENANCE, write_text
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import BEFORE_CORRECTIONS, REPORT_FILES, baselines_of, read_long_videos
from vlm_autodrive.executor import Executor
from vlm_autodrive.models import require_model
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.runs.folder import FRAME_CACHE, RunFolder, refuse_several_processes, run_lock
from vlm_autodrive.runs.recipe import Recipe
from vlm_autodrive.runs.stages import RecipeStages, has_validation
from vlm_autodrive.training import check_frame_size, decode_for_training


class RunResult(Record):
    """What a run came to.

    Attributes:
        run_dir: Its folder.
        executed: The stages that had something to do, in order; empty if all was up to date.
        headline: The result in a sentence or two, as the report begins.
        notes: Caveats: the recipe's own notes, and those that follow from the data.
        models: The scores of each model, by name, as in report.json.
        long_videos: How detection did on long videos; None without a detect section.
        report_html: The report.
        report_json: Its metrics.
    """

    run_dir: Path
    executed: tuple[str, ...]
    headline: str
    notes: tuple[str, ...]
    models: dict[str, Any]
    long_videos: dict[str, Any] | None
    report_html: Path
    report_json: Path


def prepare_training(
    recipe: Recipe, run_dir: Path | None = None, reporter: Reporter = TERMINAL, *, executor: Executor | None = None
) -> None:
    """Do the stages of a recipe that come before training, as :func:`run_recipe` does them, which then goes on.

    Args:
        recipe: What to do.
        run_dir: The run's folder; ``runs/<name>`` if None.
        reporter: Gets the progress.
        executor: As for :func:`run_recipe`.

    Raises:
        UserError: As :func:`run_recipe`.
    """
    _run_locked(recipe, run_dir or recipe.default_run_dir, reporter, executor, before_training=True)


def run_recipe(
    recipe: Recipe, run_dir: Path | None = None, reporter: Reporter = TERMINAL, *, executor: Executor | None = None
) -> RunResult:
    """Do every stage of a recipe that is out of date.

    Killed anywhere, the same call goes on where it was; done, it does nothing. The folders of the
    stages below ``run_dir`` belong to the run: a stage whose settings changed is made anew in its place.

    Args:
        recipe: What to do.
        run_dir: The run's folder; ``runs/<name>`` if None.
        reporter: Gets the progress.
        executor: The cluster that validates, cuts, supervises, decodes, evaluates and detects; None for this process.
            All else is done in this process.

    Raises:
        UserError: If something is wrong with the input or settings, the SFT samples do not fit
            the model, another process is at work in ``run_dir``, or torchrun started several.
    """
    result = _run_locked(recipe, run_dir or recipe.default_run_dir, reporter, executor, before_training=False)
    assert result is not None
    return result


def _run_locked(
    recipe: Recipe, run_dir: Path, reporter: Reporter, executor: Executor | None, *, before_training: bool
) -> RunResult | None:
    refuse_several_processes(
        "a recipe is run in one process, but torchrun or accelerate launch started several; start only its "
        "training with them: `autodrive run RECIPE --on torchrun` does so."
    )
    if recipe.evaluate.endpoint.base_url or (recipe.detect and recipe.detect.endpoint.base_url):
        raise UserError(
            "a run trains and evaluates a model in this process; leave endpoint.base_url out of the recipe, "
            "and evaluate a served model with `autodrive evaluate CLIPS --model NAME --endpoint URL`."
        )
    earlier = None if recipe.corrections is None else recipe.corrections.compare_with
    if earlier is not None and Path(earlier).resolve() == (run_dir / "checkpoint").resolve():
        raise UserError(
            f"corrections.compare_with names {earlier}, which this run trains anew; give the run another --run-dir, so "
            "that the model of before stays."
        )
    with run_lock(run_dir):
        reporter.say(f"Recipe {recipe.name}, in {run_dir}. {recipe.description}".rstrip())
        if not (run_dir / "checkpoint" / PROVENANCE).is_file():
            require_model(recipe.train.model)  # rather than after an hour of supervision
            check_frame_size(recipe.train)
            if earlier is not None:
                require_model(earlier)
        run = RunFolder(run_dir, reporter, recipe.stage_seconds)
        return _run(recipe, run, executor, before_training=before_training)


def _run(recipe: Recipe, run: RunFolder, executor: Executor | None, *, before_training: bool) -> RunResult | None:
    frame_cache = run.folder / FRAME_CACHE
    stages = RecipeStages(recipe, frame_cache, executor)
    simulated = run.do(stages.simulate(recipe.simulate)) if recipe.simulate is not None else None
    catalog = run.do(stages.import_dataset(simulated))
    if recipe.validate_ is not None:
        catalog = run.do(stages.validate(catalog, recipe.validate_))
    corrected = None
    if recipe.corrections is not None:
        catalog = corrected = run.do(stages.apply_corrections(catalog, recipe.corrections))
    clips = run.do(stages.build_clips(catalog))
    supervision = run.do(stages.supervise(clips))
    if executor is not None and not (run.folder / "checkpoint" / PROVENANCE).is_file():
        decode_for_training(supervision, recipe.train, frame_cache, executor, run.reporter)
    if before_training:
        run.refuse_foreign("checkpoint")
        return None
    checkpoint = run.do(stages.train(supervision))
    models = {"base": recipe.train.model}
    if recipe.corrections is not None and recipe.corrections.compare_with is not None:
        models[BEFORE_CORRECTIONS] = recipe.corrections.compare_with
    models["tuned"] = str(checkpoint)
    validation, ahead = {}, {}
    if stages.chooses_prompt(clips):
        validation["base"] = run.do(stages.evaluate_prompts("base", clips, models["base"]))
    predictions = {
        name: run.do(stages.evaluate(name, clips, supervision, model, validation.get(name)))
        for name, model in models.items()
    }
    predictions |= {name: run.do(stages.evaluate_baseline(name, clips)) for name in baselines_of(clips)}
    if has_validation(clips):
        for name, model in models.items():
            validation[name] = validation.get(name) or run.do(stages.evaluate_validation(name, clips, model))
    if recipe.anticipation is not None:
        clips_ahead = run.do(stages.build_clips_ahead(catalog, clips, recipe.anticipation))
        for name, model in models.items():
            ahead[name] = run.do(stages.evaluate_ahead(name, clips_ahead, model, predictions[name]))
    comparison = run.do(stages.compare(predictions, validation, ahead))
    long_videos = None
    if recipe.detect is not None:
        long_videos = run.do(stages.search_long_videos(checkpoint, simulated, recipe.detect))
    report = run.do(stages.write_report(comparison, long_videos, corrected, run.folder))
    html, figures = (_copied(report / name, run.folder / name) for name in ("report.html", "report.json"))
    _copy_files(report / REPORT_FILES, run.folder / REPORT_FILES, is_new="report" in run.executed)
    content = json.loads(figures.read_text(encoding="utf-8"))
    return RunResult(
        run_dir=run.folder,
        executed=tuple(run.executed),
        headline=content["headline"],
        notes=tuple(content["notes"]),
        models=content["models"],
        long_videos=None if long_videos is None else read_long_videos(long_videos).model_dump(mode="json"),
        report_html=html,
        report_json=figures,
    )


def _copy_files(source: Path, target: Path, *, is_new: bool) -> None:
    """Copy a folder that belongs to the page, where there is one; an earlier copy goes."""
    if is_new or source.is_dir() != target.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        if source.is_dir():
            shutil.copytree(source, target)


def _copied(source: Path, target: Path) -> Path:
    """A copy of a file; left untouched where it is one already, so that a finished run writes nothing."""
    content = source.read_text(encoding="utf-8")
    if not target.is_file() or target.read_text(encoding="utf-8") != content:
        write_text(target, content)
    return target
