"""Event or not: the figures where only that counts."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score.records import EventScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import Estimate, classification, cluster_bootstrap, cluster_sums, wilson

_NAMES = _EVENT, _NONE = "event", "none"

Floats = NDArray[np.float64]


def event_scores(cases: EvaluationSamples, model: str, settings: CompareSettings) -> EventScores:
    """The figures of two classes, an event of whatever kind or none.

    A clip without an answer counts against accuracy and recall. It is no false positive: nothing was said to be there.
    """
    kinds = dict.fromkeys(cases.taxonomy.event_names, _EVENT) | {cases.taxonomy.normal.name: _NONE}
    answers = [None if answer is None else kinds[answer] for answer in cases.answers(model)]
    tables = classification.one_hot_confusion([kinds[truth] for truth in cases.truths], answers, _NAMES)
    per_cluster = cluster_sums(tables, cases.clusters)
    independent = len(per_cluster) == len(cases.clips)
    table = tables.sum(axis=0)

    def figure(statistic: Callable[[Floats], Floats], n: float) -> Estimate:
        return cluster_bootstrap(per_cluster, statistic, int(n), resamples=settings.resamples, seed=settings.seed)

    def proportion(statistic: Callable[[Floats], Floats], hits: float, n: float) -> Estimate:
        return wilson(int(hits), int(n)) if independent else figure(statistic, n)

    found, events = table[0, 0], table[0].sum()
    return EventScores(
        accuracy=proportion(classification.accuracy, np.trace(table), table.sum()),
        precision=proportion(lambda totals: classification.precision(totals)[..., 0], found, table[:, 0].sum()),
        recall=proportion(lambda totals: classification.recall(totals)[..., 0], found, events),
        f1=figure(lambda totals: classification.f1(totals)[..., 0], events),
        false_positive_rate=proportion(classification.false_positive_rate, table[1, 0], table[1].sum()),
    )
