"""Baselines without a model: the majority class, camera shake, the g-force of telemetry, and the cameras' own marks."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vlm_autodrive.artifacts import iterate_clips, read_clips, read_taxonomy, writing_artifact
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.predict.camera_motion import MotionRow, measure
from vlm_autodrive.evaluation.predict.contamination import write_leaks
from vlm_autodrive.evaluation.predict.stage import clips_of_split, write_predictions
from vlm_autodrive.evaluation.settings import BASELINES, CAMERA_MARKS, G_FORCE, BaselineSettings
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, Outcome, Prediction, Taxonomy, Verdict, append_jsonl, read_partial_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.workers import start_checked, worker_pool

MEASURED_FILE = "measured.jsonl"
_SAVE_EVERY = 64
_LEAST_G = 0.01  # below it there is but noise
_Classify = Callable[[Clip], dict[str, float]]
_ONE_FEATURE_C = 100.0  # a threshold needs next to no regularisation


def evaluate_baseline(
    clips: Path,
    name: str,
    out: Path,
    settings: BaselineSettings,
    reporter: Reporter = TERMINAL,
    *,
    overwrite: bool = False,
) -> Path:
    """Predict the held-out clips with one of ``evaluation.settings.BASELINES``, fitted on the training clips."""
    if name == "majority":
        return majority(clips, out, settings, overwrite=overwrite)
    if name == G_FORCE:
        return g_force(clips, out, settings, overwrite=overwrite)
    if name == CAMERA_MARKS:
        return camera_marks(clips, out, settings, overwrite=overwrite)
    return camera_shake(clips, out, settings, reporter, overwrite=overwrite)


def majority(clips: Path, out: Path, settings: BaselineSettings, *, overwrite: bool = False) -> Path:
    """Answer every clip with the commonest class of the training clips.

    Args:
        clips: A clip set.
        out: Where the predictions go.
        settings: Which split to predict.
        overwrite: Replace another result at ``out``.
    """

    def fit(training: Sequence[Clip], taxonomy: Taxonomy) -> _Classify:
        probabilities = _frequencies(training, taxonomy)
        return lambda _: probabilities

    return _predict_by_clip("majority", fit, clips, out, settings, overwrite)


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
        if len({clip.event_class for clip in readable}) < 2:
            raise UserError(f"{clips} has readable training clips of one class only; camera shake needs at least two.")
        classify = _fitted(
            readable, [rows[clip.clip_id].features for clip in readable], taxonomy, settings.regularisation
        )
        predictions = []
        for clip in wanted:
            row = rows[clip.clip_id]
            if row.reason:
                predictions.append(_failed(clip, "camera_shake", row.reason))
            else:
                predictions.append(_answered(clip, "camera_shake", classify(row.features)))
        write_predictions(folder, out, taxonomy, wanted, predictions)
        write_leaks(folder, clips, wanted)
        (folder / MEASURED_FILE).unlink()
    return out


def g_force(clips: Path, out: Path, settings: BaselineSettings, *, overwrite: bool = False) -> Path:
    """Classify clips by their largest horizontal acceleration: a threshold on it, fitted on the training clips.

    The threshold is where the classes of a logistic regression on the logarithm of :attr:`Clip.peak_g` change places. A
    clip without accelerations gets the frequencies of the classes in training, and so their commonest one: that there
    is no sensor says nothing of what happened.

    Args:
        clips: A clip set.
        out: Where the predictions go.
        settings: Which split to predict; the other settings are those of camera shake.
        overwrite: Replace another result at ``out``.

    Raises:
        UserError: If training clips of two classes with telemetry are lacking.
    """

    def fit(training: Sequence[Clip], taxonomy: Taxonomy) -> _Classify:
        if not _has_g_of_classes(training):
            raise UserError(
                f"{clips} has not training clips of two classes whose telemetry holds accelerations; g_force needs "
                "them, so evaluate majority and camera_shake instead."
            )
        measured = [clip for clip in training if clip.peak_g is not None]
        by_g = _fitted(measured, [_g_feature(clip) for clip in measured], taxonomy, _ONE_FEATURE_C)
        frequencies = _frequencies(training, taxonomy)
        return lambda clip: frequencies if clip.peak_g is None else by_g(_g_feature(clip))

    return _predict_by_clip(G_FORCE, fit, clips, out, settings, overwrite)


def camera_marks(clips: Path, out: Path, settings: BaselineSettings, *, overwrite: bool = False) -> Path:
    """Classify clips by whether the camera itself marked an event: by the classes of such clips in training.

    A clip of a camera that is not known to mark events gets the frequencies of all classes.

    Args:
        clips: A clip set.
        out: Where the predictions go.
        settings: Which split to predict; the other settings are those of camera shake.
        overwrite: Replace another result at ``out``.

    Raises:
        UserError: If there are no training clips with and without a mark.
    """

    def fit(training: Sequence[Clip], taxonomy: Taxonomy) -> _Classify:
        if not _has_marks(training):
            raise UserError(
                f"{clips} has no training clips both with and without an event that the camera marked itself; "
                "camera_marks needs them, so evaluate majority and camera_shake instead."
            )
        by_mark = {
            mark: _frequencies([clip for clip in training if clip.camera_marked is mark], taxonomy)
            for mark in (True, False)
        }
        otherwise = _frequencies(training, taxonomy)
        return lambda clip: otherwise if clip.camera_marked is None else by_mark[clip.camera_marked]

    return _predict_by_clip(CAMERA_MARKS, fit, clips, out, settings, overwrite)


def _predict_by_clip(
    name: str,
    fit: Callable[[Sequence[Clip], Taxonomy], _Classify],
    clips: Path,
    out: Path,
    settings: BaselineSettings,
    overwrite: bool,
) -> Path:
    """Predict with what is fitted on the training clips and looks at a clip's record only."""
    facts = {"model": name, "split": settings.split}  # the other settings are those of camera shake
    with writing_artifact(out, "predictions", {"clips": clips}, Settings(), facts=facts, overwrite=overwrite) as folder:
        if folder is not None:
            taxonomy = read_taxonomy(clips)
            classify, wanted = fit(_labelled(clips), taxonomy), clips_of_split(clips, settings.split)
            write_predictions(folder, out, taxonomy, wanted, [_answered(clip, name, classify(clip)) for clip in wanted])
            write_leaks(folder, clips, wanted)
    return out


