"""The figures of one model, and of two models in a pair."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score.anticipation import anticipation_scores
from vlm_autodrive.evaluation.score.binary_task import event_scores
from vlm_autodrive.evaluation.score.controls import control_scores, faithfulness_scores
from vlm_autodrive.evaluation.score.probabilities import calibration_scores, ranking_scores
from vlm_autodrive.evaluation.score.prompt_sensitivity import prompt_scores
from vlm_autodrive.evaluation.score.records import ClassScores, ModelScores, PairScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.score.slices import hard_negative_scores, slice_scores, slice_tests, triplet_scores
from vlm_autodrive.evaluation.score.traces import event_shown, trace_scores
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import (
    LEVEL,
    Estimate,
    EventTimeScores,
    classification,
    clips_to_settle,
    cluster_bootstrap,
    cluster_sums,
    design_effect,
    event_time_scores,
    mcnemar,
    paired_differences,
    share,
    sign_flip_p_value,
    wilson,
)
from vlm_autodrive.records import Outcome, Prediction

Floats = NDArray[np.float64]


def model_scores(cases: EvaluationSamples, model: str, settings: CompareSettings) -> ModelScores:
    """All figures of one model."""
    names = cases.taxonomy.names
    predictions = cases.predictions[model]
    table = classification.confusion(cases.truths, cases.answers(model), names)
    per_cluster = _per_cluster(cases, model)
    independent = len(per_cluster) == len(cases.clips)

    def figure(statistic: Callable[[Floats], Floats], n: float) -> Estimate:
        return cluster_bootstrap(per_cluster, statistic, int(n), resamples=settings.resamples, seed=settings.seed)

    def proportion(statistic: Callable[[Floats], Floats], hits: float, n: float) -> Estimate:
        return wilson(int(hits), int(n)) if independent else figure(statistic, n)

    support, said = table.sum(axis=1), table.sum(axis=0)
    per_class = {
        name: ClassScores(
            precision=proportion(_column(classification.precision, k), table[k, k], said[k]),
            recall=proportion(_column(classification.recall, k), table[k, k], support[k]),
            f1=figure(_column(classification.f1, k), support[k]),
        )
        for k, name in enumerate(names)
    }
    return ModelScores(
        name=predictions[0].model,
        n=len(cases.clips),
        accuracy=proportion(classification.accuracy, np.trace(table), table.sum()),
        balanced_accuracy=figure(classification.balanced_accuracy, table.sum()),
        macro_f1=figure(classification.macro_f1, table.sum()),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in table),
        outcomes=dict(Counter(p.verdict.outcome.value for p in predictions)),
        reasoning_outcomes=dict(Counter(p.reasoning.outcome.value for p in predictions if p.reasoning is not None)),
        agreement=_agreement(cases, model, settings),
        event_time=_event_time(cases, model, settings),
        triplets=triplet_scores(cases, model, settings),
        hard_negatives=hard_negative_scores(cases, model, settings),
        slices=slice_scores(cases, model, settings),
        latency_s=_latency_s(predictions),
        event=event_scores(cases, model, settings),
        ranking=ranking_scores(cases, model, settings),
        calibration=calibration_scores(cases, model, settings),
        prompt_variants=prompt_scores(cases, model, settings),
        controls=control_scores(cases, model, settings),
        anticipation=anticipation_scores(cases, model, settings),
        faithfulness=faithfulness_scores(cases, model, settings),
        traces=trace_scores(cases, model, settings),
        slice_tests=slice_tests(cases, model, settings),
    )


def pair_scores(cases: EvaluationSamples, first: str, second: str, settings: CompareSettings) -> PairScores:
    """One model against another; the adjusted p-value is filled in once all pairs are known."""
    right = {
        model: [answer == truth for answer, truth in zip(cases.answers(model), cases.truths, strict=True)]
        for model in (first, second)
    }
    names = cases.taxonomy.names
    counts = _per_cluster(cases, first), _per_cluster(cases, second)
    wanted = {
        "accuracy": classification.accuracy,
        "balanced_accuracy": classification.balanced_accuracy,
        "macro_f1": classification.macro_f1,
        **{f"recall of {name}": _column(classification.recall, k) for k, name in enumerate(names)},
        **{f"F1 of {name}": _column(classification.f1, k) for k, name in enumerate(names)},
    }
    differences = paired_differences(
        *counts, wanted, len(cases.clips), resamples=settings.resamples, seed=settings.seed
    )
    test = mcnemar(right[first], right[second])
    gains = [int(after) - int(before) for before, after in zip(right[first], right[second], strict=True)]
    by_cluster = cluster_sums(np.array(gains), cases.clusters)
    permutation_p = None
    if len(by_cluster) < len(gains):
        permutation_p = sign_flip_p_value([int(gain) for gain in by_cluster])
    p_value = test.p_value if permutation_p is None else permutation_p
    flips = list(zip(cases.clips, right[first], right[second], strict=True))
    return PairScores(
        first=first,
        second=second,
        mcnemar=test,
        p_holm=p_value,
        accuracy=differences["accuracy"],
        balanced_accuracy=differences["balanced_accuracy"],
        macro_f1=differences["macro_f1"],
        recall={name: differences[f"recall of {name}"] for name in names},
        f1={name: differences[f"F1 of {name}"] for name in names},
        gained=tuple(clip.clip_id for clip, before, after in flips if after and not before),
        lost=tuple(clip.clip_id for clip, before, after in flips if before and not after),
        permutation_p=permutation_p,
        clips_needed=(
            None if p_value <= LEVEL else clips_to_settle(test, len(gains), design_effect(gains, cases.clusters))
        ),
    )


def _latency_s(predictions: Sequence[Prediction]) -> float:
    """The median over the clips that were answered: one that failed takes no time, or as much as the client waits."""
    taken = [p.latency_s for p in predictions if p.verdict.outcome is not Outcome.ERROR]
    return float(np.median(taken)) if taken else 0.0


def _per_cluster(cases: EvaluationSamples, model: str) -> Floats:
    tables = classification.one_hot_confusion(cases.truths, cases.answers(model), cases.taxonomy.names)
    return cluster_sums(tables, cases.clusters)


def _column(statistic: Callable[[Floats], Floats], k: int) -> Callable[[Floats], Floats]:
    return lambda totals: statistic(totals)[..., k]


def _agreement(cases: EvaluationSamples, model: str, settings: CompareSettings) -> Estimate | None:
    """How often trace and direct verdict name the same class, where both name one."""
    predictions = cases.predictions[model]
    if all(p.reasoning is None for p in predictions):
        return None
    both = [
        (p.reasoning.event_class == p.verdict.event_class, cluster)
        for p, cluster in zip(predictions, cases.clusters, strict=True)
        if p.reasoning is not None and p.reasoning.event_class is not None and p.verdict.event_class is not None
    ]
    hits = np.array([hit for hit, _ in both], dtype=bool)
    return share(hits, [cluster for _, cluster in both], settings.resamples, settings.seed)


def _event_time(cases: EvaluationSamples, model: str, settings: CompareSettings) -> EventTimeScores | None:
    """The moments cited for events whose class the direct verdict has right."""
    if all(p.reasoning is None for p in cases.predictions[model]):
        return None
    rows = [
        (p.reasoning.event_time_s, clip.event_time_s, cluster)
        for clip, p, cluster in zip(cases.clips, cases.predictions[model], cases.clusters, strict=True)
        if clip.event_class in cases.taxonomy.event_names
        and clip.event_time_s is not None
        and event_shown(clip)
        and p.verdict.event_class == clip.event_class
        and p.reasoning is not None
    ]
    return event_time_scores(
        [cited for cited, _, _ in rows],
        [true for _, true, _ in rows],
        [cluster for _, _, cluster in rows],
        resamples=settings.resamples,
        seed=settings.seed,
    )
