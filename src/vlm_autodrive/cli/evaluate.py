"""``autodrive evaluate``: run a model or a baseline on held-out clips."""

import difflib
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import EndpointUrl, OnCluster, Out, Overrides, Overwrite, RecipeName


def evaluate(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="What `clips` made.")],
    out: Out,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A checkpoint, tiny-base or tiny-simulated, a folder or a name on the hub; a baseline: majority, "
            "camera_shake, g_force, camera_marks; or with --endpoint the model's name there.",
        ),
    ],
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            metavar="SUPERVISION",
            help="What `supervise` made of the same clips; the model is also asked its held-out questions.",
            show_default=False,
        ),
    ] = None,
    endpoint: EndpointUrl = None,
    settings: Overrides = None,
    recipe: RecipeName = None,
    on: OnCluster = None,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Run clips again whose prediction ended with an error."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Run a model, or a baseline, on the held-out clips.

    Each clip's frames are read once for the direct verdict, its prompt variants (prompt_variants=[...]) and the
    reasoning; then the verdict is predicted again on ablated inputs (controls=[...]). Every clip gets exactly one
    record, failures included. An interrupted run resumes after its last saved batch. With choose_prompt=true the
    prompt is the one that does best on the validation clips, as is fair to a model that was not fine-tuned.

    Example: autodrive evaluate runs/mine/clips --model runs/mine/checkpoint --out runs/mine/predictions/tuned
    """
    from vlm_autodrive.artifacts import read_clips, read_predictions
    from vlm_autodrive.cli.options import on_cluster_if, served_at, settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.errors import UserError
    from vlm_autodrive.evaluation import (
        BASELINES,
        BaselineSettings,
        EvaluateSettings,
        evaluate,
        evaluate_baseline,
        failure_lines,
        have_all_failed,
        summary,
    )
    from vlm_autodrive.models import SHIPPED_MODELS
    from vlm_autodrive.runs import load_recipe, with_training_frames

    reporter = make_reporter()
    if model in BASELINES and endpoint is None:
        if questions is not None:
            raise UserError(f"{model} is a baseline, which answers no questions; leave --questions out.")
        if on is not None:
            raise UserError(f"{model} is a baseline, which is quick on one machine; leave --on out.")
        if retry_errors:
            raise UserError(f"{model} is a baseline, which has no errors to retry; leave --retry-errors out.")
        simple = settings_from(BaselineSettings, "baselines", recipe, settings)
        made = evaluate_baseline(clips, model, out, simple, reporter, overwrite=overwrite)
    else:
        near = difflib.get_close_matches(model, (*BASELINES, *SHIPPED_MODELS), n=1, cutoff=0.8)
        if near and near[0] != model and endpoint is None and not Path(model).exists():
            raise UserError(f"there is no model {model}; did you mean {near[0]}?")
        chosen = settings_from(EvaluateSettings, "evaluate", recipe, settings, endpoint=served_at(endpoint))
        if recipe is not None:
            chosen = with_training_frames(chosen, load_recipe(recipe).train)
        with on_cluster_if(on, reporter) as executor:
            made = evaluate(
                clips,
                model,
                out,
                chosen,
                reporter,
                questions=questions,
                executor=executor,
                retry_errors=retry_errors,
                overwrite=overwrite,
            )
    unusable = {clip.clip_id: clip.problem for clip in read_clips(made) if clip.problem}
    predictions = [prediction for prediction in read_predictions(made) if prediction.clip_id not in unusable]
    for problem, count in Counter(unusable.values()).items():
        reporter.say(f"{count} of the clips left out: {problem}.")
    if not predictions:
        raise UserError(f"none of the {len(unusable)} clips can be used, for the reasons above; put them right.")
    for line in (summary(predictions), *failure_lines(predictions)):
        reporter.say(line)
    print(made)
    if have_all_failed(predictions):
        raise UserError("no request got an answer; put right what the reasons name and add --retry-errors.")