def baselines_of(clips: Path) -> tuple[str, ...]:
    """The baselines that a clip set is compared with: those by telemetry and by marks only where clips have them."""
    left_out = set()
    if not _has_g_of_classes(clip for clip in iterate_clips(clips) if clip.split == "train"):
        left_out.add(G_FORCE)
    if not _has_marks(clip for clip in iterate_clips(clips) if clip.split == "train" and clip.event_class is not None):
        left_out.add(CAMERA_MARKS)
    return tuple(name for name in BASELINES if name not in left_out)


def _has_marks(training: Iterable[Clip]) -> bool:
    return {clip.camera_marked for clip in training} >= {True, False}


def _has_g_of_classes(training: Iterable[Clip]) -> bool:
    """Whether accelerations of two classes or more are known, so that there is something to be told apart."""
    return len({clip.event_class for clip in training if clip.peak_g is not None} - {None}) > 1


def _g_feature(clip: Clip) -> tuple[float]:
    return (float(np.log(max(clip.peak_g or 0.0, _LEAST_G))),)


def _frequencies(training: Sequence[Clip], taxonomy: Taxonomy) -> dict[str, float]:
    counts = Counter(clip.event_class for clip in training)
    return {name: counts[name] / len(training) for name in taxonomy.names}


def _fitted(
    training: Sequence[Clip], features: Sequence[Sequence[float]], taxonomy: Taxonomy, regularisation: float
) -> Callable[[Sequence[float]], dict[str, float]]:
    """The probability of each class, by features, of a logistic regression that is fitted on the training clips."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=2000))
    model.fit(np.array(features), [str(clip.event_class) for clip in training])

    def classify(of_clip: Sequence[float]) -> dict[str, float]:
        found = dict(zip(model.classes_, model.predict_proba([of_clip])[0].tolist(), strict=True))
        return {name: found.get(name, 0.0) for name in taxonomy.names}

    return classify


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
            stack.enter_context(start_checked())
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
