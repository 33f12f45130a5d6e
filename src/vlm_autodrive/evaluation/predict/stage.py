"""Running a model on every clip of a split: exactly one prediction per clip, failures included."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import (
    HELD_OUT_QUESTIONS_FILE,
    PREDICTIONS_FILE,
    PROVENANCE,
    Accounting,
    artifact_key,
    input_key,
    read_clips,
    read_predictions,
    read_provenance,
    read_taxonomy,
    write_clips,
    writing_artifact,
)
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.engines import ClusterEngine, Engine, cluster_engine, open_model
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.predict.contamination import write_leaks
from vlm_autodrive.evaluation.predict.isolation import BROKE_DOWN, ErrorIsolatingEngine
from vlm_autodrive.evaluation.predict.prompt_choice import (
    PromptChoice,
    choose_prompt,
    evenly_spaced,
    validation_settings,
)
from vlm_autodrive.evaluation.predict.questions import QuestionsByClip, draw_questions, questions_input
from vlm_autodrive.evaluation.predict.requests import ClipPredictor, RequestSet, build_requests, read_clip_frames
from vlm_autodrive.evaluation.settings import EvaluateSettings
from vlm_autodrive.executor import Executor, Step, batch_job
from vlm_autodrive.models import Convention, ModelCard, find_chat_template, find_convention, read_card, write_card
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import (
    Clip,
    Outcome,
    Prediction,
    Taxonomy,
    append_jsonl,
    read_partial_jsonl,
    write_jsonl,
)
from vlm_autodrive.settings import parse_settings
from vlm_autodrive.video import FrameCache, Frames, SamplingSettings

ANSWERED_FILE = "answered.jsonl"


def evaluate(
    clips: Path,
    model: str,
    out: Path,
    settings: EvaluateSettings,
    reporter: Reporter = TERMINAL,
    *,
    questions: Path | None = None,
    validation: Path | None = None,
    executor: Executor | None = None,
    retry_errors: bool = False,
    overwrite: bool = False,
) -> Path:
    """Evaluate a model on the held-out clips: one prediction for each clip.

    Args:
        clips: The clip set.
        model: A checkpoint's folder, ``tiny-base``, or a hub name; or a name at ``settings.endpoint``, if one is set.
        out: Where the predictions go.
        settings: Which clips, and which requests.
        reporter: Told of the progress.
        questions: A supervision set of the same clips, whose held-out questions the model is asked; None for none.
        validation: Where predictions of the validation clips go if the prompt is chosen on them; beside ``out`` by
            default.
        executor: The cluster whose workers run the model; None for this process.
        retry_errors: Run the clips again of which any request ended with an error.
        overwrite: Replace predictions that were made otherwise.
    """
    convention = _convention_of(model, settings)
    card = read_card(settings.endpoint.folder or model)
    if card.training:
        reporter.say(f"{card.name}: {card.training}.")
    inputs = {"clips": clips}
    cluster = None if executor is None else cluster_engine(executor, model, settings.endpoint, inputs)
    with open_model(model, settings.endpoint, inputs, reporter) as (engine, key):

        def run(out: Path, settings: EvaluateSettings, choice: PromptChoice | None, questions: Path | None) -> Path:
            return evaluate_with_engine(
                clips,
                engine,
                key,
                out,
                settings,
                reporter,
                questions=questions,
                convention=convention,
                choice=choice,
                cluster=cluster,
                retry_errors=retry_errors,
                checkpoint=None if settings.endpoint.base_url else Path(model),
                card=card,
                overwrite=overwrite,
            )

        if not settings.choose_prompt:
            return run(out, settings, None, questions)
        beside = validation or out.with_name(f"{out.name}-validation")
        choice = choose_prompt(run(beside, validation_settings(settings), None, None))
        reporter.say(f"Prompt of {engine.name}: {choice.prompt}, chosen on {choice.clips} validation clips.")
        return run(out, settings.model_copy(update={"prompt": choice.prompt}), choice, questions)


def evaluate_with_engine(
    clips: Path,
    engine: Engine,
    model_key: str,
    out: Path,
    settings: EvaluateSettings,
    reporter: Reporter = SILENT,
    *,
    questions: Path | None = None,
    convention: Convention | None = None,
    choice: PromptChoice | None = None,
    cluster: ClusterEngine | None = None,
    retry_errors: bool = False,
    checkpoint: Path | None = None,
    card: ModelCard | None = None,
    overwrite: bool = False,
) -> Path:
    """Run a model on every clip of a split.

    An interrupted run resumes behind the last batch that it saved.

    Args:
        clips: A clip set.
        engine: The loaded model.
        model_key: What tells this model from another: a checkpoint's key, a hash of its weights or name.
        out: Where the predictions go.
        settings: Which requests.
        reporter: Hears of the progress.
        questions: A supervision set of the same clips, whose held-out questions the model is asked; None for none.
        convention: The form in which the model's maker documents questions, for the prompt ``own``; None for a model
            that was trained here, whose own prompt is ``main``.
        choice: How the prompt of the settings was chosen; None if it was not.
        cluster: The same model in the workers of a cluster, which then run it; None for this process.
        retry_errors: Once every clip has its prediction, run those again of which any request ended with an error.
            The others keep theirs to the byte.
        checkpoint: Folder of the model, if it is on this disk: its training clips must not be evaluated.
        card: The model's card, which is kept beside the predictions.
        overwrite: Replace another result at ``out``.

    Returns:
        ``out``, with one prediction for each clip, in the clip set's order, and the clips beside them.
    """
    taxonomy = read_taxonomy(clips)
    requests = build_requests(taxonomy, settings, convention)
    sampling = _sampling(engine, settings)
    facts = {
        "model": engine.name,
        "model_key": model_key,
        "prompt": settings.prompt,
        "prompt_choice": None if choice is None else choice.model_dump(mode="json"),
        "prompts": requests.texts,
        "sampling": sampling.model_dump(mode="json"),
    }
    inputs = {"clips": clips, **questions_input(questions, clips)}
    retried = _times_retried(out, inputs, settings, facts)

    def make(retried: int, kept: Sequence[Prediction], *, overwrite: bool) -> None:
        current = facts | {"retried": retried}
        with writing_artifact(out, "predictions", inputs, settings, facts=current, overwrite=overwrite) as folder:
            if folder is None:
                return
            wanted = clips_of_split(clips, settings.split)
            if settings.split == "validation" and settings.validation_clips is not None:
                wanted = evenly_spaced(wanted, settings.validation_clips)
            cache_folder = Path(settings.frame_cache) if settings.frame_cache else out.parent / ".cache" / "frames"
            cache = FrameCache(cache_folder, sampling)
            asked = draw_questions(questions, wanted, settings.questions_per_clip, settings.seed)
            opening = _PredictorOpening(engine.name, requests, taxonomy, settings, asked)
            account = Accounting(folder, retry_errors=cluster is None)
            predicted = _predict(folder, wanted, kept, engine, opening, cache, cluster, account, reporter)
            write_predictions(folder, out, taxonomy, wanted, [*kept, *predicted])
            if asked:
                every = (question for of_clip in asked.values() for question in of_clip)
                write_jsonl(folder / HELD_OUT_QUESTIONS_FILE, every)
            if card is not None:
                write_card(folder, card.model_copy(update={"calibration": None}))
            write_leaks(folder, clips, wanted, checkpoint)
            (folder / ANSWERED_FILE).unlink(missing_ok=True)
            account.forget()

    # First the whole result is finished (or found finished), then it is made once more under the next count of
    # retries, which is part of its key: so a retry that is killed resumes as a result of its own, and the finished
    # one stays in place until it is replaced in one move.
    make(retried, [], overwrite=overwrite)
    if retry_errors:
        # Clips that could not be cut fail in every run.
        hopeless = {clip.clip_id for clip in read_clips(out) if clip.problem}
        made = read_predictions(out)
        kept = [p for p in made if p.clip_id in hopeless or not _has_error(p)]
        if len(kept) < len(made):
            make(retried + 1, kept, overwrite=True)
    return out


def _convention_of(model: str, settings: EvaluateSettings) -> Convention | None:
    """How the model's maker documents that it is asked: the prompt by its name, whether it thinks by its template."""
    if not settings.endpoint.base_url and read_card(model).base is not None:
        return None  # trained here
    found, template = find_convention(model), find_chat_template(settings.endpoint.folder or model)
    return found if template is None else replace(found, thinks=found.thinks or template.thinks)


