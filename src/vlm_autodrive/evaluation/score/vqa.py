"""Accuracy on held-out multiple-choice questions, overall and by topic."""

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score.records import TopicScores, VqaScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import Bootstrap, Estimate, Ratio


def vqa_scores(samples: EvaluationSamples, model: str, settings: CompareSettings) -> VqaScores | None:
    """A model's accuracy on the held-out questions; None if it was asked none."""
    right = samples.right_on_questions(model)
    if right is None:
        return None
    bootstrap = _bootstrap(samples, settings)
    chances = np.array([1 / len(question.options) for question in samples.questions])
    return VqaScores(
        accuracy=bootstrap.proportion(right),
        chance=float(chances.mean()),
        topics={
            topic: TopicScores(
                accuracy=bootstrap.select(places).proportion(right[places]), chance=float(chances[places].mean())
            )
            for topic, places in _by_topic(samples).items()
        },
    )


def vqa_differences(
    samples: EvaluationSamples, first: str, second: str, settings: CompareSettings
) -> dict[str, Estimate]:
    """The second model's accuracy minus the first's, by topic, and over all questions under an empty name.

    There are none if one of the two was asked no questions.
    """
    before, after = samples.right_on_questions(first), samples.right_on_questions(second)
    if before is None or after is None:
        return {}
    bootstrap = _bootstrap(samples, settings)
    chosen = {"": np.arange(len(before))} | _by_topic(samples)
    return {
        topic: bootstrap.select(places).difference(_counts(before[places]), _counts(after[places]), Ratio(0, 1))
        for topic, places in chosen.items()
    }


def _bootstrap(samples: EvaluationSamples, settings: CompareSettings) -> Bootstrap:
    return Bootstrap(samples.question_clusters, settings.resamples, settings.seed)


def _by_topic(samples: EvaluationSamples) -> dict[str, NDArray[np.intp]]:
    """The places of each topic's questions, topics in the order of their names."""
    topics = np.array([question.topic for question in samples.questions])
    return {str(topic): np.flatnonzero(topics == topic) for topic in np.unique(topics)}


def _counts(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.column_stack([right, np.ones(len(right))])
