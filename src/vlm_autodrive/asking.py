"""Asking a model that is named on the command line or in a recipe: checkpoints, hub or served models, baselines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_autodrive.artifacts import PROVENANCE, artifact_key, input_key
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.engines.protocol import Answer, Engine, Question
from vlm_autodrive.evaluation.settings import BaselineSettings, EvaluateSettings
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import VideoDetections
from vlm_autodrive.settings import Settings
from vlm_autodrive.stores import read_taxonomy
from vlm_autodrive.video.frames import Frames, SamplingSettings

if TYPE_CHECKING:
    from vlm_autodrive.engines.served_settings import ServedModelSettings
    from vlm_autodrive.models.loading import ModelCard

SHIPPED_MODEL = "tiny-base"
DEMO_CHECKPOINT = Path("runs/demo/checkpoint")


def evaluate_model(
    clips: Path,
    model: str,
    out: Path,
    settings: EvaluateSettings,
    reporter: Reporter = SILENT,
    *,
    retry_errors: bool = False,
    overwrite: bool = False,
) -> Path:
    """Ask a model about the held-out clips.

    Args:
        clips: The clip set.
        model: A checkpoint's folder, ``tiny-base``, or a hub name; or a name at ``settings.endpoint``, if one is set.
        out: Where the predictions go.
        settings: Which clips, and what is asked.
        reporter: Is told of the progress.
        retry_errors: Ask again about clips in which anything ended with an error.
        overwrite: Replace predictions that were made otherwise.
    """
    from vlm_autodrive.evaluation.running import evaluate

    if settings.endpoint.base_url:
        with _served(model, settings.endpoint, {"clips": clips}, reporter) as (engine, key):
            return evaluate(clips, engine, key, out, settings, reporter, retry_errors=retry_errors, overwrite=overwrite)
    from vlm_autodrive.models.loading import model_key

    return evaluate(
        clips,
        LazyEngine(model),
        model_key(model),
        out,
        settings,
        reporter,
        retry_errors=retry_errors,
        checkpoint=Path(model),
        overwrite=overwrite,
    )


def evaluate_baseline(
    clips: Path,
    name: str,
    out: Path,
    settings: BaselineSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> Path:
    """Predict the held-out clips with one of ``evaluation.settings.BASELINES``, fitted on the training clips."""
    from vlm_autodrive.evaluation.baselines import camera_shake, majority

    if name == "majority":
        return majority(clips, out, settings, overwrite=overwrite)
    return camera_shake(clips, out, settings, reporter, overwrite=overwrite)


def detect_with_model(
    videos: Sequence[Path],
    model: str,
    out: Path,
    settings: DetectSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> list[VideoDetections]:
    """Find events in videos with a model named as in :func:`evaluate_model`, and the classes it was trained for.

    An endpoint does not tell those: a served model is asked for the default three, unless its name there is a
    checkpoint's folder here.
    """
    from vlm_autodrive.detection.detecting import detect
    from vlm_autodrive.models.loading import model_key, read_card

    taxonomy = read_taxonomy(Path(model))
    if settings.endpoint.base_url:
        inputs = {str(video): video for video in videos if video.exists()}
        with _served(model, settings.endpoint, inputs, reporter) as (engine, key):
            return detect(videos, engine, out, settings, taxonomy, reporter, model_key=key, overwrite=overwrite)
    trained_s = read_card(model).window_s
    if trained_s is not None and not 0.75 <= settings.window_s / trained_s <= 1.33:
        reporter.say(
            f"Mind: {model} was trained on clips of {trained_s:g} s, but is given windows of {settings.window_s:g} s; "
            f"window_s={trained_s:g} suits it."
        )
    return detect(
        videos,
        LazyEngine(model),
        out,
        settings,
        taxonomy,
        reporter,
        model_key=model_key(model),
        overwrite=overwrite,
    )


@contextmanager
def _served(
    model: str, endpoint: "ServedModelSettings", inputs: Mapping[str, Path], reporter: Reporter
) -> Iterator[tuple[Engine, str]]:
    """The engine of a served model and its key. Its budget is spent on these inputs, however often they are begun."""
    from vlm_autodrive.engines.served import open_served_engine, served_key

    key = served_key(endpoint, model)
    account = artifact_key(
        "asking", {name: input_key(path) for name, path in inputs.items()} | {"model": key}, Settings()
    )
    sampling = endpoint.sampling
    reporter.say(
        f"{model} is asked at {endpoint.base_url}, and is sent up to {sampling.max_frames} frames of "
        f"{sampling.width} x {sampling.height} at a time."
    )
    with open_served_engine(endpoint, model, account, reporter) as engine:
        yield engine, key


def default_model(reporter: Reporter = SILENT) -> str:
    """The model taken if none is named: the demo's, once it is trained; the shipped base before that."""
    if (DEMO_CHECKPOINT / PROVENANCE).is_file():
        reporter.say(f"Model: {DEMO_CHECKPOINT}, trained by the demo on simulated drives; --model takes another.")
        return str(DEMO_CHECKPOINT)
    reporter.say(
        f"Model: {SHIPPED_MODEL}, which has never seen an event and finds none; "
        "`autodrive run demo` trains one, --model takes another."
    )
    return SHIPPED_MODEL


class LazyEngine:
    """The local engine of a model, loaded when it is first needed: work that is done already needs none."""

    def __init__(self, model: str) -> None:
        self._model = model

    @cached_property
    def _engine(self) -> Engine:
        from vlm_autodrive.engines.local import load_engine

        return load_engine(self._model)

    @cached_property
    def _card(self) -> "ModelCard":
        from vlm_autodrive.models.loading import read_card

        return read_card(self._model)

    @property
    def name(self) -> str:
        """The model's name, which needs no weights."""
        return self._card.name

    @property
    def sampling(self) -> SamplingSettings:
        """How the model wants its frames; needs no weights either."""
        return self._card.sampling

    def answer(self, clips: Sequence[Frames], questions: Sequence[Question]) -> list[list[Answer]]:
        """Answer every question about every clip."""
        return self._engine.answer(clips, questions)