def clips_of_split(clips: Path, split: str) -> list[Clip]:
    """The clips of one split, in the clip set's order.

    Raises:
        UserError: If there is none.
    """
    found = [clip for clip in read_clips(clips) if clip.split == split]
    if not found:
        raise UserError(f"{clips} has no clips in the {split} split; choose another split or make more clips.")
    return found


def write_predictions(
    folder: Path, final: Path, taxonomy: Taxonomy, clips: Sequence[Clip], predictions: Sequence[Prediction]
) -> None:
    """Write predictions in the order of their clips, and the clips beside them.

    Raises:
        RuntimeError: If there is not exactly one prediction for each clip.
    """
    by_clip = {prediction.clip_id: prediction for prediction in predictions}
    if len(predictions) != len(by_clip) or set(by_clip) != {clip.clip_id for clip in clips}:
        raise RuntimeError("there must be exactly one prediction for each clip")
    write_clips(folder, final, taxonomy, clips)
    write_jsonl(folder / PREDICTIONS_FILE, (by_clip[clip.clip_id] for clip in clips))


def _sampling(engine: Engine, settings: EvaluateSettings) -> SamplingSettings:
    """How frames are taken: as the model wants them, with the changes that the settings name."""
    changes = {} if settings.sampling is None else settings.sampling.model_dump(exclude_unset=True)
    values = {**engine.sampling.model_dump(), **changes}
    return parse_settings(SamplingSettings, values, f"evaluate.sampling, laid over how {engine.name} wants its frames")


