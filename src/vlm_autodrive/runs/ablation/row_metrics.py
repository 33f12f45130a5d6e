"""The metrics of an ablation's row, as counts that add up over clips or questions, and its gains over another row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation import CompareSettings, EvaluationSamples
from vlm_autodrive.metrics import (
    Bootstrap,
    Estimate,
    Ratio,
    Statistic,
    classification,
    difference_over_seeds,
    minimum_detectable_difference,
    over_seeds,
)
from vlm_autodrive.records import Record

Floats = NDArray[np.float64]

ACCURACY = "accuracy"
MACRO_F1 = "macro_f1"
UNANSWERED = "unanswered"
REASONING_CONSISTENCY = "reasoning_consistency"
VQA_ACCURACY = "vqa_accuracy"


class Gain(Record):
    """How much better one row is than another in one metric.

    Attributes:
        difference: Paired by clip or question, and by seed.
        detectable: The smallest true difference that such data would show with a power of 80 %; None without an
            interval (see :func:`~vlm_autodrive.metrics.significance.minimum_detectable_difference`).
    """

    difference: Estimate
    detectable: float | None


@dataclass(frozen=True)
class RowMetric:
    """One metric of a row.

    Attributes:
        of: The clips or questions that it is counted over.
        clusters: The cluster of each.
        counts: For each training by its seed, the counts of each, shape [clips or questions, ...].
        statistic: Maps totals of counts to the metric.
    """

    of: Sequence[Record]
    clusters: Sequence[int]
    counts: Mapping[int | None, Floats]
    statistic: Statistic


def row_metrics(samples: EvaluationSamples, models: Mapping[int | None, str]) -> dict[str, RowMetric]:
    """All metrics of a row, those of reasoning and of held-out questions only where they were asked for.

    Args:
        samples: The predictions of the row's trainings.
        models: What each training is called there, by its seed.
    """
    names = samples.taxonomy.names
    tables = {
        seed: classification.one_hot_confusion(samples.truths, samples.answers(model), names)
        for seed, model in models.items()
    }

    def over_clips(counts: Mapping[int | None, Floats], statistic: Statistic) -> RowMetric:
        return RowMetric(samples.clips, samples.clusters, counts, statistic)

    found = {
        ACCURACY: over_clips(tables, classification.accuracy),
        MACRO_F1: over_clips(tables, classification.macro_f1),
        **{f1_of(name): over_clips(tables, _class_f1(k)) for k, name in enumerate(names)},
        UNANSWERED: over_clips(tables, _unanswered),
    }
    if any(p.reasoning is not None for model in models.values() for p in samples.predictions[model]):
        consistency = {seed: _consistency(samples, model) for seed, model in models.items()}
        found[REASONING_CONSISTENCY] = over_clips(consistency, Ratio(0, 1))
    if samples.questions:
        right = {seed: _right(samples, model) for seed, model in models.items()}
        clusters = samples.question_clusters
        topics = np.array([question.topic for question in samples.questions])
        for name, places in [
            (VQA_ACCURACY, np.arange(len(topics))),
            *((accuracy_on(str(topic)), np.flatnonzero(topics == topic)) for topic in np.unique(topics)),
        ]:
            found[name] = RowMetric(
                [samples.questions[place] for place in places],
                [clusters[place] for place in places],
                {seed: counts[places] for seed, counts in right.items()},
                Ratio(0, 1),
            )
    return found


def f1_of(event_class: str) -> str:
    """The name of the metric that is the F1 of a class."""
    return f"{event_class}_f1"


def accuracy_on(topic: str) -> str:
    """The name of the metric that is the accuracy on the held-out questions on a topic."""
    return f"{VQA_ACCURACY} on {topic}"


def estimate(metric: RowMetric, settings: CompareSettings) -> Estimate:
    """The mean over a row's trainings, with an interval over clips and seeds."""
    values = np.stack(list(metric.counts.values()))
    return over_seeds(values, metric.statistic, Bootstrap(metric.clusters, settings.resamples, settings.seed))


def gain(first: RowMetric, second: RowMetric, settings: CompareSettings) -> Gain | None:
    """The second row's metric minus the first's, over the seeds that both have; None if they count over others."""
    seeds = [seed for seed in first.counts if seed in second.counts]
    if list(first.of) != list(second.of) or not seeds:
        return None
    bootstrap = Bootstrap(first.clusters, settings.resamples, settings.seed)
    before, after = (np.stack([metric.counts[seed] for seed in seeds]) for metric in (first, second))
    difference = difference_over_seeds(before, after, first.statistic, bootstrap)
    return Gain(difference=difference, detectable=minimum_detectable_difference(difference))


def _class_f1(k: int) -> Statistic:
    return lambda totals: classification.f1(totals)[..., k]


def _unanswered(totals: Floats) -> Floats:
    proportion: Floats = totals[..., -1].sum(axis=-1) / totals.sum(axis=(-2, -1))
    return proportion


def _consistency(samples: EvaluationSamples, model: str) -> Floats:
    """For each clip whether trace and verdict name the same class, and whether both name one."""
    traced = [None if p.reasoning is None else p.reasoning.event_class for p in samples.predictions[model]]
    named = [(a, b) for a, b in zip(traced, samples.answers(model), strict=True)]
    both = np.array([a is not None and b is not None for a, b in named])
    return np.column_stack([both & np.array([a == b for a, b in named]), both]).astype(np.float64)


def _right(samples: EvaluationSamples, model: str) -> Floats:
    right = samples.right_on_questions(model)
    assert right is not None  # all trainings of a row are asked the same
    return np.column_stack([right, np.ones(len(right))])
