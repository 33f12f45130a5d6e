"""Asking a model about every clip of a split: exactly one prediction each, whatever goes wrong."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import making
from vlm_autodrive.engines.protocol import Answer, Engine, Question
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.leaks import write_leaks
from vlm_autodrive.evaluation.settings import EvaluateSettings
from vlm_autodrive.metrics.answers import parse_class, parse_reasoning
from vlm_autodrive.models.prompts import VERSION, reasoning_prompt, verdict_prompt
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import (
    Clip,
    Outcome,
    Prediction,
    Reasoning,
    Taxonomy,
    Verdict,
    append_jsonl,
    read_partial_jsonl,
    write_jsonl,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.stores import PREDICTIONS_FILE, read_clips, read_taxonomy, write_clips
from vlm_autodrive.video.frame_cache import FrameCache
from vlm_autodrive.video.frames import Frames, SamplingSettings
from vlm_autodrive.video.probe import VideoError

ANSWERED_FILE = "answered.jsonl"


class _Identity(Settings):
    """All that decides what the predictions are; where frames are cached and by how many is not of it."""

    split: str
    reasoning: bool
    batch_clips: int
    max_new_tokens: int
    model: str
    model_key: str
    prompt_version: str
    sampling: SamplingSettings


def evaluate(
    clips: Path,
    engine: Engine,
    model_key: str,
    out: Path,
    settings: EvaluateSettings,
    reporter: Reporter = SILENT,
    *,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Ask a model about every clip of a split.

    An interrupted run goes on behind the last batch that it saved.

    Args:
        clips: A clip set.
        engine: The loaded model.
        model_key: What tells this model from another: a checkpoint's key, a hash of its weights or name.
        out: Where the predictions go.
        settings: What is asked.
        reporter: Hears of the progress.
        checkpoint: Where the model lies, if it lies on this disk: what it was trained on must not be asked about.
        overwrite: Replace another result at ``out``.

    Returns:
        ``out``, with one prediction for each clip, in the clip set's order, and the clips beside them.
    """
    identity = _Identity(
        split=settings.split,
        reasoning=settings.reasoning,
        batch_clips=settings.batch_clips,
        max_new_tokens=settings.max_new_tokens,
        model=engine.name,
        model_key=model_key,
        prompt_version=VERSION,
        sampling=engine.sampling,
    )
    with making(out, "predictions", {"clips": clips}, identity, overwrite=overwrite) as folder:
        if folder is None:
            return out
        taxonomy = read_taxonomy(clips)
        wanted = clips_of_split(clips, settings.split)
        answered = folder / ANSWERED_FILE
        done = {p.clip_id: p for p in read_partial_jsonl(answered, Prediction)}
        cache_folder = Path(settings.frame_cache) if settings.frame_cache else out.parent / ".cache" / "frames"
        cache = FrameCache(cache_folder, engine.sampling)
        waiting = [clip for clip in wanted if clip.clip_id not in done]
        unreadable = cache.fill(waiting, reporter, workers=settings.cache_workers)
        questions = _questions(taxonomy, settings)
        with reporter.task(f"Asking {engine.name}", len(wanted), len(wanted) - len(waiting)) as task:
            for begin in range(0, len(waiting), settings.batch_clips):
                batch = waiting[begin : begin + settings.batch_clips]
                predictions = _ask(batch, engine, questions, cache, unreadable, taxonomy)
                append_jsonl(answered, predictions)
                done.update({p.clip_id: p for p in predictions})
                task.advance(len(batch))
        write_predictions(folder, out, taxonomy, wanted, list(done.values()))
        write_leaks(folder, clips, wanted, checkpoint)
        answered.unlink(missing_ok=True)
    return out


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


def _questions(taxonomy: Taxonomy, settings: EvaluateSettings) -> list[Question]:
    questions = [Question(verdict_prompt(taxonomy).text, codes=taxonomy.codes)]
    if settings.reasoning:
        questions.append(Question(reasoning_prompt(taxonomy).text, max_new_tokens=settings.max_new_tokens))
    return questions


def _ask(
    clips: Sequence[Clip],
    engine: Engine,
    questions: Sequence[Question],
    cache: FrameCache,
    unreadable: Mapping[str, str],
    taxonomy: Taxonomy,
) -> list[Prediction]:
    frames: dict[str, Frames] = {}
    problems = dict(unreadable)
    for clip in clips:
        if clip.clip_id in problems:
            continue
        try:
            frames[clip.clip_id] = cache.get(clip)
        except VideoError as error:
            problems[clip.clip_id] = error.reason
    begun = time.monotonic()
    answers = engine.answer(list(frames.values()), questions) if frames else []
    latency_s = (time.monotonic() - begun) / max(1, len(frames))
    by_clip = dict(zip(frames, answers, strict=True))
    predictions = []
    for clip in clips:
        if clip.clip_id in problems:
            failed = [Answer(Outcome.ERROR, "", reason=problems[clip.clip_id]) for _ in questions]
            predictions.append(_prediction(clip, engine.name, failed, taxonomy, (), 0.0))
        else:
            times_s = frames[clip.clip_id].times_s
            predictions.append(_prediction(clip, engine.name, by_clip[clip.clip_id], taxonomy, times_s, latency_s))
    return predictions


def _prediction(
    clip: Clip,
    model: str,
    answers: Sequence[Answer],
    taxonomy: Taxonomy,
    times_s: tuple[float, ...],
    latency_s: float,
) -> Prediction:
    return Prediction(
        clip_id=clip.clip_id,
        model=model,
        verdict=_verdict(answers[0], taxonomy),
        reasoning=_reasoning(answers[1], taxonomy, clip.duration_s) if len(answers) > 1 else None,
        frame_times_s=times_s,
        latency_s=round(latency_s, 4),
    )


def _verdict(answer: Answer, taxonomy: Taxonomy) -> Verdict:
    outcome, named, reason = answer.outcome, None, answer.reason
    probabilities = None
    if outcome is Outcome.OK:
        outcome, named = parse_class(answer.text, taxonomy)
        reason = "" if named else "the answer names no single class"
        if answer.probabilities is not None:
            probabilities = dict(zip(taxonomy.names, answer.probabilities, strict=True))
    return Verdict(outcome=outcome, event_class=named, probabilities=probabilities, raw_text=answer.text, reason=reason)


def _reasoning(answer: Answer, taxonomy: Taxonomy, duration_s: float) -> Reasoning:
    if answer.outcome is Outcome.OK:
        return parse_reasoning(answer.text, taxonomy, duration_s)
    return Reasoning(
        outcome=answer.outcome,
        event_class=None,
        trace="",
        cited_times_s=(),
        event_time_s=None,
        raw_text=answer.text,
        reason=answer.reason,
    )
