"""What the reasoning traces are worth: whether they cite the right moments, and read like the references."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from vlm_autodrive.evaluation.score.records import JudgeScores, TraceScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import (
    TOLERANCES_S,
    Estimate,
    Ratio,
    cluster_bootstrap,
    cluster_sums,
    krippendorff_alpha_estimate,
    mean,
    renumbered,
    rouge_l,
    share,
    temporal_iou,
)
from vlm_autodrive.records import Clip, Reasoning

_ROUNDING_S = 1e-9

Trace = tuple[Clip, int, Reasoning]


def trace_scores(cases: EvaluationSamples, model: str, settings: CompareSettings) -> TraceScores | None:
    """Figures of the traces; None if none were asked for.

    A trace that failed stays in every denominator: it cites nothing and resembles nothing.
    """
    traces = [
        (clip, cluster, prediction.reasoning)
        for clip, cluster, prediction in zip(cases.clips, cases.clusters, cases.predictions[model], strict=True)
        if prediction.reasoning is not None
    ]
    if not traces:
        return None
    shown = [trace for trace in traces if event_shown(trace[0])]
    from_alert = [trace for trace in shown if trace[0].alert_time_s is not None]
    referred = [trace for trace in traces if trace[0].clip_id in cases.references]

    def mean_of(some: Sequence[Trace], figure: Callable[[Clip, Reasoning], float]) -> Estimate | None:
        if not some:
            return None
        rows = np.array([(figure(clip, reasoning), 1.0) for clip, _, reasoning in some])
        sums = cluster_sums(rows, renumbered([cluster for _, cluster, _ in some]))
        return cluster_bootstrap(sums, Ratio(0, 1), len(some), resamples=settings.resamples, seed=settings.seed)

    return TraceScores(
        cites_event=_cites_event(shown, settings),
        temporal_iou=mean_of(from_alert, _overlap),
        rouge_l=mean_of(referred, lambda clip, reasoning: rouge_l(reasoning.trace, cases.references[clip.clip_id])),
        references=len(referred),
        judge=judge_scores(cases, model, settings),
    )


def judge_scores(cases: EvaluationSamples, model: str, settings: CompareSettings) -> JudgeScores | None:
    """The grades of a model's traces on the labelled clips; None if no judge was asked."""
    found = cases.judgements.get(model)
    if found is None:
        return None
    judged = [
        (clip.clip_id, n) for clip, n in zip(cases.clips, cases.clusters, strict=True) if clip.clip_id in found.grades
    ]
    grades = [found.grades[clip_id] for clip_id, _ in judged]
    both = [(clip_id, n) for clip_id, n in judged if clip_id in found.human_ratings]
    units = [(float(found.grades[clip_id]), found.human_ratings[clip_id]) for clip_id, _ in both]
    counts = Counter(grades)
    resamples, seed = settings.resamples, settings.seed
    return JudgeScores(
        judge=found.judge,
        judged=len(judged),
        mean=mean(np.array(grades, dtype=np.float64), [n for _, n in judged], resamples, seed),
        grades={str(grade): counts[grade] for grade in range(1, 6)},
        human_ratings=len(both),
        agreement=krippendorff_alpha_estimate(units, [n for _, n in both], resamples, seed)
        if found.human_ratings
        else None,
    )


def event_shown(clip: Clip) -> bool:
    """Whether the clip shows its event, at a known time; a causal window ends before it, others begin behind one."""
    return clip.event_time_s is not None and 0 <= clip.event_time_s <= clip.duration_s


def _cites_event(shown: Sequence[Trace], settings: CompareSettings) -> dict[str, Estimate]:
    """The share of traces that cite a moment within each tolerance of the event."""
    nearest = np.array(
        [
            min((abs(cited - (clip.event_time_s or 0.0)) for cited in reasoning.cited_times_s), default=np.inf)
            for clip, _, reasoning in shown
        ]
    )
    clusters = [cluster for _, cluster, _ in shown]
    return {
        f"{tolerance_s:g}": share(nearest <= tolerance_s + _ROUNDING_S, clusters, settings.resamples, settings.seed)
        for tolerance_s in TOLERANCES_S
    }


def _overlap(clip: Clip, reasoning: Reasoning) -> float:
    """How far the span of the cited moments is that from alert to event; 0 if none is cited."""
    if not reasoning.cited_times_s or clip.alert_time_s is None or clip.event_time_s is None:
        return 0.0
    cited = min(reasoning.cited_times_s), max(reasoning.cited_times_s)
    return temporal_iou(cited, (clip.alert_time_s, clip.event_time_s))
