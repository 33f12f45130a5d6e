"""The whole way of a recipe: does those stages that are out of date, in order.

Every stage function skips what it has made already from the same inputs and settings, so a run is
nothing but the calls in order; this module adds what they are called with and what is said about it.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import iterate_clips, write_text
from vlm_autodrive.detection import search_long_videos
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import BASELINES, EvaluateSettings, evaluate, evaluate_baseline
from vlm_autodrive.metrics import read_long_videos
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.runs.folder import RunFolder, alone_in, refuse_several_processes
from vlm_autodrive.runs.recipe import Recipe, asked_as_trained


class Outcome(Record):
    """What a run came to.

    Attributes:
        run_dir: Its folder.
        made: The stages that had something to do, in order; empty if all was up to date.
        notes: What to mind in reading them: the recipe's own notes, and what the data says of itself.
        models: The scores of each model, by name, as in report.json.
        long_videos: How detection did on long videos; None if it was not asked for.
        report_html: The report.
        report_json: Its figures.
    """

    run_dir: Path
    made: tuple[str, ...]
    notes: tuple[str, ...]
    models: dict[str, Any]
    long_videos: dict[str, Any] | None
    report_html: Path
    report_json: Path


def run_recipe(recipe: Recipe, run_dir: Path | None = None, reporter: Reporter = SILENT) -> Outcome:
    """Do every stage of a recipe that is out of date.

    Killed anywhere, the same call goes on where it was; done, it does nothing. The folders of the
    stages below ``run_dir`` belong to the run: a stage whose settings changed is made anew in its place.

    Args:
        recipe: What to do.
        run_dir: The run's folder; ``runs/<name>`` if None.
        reporter: Is told of the progress.

    Raises:
        UserError: If something is wrong with the input or settings, what is to be learnt does not fit
            the model, another process is at work in ``run_dir``, or torchrun started several.
    """
    refuse_several_processes(
        "a recipe is run in one process, but torchrun or accelerate launch started several; start only its "
        "training with them (torchrun ... -m vlm_autodrive train SUPERVISION --recipe RECIPE "
        "--out RUN/checkpoint), and the run without them: it takes the finished checkpoint as it is."
    )
    if recipe.evaluate.endpoint.base_url or (recipe.detect and recipe.detect.endpoint.base_url):
        raise UserError(
            "a run trains a model and asks it in this process; leave endpoint.base_url out of the recipe, and ask a "
            "served model with `autodrive evaluate CLIPS --model NAME --endpoint URL`."
        )
    run_dir = run_dir or recipe.default_run_dir
    with alone_in(run_dir):
        reporter.say(f"Recipe {recipe.name}, in {run_dir}. {recipe.description}".rstrip())
        return _run(recipe, RunFolder(run_dir, reporter))


def _run(recipe: Recipe, run: RunFolder) -> Outcome:
    from vlm_autodrive.clips import build_clips
    from vlm_autodrive.datasets import import_dataset
    from vlm_autodrive.evaluation import compare, write_report
    from vlm_autodrive.supervision import supervise
    from vlm_autodrive.training import train

    source = Path(recipe.import_.path)
    if recipe.simulate is not None:
        from vlm_autodrive.simulation import simulate

        wanted = recipe.simulate
        source = run.stage("simulate", "simulated", lambda out, say: simulate(out, wanted, say, overwrite=True))
    read = recipe.import_
    catalog = run.stage(
        "import",
        "catalog",
        lambda out, say: import_dataset(read.format, source, out, read.settings(), say, overwrite=True),
    )
    clips = run.stage("clips", "clips", lambda out, say: build_clips(catalog, out, recipe.clips, say, overwrite=True))
    supervision = run.stage(
        "supervise", "supervision", lambda out, say: supervise(clips, out, recipe.supervise, say, overwrite=True)
    )
    cache = run.folder / ".cache" / "frames"
    checkpoint = run.stage(
        "train",
        "checkpoint",
        lambda out, say: train(supervision, out, recipe.train, say, frame_cache=cache, overwrite=True),
    )
    asked = asked_as_trained(recipe.evaluate, recipe.train)
    asked = asked.model_copy(update={"frame_cache": asked.frame_cache or str(cache)})
    predictions = {}
    models = {"base": recipe.train.model, "tuned": str(checkpoint)}
    for name, model in models.items():
        do = partial(evaluate, clips, model, settings=asked)
        predictions[name] = run.stage(f"evaluate {name}", f"predictions/{name}", _with(do))
    for name in BASELINES:
        do = partial(evaluate_baseline, clips, name, settings=recipe.baselines)
        predictions[name] = run.stage(f"evaluate {name}", f"predictions/{name}", _with(do))
    validation, ahead = _further_predictions(recipe, run, catalog, clips, asked, models)
    comparison = run.stage(
        "compare",
        "comparison",
        lambda out, say: compare(
            predictions, out, recipe.compare, say, validation=validation, ahead=ahead, overwrite=True
        ),
    )
    searched = None
    if recipe.detect is not None:
        section = recipe.detect
        simulated = source if recipe.simulate is not None else None
        searched = run.stage(
            "detect", "long_videos", lambda out, say: search_long_videos(checkpoint, simulated, out, section, say)
        )
    report = run.stage(
        "report",
        "report",
        lambda out, say: write_report(comparison, out, recipe.report, say, long_videos=searched, overwrite=True),
    )
    html, figures = run.folder / "report.html", run.folder / "report.json"
    for target in (html, figures):
        content = (report / target.name).read_text(encoding="utf-8")
        if not target.is_file() or target.read_text(encoding="utf-8") != content:
            write_text(target, content)
    told = json.loads(figures.read_text(encoding="utf-8"))
    return Outcome(
        run_dir=run.folder,
        made=tuple(run.made),
        notes=tuple(told["notes"]),
        models=told["models"],
        long_videos=None if searched is None else read_long_videos(searched).model_dump(mode="json"),
        report_html=html,
        report_json=figures,
    )


def _further_predictions(
    recipe: Recipe, run: RunFolder, catalog: Path, clips: Path, asked: EvaluateSettings, models: Mapping[str, str]
) -> tuple[dict[str, Path], dict[str, Path]]:
    """The models' verdicts on validation clips, if there are any, and on windows that end before an event, if wanted.

    The windows are those of the same test videos, so that none is tested that was trained on.
    """
    from vlm_autodrive.clips import TEST_IDS_FILE, build_clips

    plain = asked.model_copy(update={"reasoning": False, "prompt_variants": (), "controls": ()})
    validation, ahead = {}, {}
    if any(clip.split == "validation" and clip.event_class is not None for clip in iterate_clips(clips)):
        on_validation = plain.model_copy(update={"split": "validation"})
        for name, model in models.items():
            do = partial(evaluate, clips, model, settings=on_validation)
            validation[name] = run.stage(f"evaluate {name} on validation", f"validation/{name}", _with(do))
    if recipe.anticipation is not None:
        leads = {"anticipation_s": recipe.anticipation.leads_s, "frozen_test": str(clips / TEST_IDS_FILE)}
        wanted = recipe.clips.model_copy(update=leads)
        windows = run.stage(
            "clips ahead", "clips-ahead", lambda out, say: build_clips(catalog, out, wanted, say, overwrite=True)
        )
        for name, model in models.items():
            do = partial(evaluate, windows, model, settings=plain)
            ahead[name] = run.stage(f"evaluate {name} ahead", f"ahead/{name}", _with(do))
    return validation, ahead


def _with(do: Callable[..., Path]) -> Callable[[Path, Reporter], Path]:
    return lambda out, say: do(out=out, reporter=say, overwrite=True)
