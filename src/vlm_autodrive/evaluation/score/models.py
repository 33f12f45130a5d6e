"""The metrics of one model, and of a pair of models."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score.probabilities import anticipation_scores, calibration_scores, ranking_scores
from vlm_autodrive.evaluation.score.records import ClassScores, EventScores, ModelScores, PairScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.score.slices import hard_negative_scores, slice_scores, slice_tests, triplet_scores
from vlm_autodrive.evaluation.score.traces import event_shown, trace_scores
from vlm_autodrive.evaluation.score.variants import code_mass_score, control_scores, faithfulness_scores, prompt_scores
from vlm_autodrive.evaluation.score.vqa import vqa_differences, vqa_scores
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import (
    LEVEL,
    Bootstrap,
    Estimate,
    EventTimeScores,
    classification,
    clips_to_settle,
    design_effect,
    event_time_scores,
    mcnemar,
    sign_flip_p_value,
)
from vlm_autodrive.records import Outcome, Prediction

_BINARY = _EVENT, _NONE = "event", "none"

Floats = NDArray[np.float64]


def model_scores(samples: EvaluationSamples, model: str, settings: CompareSettings) -> ModelScores:
    """All estimates of one model."""
    bootstrap = Bootstrap(samples.clusters, settings.resamples, settings.seed)
    names = samples.taxonomy.names
    predictions = samples.predictions[model]
    tables = _tables(samples, model)
    truths, answers = np.array(samples.truths, dtype=object), np.array(samples.answers(model), dtype=object)
    right = answers == truths
    per_class = {
        name: ClassScores(
            precision=bootstrap.proportion(right, among=answers == name),
            recall=bootstrap.proportion(right, among=truths == name),
            f1=bootstrap.estimate(tables, _column(classification.f1, k), (truths == name).sum()),
        )
        for k, name in enumerate(names)
    }
    return ModelScores(
        name=predictions[0].model,
        n=len(samples.clips),
        accuracy=bootstrap.proportion(right),
        balanced_accuracy=bootstrap.estimate(tables, classification.balanced_accuracy),
        macro_f1=bootstrap.estimate(tables, classification.macro_f1),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in tables.sum(axis=0)),
        outcomes=dict(Counter(p.verdict.outcome.value for p in predictions)),
        reasoning_outcomes=dict(Counter(p.reasoning.outcome.value for p in predictions if p.reasoning is not None)),
        reasoning_consistency=_reasoning_consistency(samples, model, bootstrap),
        event_time=_event_time(samples, model, bootstrap),
        triplets=triplet_scores(samples, model, bootstrap),
        hard_negatives=hard_negative_scores(samples, model, bootstrap),
        slices=slice_scores(samples, model, bootstrap, settings.smallest_slice),
        latency_s=_latency_s(predictions),
        event=event_scores(samples, model, bootstrap),
        ranking=ranking_scores(samples, model, bootstrap),
        calibration=calibration_scores(samples, model, bootstrap),
        prompt=samples.prompt_of(model),
        prompt_choice=samples.prompt_choices.get(model),
        code_mass=code_mass_score([prediction.verdict for prediction in predictions], bootstrap),
        prompt_variants=prompt_scores(samples, model, bootstrap),
        controls=control_scores(samples, model, bootstrap),
        anticipation=anticipation_scores(samples, model, bootstrap),
        faithfulness=faithfulness_scores(samples, model, bootstrap),
        traces=trace_scores(samples, model, bootstrap),
        slice_tests=slice_tests(samples, model, bootstrap, settings.smallest_slice),
        vqa=vqa_scores(samples, model, settings),
        training=samples.training.get(model, ""),
    )


def event_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> EventScores:
    """The estimates of two classes, an event of whatever kind or none.

    A clip without an answer counts against accuracy and recall. It is no false positive: nothing was said to be there.
    """
    kinds = dict.fromkeys(samples.taxonomy.event_names, _EVENT) | {samples.taxonomy.normal.name: _NONE}
    answers = [None if answer is None else kinds[answer] for answer in samples.answers(model)]
    truths = [kinds[truth] for truth in samples.truths]
    is_event, said_event = np.array([t == _EVENT for t in truths]), np.array([a == _EVENT for a in answers])
    right = np.array([answer == truth for answer, truth in zip(answers, truths, strict=True)])
    tables = classification.one_hot_confusion(truths, answers, _BINARY)
    return EventScores(
        accuracy=bootstrap.proportion(right),
        precision=bootstrap.proportion(is_event, among=said_event),
        recall=bootstrap.proportion(said_event, among=is_event),
        f1=bootstrap.estimate(tables, lambda totals: classification.f1(totals)[..., 0], is_event.sum()),
        false_positive_rate=bootstrap.proportion(said_event, among=~is_event),
    )


def pair_scores(samples: EvaluationSamples, first: str, second: str, settings: CompareSettings) -> PairScores:
    """One model against another; the adjusted p-value is filled in once all pairs are known."""
    right = {
        model: [answer == truth for answer, truth in zip(samples.answers(model), samples.truths, strict=True)]
        for model in (first, second)
    }
    names = samples.taxonomy.names
    bootstrap = Bootstrap(samples.clusters, settings.resamples, settings.seed)
    wanted = {
        "accuracy": classification.accuracy,
        "balanced_accuracy": classification.balanced_accuracy,
        "macro_f1": classification.macro_f1,
        **{f"recall of {name}": _column(classification.recall, k) for k, name in enumerate(names)},
        **{f"F1 of {name}": _column(classification.f1, k) for k, name in enumerate(names)},
    }
    differences = bootstrap.differences(_tables(samples, first), _tables(samples, second), wanted)
    test = mcnemar(right[first], right[second])
    gains = [int(after) - int(before) for before, after in zip(right[first], right[second], strict=True)]
    by_cluster = bootstrap.sums(np.array(gains))
    permutation_p = None
    if len(by_cluster) < len(gains):
        permutation_p = sign_flip_p_value([int(gain) for gain in by_cluster])
    p_value = test.p_value if permutation_p is None else permutation_p
    on_questions = vqa_differences(samples, first, second, settings)
    flips = list(zip(samples.clips, right[first], right[second], strict=True))
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
        only_second_right=tuple(clip.clip_id for clip, before, after in flips if after and not before),
        only_first_right=tuple(clip.clip_id for clip, before, after in flips if before and not after),
        permutation_p=permutation_p,
        clips_needed=(None if p_value <= LEVEL else clips_to_settle(test, len(gains), design_effect(gains, bootstrap))),
        vqa_accuracy=on_questions.pop("", None),
        vqa_topics=on_questions,
    )


def _latency_s(predictions: Sequence[Prediction]) -> float:
    """The median over the clips that were answered: one that failed takes no time, or as much as the client waits."""
    taken = [p.latency_s for p in predictions if p.verdict.outcome is not Outcome.ERROR]
    return float(np.median(taken)) if taken else 0.0


def _tables(samples: EvaluationSamples, model: str) -> Floats:
    return classification.one_hot_confusion(samples.truths, samples.answers(model), samples.taxonomy.names)


def _column(statistic: Callable[[Floats], Floats], k: int) -> Callable[[Floats], Floats]:
    return lambda totals: statistic(totals)[..., k]


def _reasoning_consistency(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> Estimate | None:
    """How often trace and direct verdict name the same class, where both name one."""
    predictions = samples.predictions[model]
    if all(p.reasoning is None for p in predictions):
        return None
    by_trace = [None if p.reasoning is None else p.reasoning.event_class for p in predictions]
    by_verdict = samples.answers(model)
    both = np.array([one is not None and other is not None for one, other in zip(by_trace, by_verdict, strict=True)])
    same = np.array([one == other for one, other in zip(by_trace, by_verdict, strict=True)])
    return bootstrap.select(both).proportion(same[both])


def _event_time(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> EventTimeScores | None:
    """The moments cited for events whose class the direct verdict has right."""
    if all(p.reasoning is None for p in samples.predictions[model]):
        return None
    rows = [
        (p.reasoning.event_time_s, clip.event_time_s, place)
        for place, (clip, p) in enumerate(zip(samples.clips, samples.predictions[model], strict=True))
        if clip.event_class in samples.taxonomy.event_names
        and clip.event_time_s is not None
        and event_shown(clip)
        and p.verdict.event_class == clip.event_class
        and p.reasoning is not None
    ]
    return event_time_scores(
        [cited for cited, _, _ in rows],
        [true for _, true, _ in rows],
        bootstrap.select(np.array([place for _, _, place in rows], dtype=np.intp)),
    )
