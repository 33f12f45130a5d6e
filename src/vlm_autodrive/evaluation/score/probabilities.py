"""Metrics of the predicted probabilities: curves, areas, calibration, anticipation.

A clip without probabilities counts as wrong here too. In a ranking it stands below all others if it is positive, and
above all others if it is not: the worst place that it could have been given, so that no model gains by staying silent.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.score.samples import EvaluationSamples, clusters_of
from vlm_autodrive.metrics import (
    AnticipationScores,
    Bootstrap,
    CalibrationScores,
    RankingScores,
    anticipation,
    at_temperature,
    calibration_estimates,
    fit_temperature,
    ranking,
    risk_coverage,
    temperature_warning,
)
from vlm_autodrive.records import ANTICIPATION, Clip, Prediction, Taxonomy, Verdict

ANY_EVENT = "any_event"
_ABOVE_ALL, _BELOW_ALL = 2.0, -1.0
_SLACK = 1e-3
_TOLERANCE_S = 1e-6

Floats = NDArray[np.float64]


def ranking_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> dict[str, RankingScores]:
    """How well probabilities rank, for each class and any event; empty without probabilities.

    Raises:
        UserError: If probabilities are of several kinds, or are none.
    """
    probabilities, given = probabilities_of(samples.predictions[model], samples.taxonomy, model)
    if not given.any():
        return {}
    truths = _truths(samples.truths, samples.taxonomy)
    last = len(samples.taxonomy.names) - 1
    wanted = {name: (probabilities[:, k], truths == k) for k, name in enumerate(samples.taxonomy.names)}
    wanted[ANY_EVENT] = probabilities[:, :last].sum(axis=1), truths != last
    return {
        name: ranking(
            np.where(given, scores, np.where(positive, _BELOW_ALL, _ABOVE_ALL)),
            positive,
            bootstrap,
        )
        for name, (scores, positive) in wanted.items()
        if positive.any()
    }


def calibration_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> CalibrationScores | None:
    """Calibration, before and after a temperature fitted on the model's validation clips; None without probabilities.

    Raises:
        UserError: If probabilities are of several kinds, here or on the validation clips, or are none.
    """
    predictions = samples.predictions[model]
    validation = samples.validation.get(model, ())
    probabilities, given = probabilities_of(predictions, samples.taxonomy, model)
    if not given.any():
        return None
    source = _source([p.verdict for p in (*predictions, *(said for _, said in validation))], model)
    truths = _truths(samples.truths, samples.taxonomy)
    calibrating = bootstrap.select(given)

    fitted_on, fit_given = probabilities_of([prediction for _, prediction in validation], samples.taxonomy, model)
    fit_truths = _truths([str(clip.event_class) for clip, _ in validation], samples.taxonomy)
    count = int(fit_given.sum())
    temperature, scaled = None, None
    if count:
        temperature = fit_temperature(fitted_on[fit_given], fit_truths[fit_given])
        cooled = at_temperature(probabilities[given], temperature)
        scaled = calibration_estimates(cooled, truths[given], calibrating)
    confidence = np.where(given, probabilities.max(axis=1), _BELOW_ALL)
    curve, area = risk_coverage(confidence, given & (probabilities.argmax(axis=1) == truths), bootstrap)
    return CalibrationScores(
        n=int(given.sum()),
        without=int((~given).sum()),
        source=source,
        uncalibrated=calibration_estimates(probabilities[given], truths[given], calibrating),
        temperature=temperature,
        validation_clips=count,
        temperature_scaled=scaled,
        risk_coverage=curve,
        aurc=area,
        warning=temperature_warning(temperature, fit_truths[fit_given]) if validation else "",
    )


def _truths(names: Iterable[str], taxonomy: Taxonomy) -> NDArray[np.intp]:
    place = {name: index for index, name in enumerate(taxonomy.names)}
    return np.array([place[name] for name in names], dtype=np.intp)


def probabilities_of(
    predictions: Iterable[Prediction], taxonomy: Taxonomy, model: str, control: str = ""
) -> tuple[Floats, NDArray[np.bool_]]:
    """Probabilities by clip and class, summing to 1, and which clips have any; the others' rows are 0.

    Votes that name no class leave a sum below 1; the rest is shared out in proportion. Where no vote names one, there
    are no probabilities.

    Args:
        predictions: One for each clip.
        taxonomy: The classes.
        model: Whose they are.
        control: The control on which they are looked for; by default the true footage.

    Raises:
        UserError: If probabilities are of several kinds, or are none.
    """
    said = [(p.clip_id, p.controls.get(control) if control else p.verdict) for p in predictions]
    verdicts = [verdict for _, verdict in said if verdict is not None]
    _source(verdicts, model)
    rows = np.zeros((len(said), len(taxonomy.names)))
    for row, (clip_id, verdict) in zip(rows, said, strict=True):
        if verdict is not None and verdict.probabilities is not None:
            row[:] = _row(verdict.probabilities, taxonomy, f"{model}'s prediction for {clip_id}")
    sums = rows.sum(axis=1)
    given = sums > 0
    rows[given] /= sums[given, None]
    return rows, given


def _row(found: Mapping[str, float], taxonomy: Taxonomy, where: str) -> list[float]:
    missing = [name for name in taxonomy.names if name not in found]
    values = [found[name] for name in taxonomy.names if name in found]
    if missing or not all(0 <= value <= 1 for value in values) or sum(values) > 1 + _SLACK:
        fault = f"leave out {missing[0]}" if missing else f"are {', '.join(f'{value:g}' for value in values)}"
        raise UserError(
            f"the probabilities in {where} {fault}; they must be numbers from 0 to 1, one for each class, that sum to "
            "1. Evaluate the model anew."
        )
    return values


def _source(verdicts: Iterable[Verdict], model: str) -> str:
    """The one kind of probability that a model's verdicts hold."""
    sources = {verdict.probability_source or "unknown" for verdict in verdicts if verdict.probabilities is not None}
    if len(sources) > 1:
        raise UserError(
            f"the probabilities of {model} are of several kinds ({', '.join(sorted(sources))}), which must not be "
            "mixed; evaluate it anew, all clips in the same way."
        )
    return next(iter(sources), "")