def _times_retried(out: Path, inputs: Mapping[str, Path], settings: EvaluateSettings, facts: Mapping[str, Any]) -> int:
    """How often errors were retried in the result at ``out``, if that is the result of these settings."""
    if not (out / PROVENANCE).is_file():
        return 0
    provenance = read_provenance(out)
    count: int = provenance.facts.get("retried", 0)
    keys = {name: input_key(path) for name, path in inputs.items()}
    key = artifact_key("predictions", keys, settings, {**facts, "retried": count})
    return count if key == provenance.key else 0


def _has_error(prediction: Prediction) -> bool:
    verdicts = [prediction.verdict, *prediction.prompt_variants.values(), *prediction.controls.values()]
    outcomes = [verdict.outcome for verdict in verdicts]
    outcomes += [answer.outcome for answer in prediction.questions.values()]
    outcomes += [] if prediction.reasoning is None else [prediction.reasoning.outcome]
    return Outcome.ERROR in outcomes


@dataclass(frozen=True)
class _PredictorOpening:
    """All that makes a predictor of an engine; it can be pickled."""

    name: str
    requests: RequestSet
    taxonomy: Taxonomy
    settings: EvaluateSettings
    questions: QuestionsByClip

    def predictor(self, engine: Engine, *, works: bool) -> ClipPredictor:
        isolating = ErrorIsolatingEngine(engine, works=works)
        return ClipPredictor(isolating, self.name, self.requests, self.taxonomy, self.settings, self.questions)


Batch = Sequence[Clip]
ReadBatch = tuple[Batch, dict[str, Frames | str]]


