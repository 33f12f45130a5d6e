"""Metrics of the reasoning traces: the times that they cite, and ROUGE-L against reference traces."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from vlm_autodrive.evaluation.score.records import JudgeScores, TraceScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.metrics import (
    TOLERANCES_S,
    Bootstrap,
    Estimate,
    Ratio,
    krippendorff_alpha_estimate,
    rouge_l,
    temporal_iou,
)
from vlm_autodrive.records import Clip, Reasoning

_ROUNDING_S = 1e-9

Trace = tuple[Clip, int, Reasoning]


def trace_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> TraceScores | None:
    """Estimates of the traces; None if none were asked for.

    A trace that failed stays in every denominator: it cites nothing and resembles nothing.
    """
    traces = [
        (clip, place, prediction.reasoning)
        for place, (clip, prediction) in enumerate(zip(samples.clips, samples.predictions[model], strict=True))
        if prediction.reasoning is not None
    ]
    if not traces:
        return None
    shown = [trace for trace in traces if event_shown(trace[0])]
    from_alert = [trace for trace in shown if trace[0].alert_time_s is not None]
    referred = [trace for trace in traces if trace[0].clip_id in samples.references]

    def mean_of(some: Sequence[Trace], score: Callable[[Clip, Reasoning], float]) -> Estimate | None:
        if not some:
            return None
        rows = np.array([(score(clip, reasoning), 1.0) for clip, _, reasoning in some])
        return _of(some, bootstrap).estimate(rows, Ratio(0, 1))

    return TraceScores(
        cites_event=_cites_event(shown, bootstrap),
        temporal_iou=mean_of(from_alert, _overlap),
        rouge_l=mean_of(referred, lambda clip, reasoning: rouge_l(reasoning.trace, samples.references[clip.clip_id])),
        references=len(referred),
        judge=judge_scores(samples, model, bootstrap),
    )


def judge_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> JudgeScores | None:
    """The grades of a model's traces on the labelled clips; None if no judge was asked."""
    found = samples.judgements.get(model)
    if found is None:
        return None
    judged = [(clip.clip_id, place) for place, clip in enumerate(samples.clips) if clip.clip_id in found.grades]
    grades = [found.grades[clip_id] for clip_id, _ in judged]
    both = [(clip_id, place) for clip_id, place in judged if clip_id in found.human_ratings]
    units = [(float(found.grades[clip_id]), found.human_ratings[clip_id]) for clip_id, _ in both]
    counts = Counter(grades)
    of_judged, of_both = (
        bootstrap.select(np.array([place for _, place in each], dtype=np.intp)) for each in (judged, both)
    )
    return JudgeScores(
        judge=found.judge,
        judged=len(judged),
        mean=of_judged.mean(np.array(grades, dtype=np.float64)),
        grades={str(grade): counts[grade] for grade in range(1, 6)},
        human_ratings=len(both),
        krippendorff_alpha=krippendorff_alpha_estimate(units, of_both) if found.human_ratings else None,
    )


def event_shown(clip: Clip) -> bool:
    """Whether the clip shows its event, at a known time; a causal window ends before it, others begin behind one."""
    return clip.event_time_s is not None and 0 <= clip.event_time_s <= clip.duration_s


def _cites_event(shown: Sequence[Trace], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """The proportion of traces that cite a moment within each tolerance of the event."""
    nearest = np.array(
        [
            min((abs(cited - (clip.event_time_s or 0.0)) for cited in reasoning.cited_times_s), default=np.inf)
            for clip, _, reasoning in shown
        ]
    )
    of_shown = _of(shown, bootstrap)
    return {f"{limit_s:g}": of_shown.proportion(nearest <= limit_s + _ROUNDING_S) for limit_s in TOLERANCES_S}


def _of(traces: Sequence[Trace], bootstrap: Bootstrap) -> Bootstrap:
    return bootstrap.select(np.array([place for _, place, _ in traces], dtype=np.intp))


def _overlap(clip: Clip, reasoning: Reasoning) -> float:
    """How far the span of the cited moments is that from alert to event; 0 if none is cited."""
    if not reasoning.cited_times_s or clip.alert_time_s is None or clip.event_time_s is None:
        return 0.0
    cited = min(reasoning.cited_times_s), max(reasoning.cited_times_s)
    return temporal_iou(cited, (clip.alert_time_s, clip.event_time_s))
