"""Baselines without a model: the majority class, and camera shake."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vlm_autodrive.artifacts import read_clips, read_taxonomy, writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.predict.camera_motion import MotionRow, measure
from vlm_autodrive.evaluation.predict.contamination import write_leaks
from vlm_autodrive.evaluation.predict.stage import clips_of_split, write_predictions
from vlm_autodrive.evaluation.settings import BaselineSettings
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, Outcome, Prediction, Verdict, append_jsonl, read_partial_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.workers import worker_pool

MEASURED_FILE = "measured.jsonl"
_SAVE_EVERY = 64


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
    if name == "majority":
        return majority(clips, out, settings, overwrite=overwrite)
    return camera_shake(clips, out, settings, reporter, overwrite=overwrite)


def majority(clips: Path, out: Path, settings: BaselineSettings, *, overwrite: bool = False) -> Path:
    """Answer every clip with the commonest class of the training clips.

    Args:
        clips: A clip set.
        out: Where the predictions go.
        settings: Which split to predict.
        overwrite: Replace another result at ``out``.
    """
    facts = {"model": "majority", "split": settings.split}  # the other settings are those of camera shake
    with writing_artifact(out, "predictions", {"clips": clips}, Settings(), facts=facts, overwrite=overwrite) as folder:
        if folder is not None:
            taxonomy = read_taxonomy(clips)
            counts = Counter(clip.event_class for clip in _labelled(clips))
            total = sum(counts.values())
            probabilities = {name: counts[name] / total for name in taxonomy.names}
            wanted = clips_of_split(clips, settings.split)
            predictions = [_answered(clip, "majority", probabilities) for clip in wanted]
            write_predictions(folder, out, taxonomy, wanted, predictions)
            write_leaks(folder, clips, wanted)
    return out


def camera_shake(
    clips: Path, out: Path, settings: BaselineSettings, reporter: Reporter = SILENT, *, overwrite: bool = False
) -> Path:
    """Classify clips by how the camera moves: logistic regression on motion, fitted on the training clips.

    Args:
        clips: A clip set.
        out: Where the predictions go.
        settings: The features and the regression.
        reporter: Hears of the progress.
        overwrite: Replace another result at ``out``.
    """
    facts = {"model": "camera_shake"}
    with writing_artifact(out, "predictions", {"clips": clips}, settings, facts=facts, overwrite=overwrite) as folder:
        if folder is None:
            return out
        taxonomy = read_taxonomy(clips)
        training, wanted = _labelled(clips), clips_of_split(clips, settings.split)
        training = training[:: -(-len(training) // settings.training_clips)]
        rows = _measured([*training, *wanted], folder / MEASURED_FILE, settings, reporter)
        readable = [clip for clip in training if not rows[clip.clip_id].reason]
        labels = [str(clip.event_class) for clip in readable]
        if len(set(labels)) < 2:
            raise UserError(f"{clips} has readable training clips of one class only; camera shake needs at least two.")
        model = make_pipeline(StandardScaler(), LogisticRegression(C=settings.regularisation, max_iter=2000))
        model.fit(np.array([rows[clip.clip_id].features for clip in readable]), labels)
        predictions = []
        for clip in wanted:
            row = rows[clip.clip_id]
            if row.reason:
                predictions.append(_failed(clip, "camera_shake", row.reason))
                continue
            found = dict(zip(model.classes_, model.predict_proba([row.features])[0].tolist(), strict=True))
            probabilities = {name: found.get(name, 0.0) for name in taxonomy.names}
            predictions.append(_answered(clip, "camera_shake", probabilities))
        write_predictions(folder, out, taxonomy, wanted, predictions)
        write_leaks(folder, clips, wanted)
        (folder / MEASURED_FILE).unlink()
    return out


def _labelled(clips: Path) -> list[Clip]:
    found = [clip for clip in read_clips(clips) if clip.split == "train" and clip.event_class is not None]
    if not found:
        raise UserError(
            f"{clips} has no training clip with a label, so the baselines have nothing to go by; make clips with "
            "split.train above 0."
        )
    return found


def _measured(
    clips: Sequence[Clip], file: Path, settings: BaselineSettings, reporter: Reporter
) -> dict[str, MotionRow]:
    """The motion of each clip by its id, going on behind what an interrupted run has in ``file``."""
    # Unlike a model's predictions, a clip's features do not depend on its batch, so any saved row can be kept.
    rows = {row.clip_id: row for row in read_partial_jsonl(file, MotionRow)}
    waiting = [clip for clip in clips if clip.clip_id not in rows]
    with ExitStack() as stack:
        task = stack.enter_context(reporter.task("Measuring camera shake", len(clips), len(clips) - len(waiting)))
        apply: Callable[..., Iterable[MotionRow]] = map
        if settings.workers and waiting:
            apply = stack.enter_context(worker_pool(settings.workers)).map
        for begin in range(0, len(waiting), _SAVE_EVERY):
            batch = list(apply(partial(measure, settings=settings), waiting[begin : begin + _SAVE_EVERY]))
            append_jsonl(file, batch)
            rows.update({row.clip_id: row for row in batch})
            task.advance(len(batch))
    return rows


def _answered(clip: Clip, model: str, probabilities: dict[str, float]) -> Prediction:
    best = max(probabilities, key=probabilities.__getitem__)
    verdict = Verdict(
        outcome=Outcome.OK, event_class=best, probabilities=probabilities, raw_text=best, probability_source="fitted"
    )
    return Prediction(
        clip_id=clip.clip_id, model=model, verdict=verdict, reasoning=None, frame_times_s=(), latency_s=0.0
    )


def _failed(clip: Clip, model: str, reason: str) -> Prediction:
    verdict = Verdict(outcome=Outcome.ERROR, event_class=None, probabilities=None, raw_text="", reason=reason)
    return Prediction(
        clip_id=clip.clip_id, model=model, verdict=verdict, reasoning=None, frame_times_s=(), latency_s=0.0
    )