def _predict(
    folder: Path,
    wanted: Sequence[Clip],
    kept: Sequence[Prediction],
    engine: Engine,
    opening: _PredictorOpening,
    cache: FrameCache,
    cluster: ClusterEngine | None,
    account: Accounting,
    reporter: Reporter,
) -> list[Prediction]:
    """Predictions for the clips that none is kept for, saved batch by batch in ``folder``."""
    known = {prediction.clip_id for prediction in kept}
    todo = [clip for clip in wanted if clip.clip_id not in known]
    size = opening.settings.eval_batch_size
    batches = [todo[begin : begin + size] for begin in range(0, len(todo), size)]
    saved = {each.clip_id: each for each in read_partial_jsonl(folder / ANSWERED_FILE, Prediction)}
    # A clip's probabilities depend, in their last digits, on the clips in its batch (padding changes the kernels'
    # sums). So a batch of which only a part was saved is run again as a whole, and a run that was killed ends with the
    # figures of one that was not. That holds for another batch size too.
    account.release(saved)
    settled = saved.keys() | account.quarantined.keys()
    waiting = [batch for batch in batches if any(clip.clip_id not in settled for clip in batch)]
    again = {clip.clip_id for batch in waiting for clip in batch}
    account.release(again)
    done = {clip_id: each for clip_id, each in saved.items() if clip_id not in again}
    works = any(prediction.verdict.outcome is not Outcome.ERROR for prediction in (*kept, *done.values()))
    if cluster is None:
        results = _predict_here(waiting, opening.predictor(engine, works=works), cache, opening.settings, reporter)
    else:
        results = _predict_on_cluster(waiting, opening, cache, cluster, account, works=works)
    with reporter.task(f"Evaluating {engine.name}", len(todo), len(done)) as task:
        try:
            for predictions in results:
                append_jsonl(folder / ANSWERED_FILE, predictions)
                done |= {each.clip_id: each for each in predictions}
                task.advance(len(predictions))
        except UserError as error:
            raise UserError(f"{error} {len(done)} of {len(todo)} clips are done.") from None
    if cluster is not None:
        account.close(len(wanted), len(kept) + len(done), reporter)
        predictor = opening.predictor(engine, works=works)
        for clip in todo:
            if clip.clip_id not in done:
                (done[clip.clip_id],) = predictor.predict([clip], {clip.clip_id: account.words(clip.clip_id)})
    return list(done.values())


def _predict_here(
    batches: Sequence[Batch],
    predictor: ClipPredictor,
    cache: FrameCache,
    settings: EvaluateSettings,
    reporter: Reporter,
) -> Iterator[list[Prediction]]:
    clips = [clip for batch in batches for clip in batch]
    unreadable = cache.fill(clips, reporter, workers=settings.cache_workers)
    for batch in batches:
        yield predictor.predict(batch, read_clip_frames(cache, batch, unreadable))


def _predict_on_cluster(
    batches: Sequence[Batch],
    opening: _PredictorOpening,
    cache: FrameCache,
    cluster: ClusterEngine,
    account: Accounting,
    *,
    works: bool,
) -> Iterator[list[Prediction]]:
    steps = [
        Step(partial(_open_frames, cache.folder, cache.sampling)),
        cluster.step(partial(_open_predictor, cluster.open, opening)),
    ]
    jobs = (batch_job(batch, lambda clip: clip.clip_id) for batch in batches)
    for _, predictions in account.results(cluster.executor.run(steps, jobs)):
        if not works and all(each.verdict.reason.startswith(BROKE_DOWN) for each in predictions):
            raise UserError(f"{predictions[0].verdict.reason}, and on every other of the first batch; mend the model.")
        works = True
        yield predictions


@contextmanager
def _open_frames(folder: Path, sampling: SamplingSettings) -> Iterator[Callable[[Batch], ReadBatch]]:
    """What a worker of a cluster does first: it reads the frames of a batch."""
    cache = FrameCache(folder, sampling)
    yield lambda batch: (batch, read_clip_frames(cache, batch, {}))


@contextmanager
def _open_predictor(
    open_engine: Callable[[], AbstractContextManager[Engine]], opening: _PredictorOpening
) -> Iterator[Callable[[ReadBatch], list[Prediction]]]:
    """What a worker of a cluster does then: the model answers about the batch."""
    with open_engine() as engine:
        predictor = opening.predictor(engine, works=True)
        yield lambda read: predictor.predict(*read)
