"""The whole way of a recipe: does those stages that are out of date, in order.

Every stage function skips what it has made already from the same inputs and settings, so a run is
nothing but the calls in order; this module adds what they are called with and what is said about it.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import PROVENANCE, write_text
from vlm_autodrive.asking import BASELINES, evaluate_baseline, evaluate_model
from vlm_autodrive.drives import search_drives
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics.drive_search import read_drives
from vlm_autodrive.progress import SILENT, Reporter, Task, format_seconds
from vlm_autodrive.recipe import Recipe
from vlm_autodrive.records import Record


class Outcome(Record):
    """What a run came to.

    Attributes:
        run_dir: Its folder.
        made: The stages that had something to do, in order; empty if all was up to date.
        notes: What to mind in reading them: the recipe's own notes, and what the data says of itself.
        models: The scores of each model, by name, as in report.json.
        drives: How detection did on the simulated drives; None if it was not asked for.
        report_html: The report.
        report_json: Its figures.
    """

    run_dir: Path
    made: tuple[str, ...]
    notes: tuple[str, ...]
    models: dict[str, Any]
    drives: dict[str, Any] | None
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
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "a recipe is run in one process, but torchrun or accelerate launch started several; start only its "
            "training with them (torchrun ... -m vlm_autodrive train SUPERVISION --recipe RECIPE --out RUN/checkpoint), and the "
            "run without them: it takes the finished checkpoint as it is."
        )
    run_dir = run_dir or recipe.default_run_dir
    with _alone_in(run_dir):
        reporter.say(f"Recipe {recipe.name}, in {run_dir}. {recipe.description}".rstrip())
        return _run(recipe, _Run(run_dir, reporter))


def _run(recipe: Recipe, run: "_Run") -> Outcome:
    from vlm_autodrive.clips.building import build_clips
    from vlm_autodrive.datasets.importing import import_dataset
    from vlm_autodrive.evaluation.comparing import compare
    from vlm_autodrive.evaluation.report import write_report
    from vlm_autodrive.supervision.supervising import supervise
    from vlm_autodrive.training.training import train

    source = Path(recipe.import_.path)
    if recipe.simulate is not None:
        from vlm_autodrive.simulation.dataset import simulate

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
    asked = recipe.evaluate.model_copy(update={"frame_cache": recipe.evaluate.frame_cache or str(cache)})
    predictions = {}
    for name, model in (("base", recipe.train.model), ("tuned", str(checkpoint))):
        do = partial(evaluate_model, clips, model, settings=asked)
        predictions[name] = run.stage(f"evaluate {name}", f"predictions/{name}", _with(do))
    for name in BASELINES:
        do = partial(evaluate_baseline, clips, name, settings=recipe.baselines)
        predictions[name] = run.stage(f"evaluate {name}", f"predictions/{name}", _with(do))
    comparison = run.stage(
        "compare", "comparison", lambda out, say: compare(predictions, out, recipe.compare, say, overwrite=True)
    )
    searched = None
    if recipe.detect is not None:
        section = recipe.detect
        simulated = source if recipe.simulate is not None else None
        searched = run.stage(
            "detect", "drives", lambda out, say: search_drives(checkpoint, simulated, out, section, say)
        )
    report = run.stage(
        "report",
        "report",
        lambda out, say: write_report(comparison, out, recipe.report, say, drives=searched, overwrite=True),
    )
    html, figures = run.folder / "report.html", run.folder / "report.json"
    for target in (html, figures):
        content = (report / target.name).read_text(encoding="utf-8")
        if not target.is_file() or target.read_text(encoding="utf-8") != content:
            write_text(target, content)
    scores = read_scores(report)
    return Outcome(
        run_dir=run.folder,
        made=tuple(run.made),
        notes=tuple(json.loads(figures.read_text(encoding="utf-8"))["notes"]),
        models=scores,
        drives=None if searched is None else read_drives(searched).model_dump(mode="json"),
        report_html=html,
        report_json=figures,
    )


def read_scores(folder: Path) -> dict[str, Any]:
    """The scores of each model in a comparison or a report."""
    for name in ("report.json", "comparison.json"):
        if (folder / name).is_file():
            models: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))["models"]
            return models
    raise UserError(f"{folder} holds no comparison; make it with `autodrive compare`.")


class _Run:
    """The folder of a run, and what has been done in it."""

    def __init__(self, folder: Path, reporter: Reporter) -> None:
        self.folder = folder
        self.reporter = reporter
        self.made: list[str] = []

    def stage(self, name: str, place: str, do: Callable[[Path, Reporter], Path]) -> Path:
        """Do a stage if it is out of date, and say which of the two it was."""
        out = self.folder / place
        if out.exists() and not (out / PROVENANCE).is_file():
            raise UserError(f"{out} was not made by a run; move it away, or choose another --run-dir.")
        out.parent.mkdir(parents=True, exist_ok=True)
        before = _stamp(out)
        begun = time.monotonic()
        made = do(out, _Headed(self.reporter, name))
        if _stamp(made) == before:
            self.reporter.say(f"{name}: up to date")
        else:
            self.made.append(name)
            self.reporter.say(f"{name}: done in {format_seconds(time.monotonic() - begun)}: {made}")
        return made


def _stamp(folder: Path) -> str:
    path = folder / PROVENANCE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


class _Headed:
    """Writes a stage's name over the first that it has to say."""

    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def task(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Task]:
        self._head()
        return self._reporter.task(f"  {description}", total, done)

    def say(self, message: str) -> None:
        self._head()
        self._reporter.say(f"  {message}")

    def _head(self) -> None:
        if self._name:
            self._reporter.say(f"{self._name}:")
            self._name = ""


def _with(do: Callable[..., Path]) -> Callable[[Path, Reporter], Path]:
    return lambda out, say: do(out=out, reporter=say, overwrite=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock that goes when this process does, however it ends, and that its children do not inherit."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another run is at work in {folder}; wait for it, or choose another --run-dir.") from None
        yield