def anticipation_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> AnticipationScores | None:
    """Average precision by seconds before the event; None if the model saw no causal windows.

    The clips stage cuts such windows with ``anticipation_s``, and marks each with the time ahead that it belongs to; a
    window without event ends where one before an event would, and belongs to a time ahead too, as in Nexar's
    challenge. They are the windows given beside the clips, or else those of the clips that are causal themselves. One
    without probabilities ranks where it does the most harm, so no failure can help: below all others if it leads up to
    an event, above them if not. A model that has no probabilities at all is not ranked.

    Raises:
        UserError: If a model saw a frame later than it may, or its probabilities are of several kinds or are none.
    """
    asked = samples.anticipation.get(model) or tuple(zip(samples.clips, samples.predictions[model], strict=True))
    marked = [(clip, said) for clip, said in asked if ANTICIPATION in clip.metadata and not clip.problem]
    probabilities, given = probabilities_of([said for _, said in marked], samples.taxonomy, model)
    if not given.any():
        return None
    for clip, said in marked:
        _refuse_later_frames(clip, said, model)
    positives = [clip.event_class in samples.taxonomy.event_names for clip, _ in marked]
    worst = np.where(positives, _BELOW_ALL, _ABOVE_ALL)
    scores = np.where(given, probabilities[:, :-1].sum(axis=1), worst)
    return anticipation(
        scores.tolist(),
        positives,
        [_lead_s(clip) for clip, _ in marked],
        Bootstrap(clusters_of([clip for clip, _ in marked]), bootstrap.resamples, bootstrap.seed),
        left_out=len(asked) - len(marked),
    )


def _lead_s(clip: Clip) -> float:
    return float(clip.metadata[ANTICIPATION])


def _refuse_later_frames(clip: Clip, prediction: Prediction, model: str) -> None:
    """Make sure that neither the window nor any frame seen lies nearer to the event than the time ahead."""
    if clip.event_time_s is None:
        return
    lead_s = _lead_s(clip)
    last_s = max((clip.duration_s, *prediction.frame_times_s))
    if last_s > clip.event_time_s - lead_s + _TOLERANCE_S:
        raise UserError(
            f"{clip.clip_id} is to end {lead_s:g} s before its event, but {model} was shown it up to "
            f"{clip.event_time_s - last_s:.3f} s before; make the clips anew with anticipation_s and evaluate again."
        )
