"""The binary task, event or not: the estimates where only that counts."""

import numpy as np

from vlm_autodrive.evaluation.score.records import EventScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.metrics import Bootstrap, classification

_NAMES = _EVENT, _NONE = "event", "none"


def event_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> EventScores:
    """The estimates of two classes, an event of whatever kind or none.

    A clip without an answer counts against accuracy and recall. It is no false positive: nothing was said to be there.
    """
    kinds = dict.fromkeys(samples.taxonomy.event_names, _EVENT) | {samples.taxonomy.normal.name: _NONE}
    answers = [None if answer is None else kinds[answer] for answer in samples.answers(model)]
    truths = [kinds[truth] for truth in samples.truths]
    is_event, said_event = np.array([t == _EVENT for t in truths]), np.array([a == _EVENT for a in answers])
    right = np.array([answer == truth for answer, truth in zip(answers, truths, strict=True)])
    tables = classification.one_hot_confusion(truths, answers, _NAMES)
    return EventScores(
        accuracy=bootstrap.proportion(right),
        precision=bootstrap.proportion(is_event, among=said_event),
        recall=bootstrap.proportion(said_event, among=is_event),
        f1=bootstrap.estimate(tables, lambda totals: classification.f1(totals)[..., 0], is_event.sum()),
        false_positive_rate=bootstrap.proportion(said_event, among=~is_event),
    )
