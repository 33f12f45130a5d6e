"""How far a model's estimates hang on the wording of the prompt."""

from collections.abc import Sequence

import numpy as np

from vlm_autodrive.evaluation.score.records import PromptScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.metrics import Bootstrap, classification
from vlm_autodrive.models import MAIN


def prompt_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> dict[str, PromptScores]:
    """The estimates under each prompt, ``main`` first; empty where only one was asked."""
    predictions = samples.predictions[model]
    others = list(dict.fromkeys(name for prediction in predictions for name in prediction.prompt_variants))
    if not others:
        return {}
    answers: dict[str, list[str | None]] = {MAIN: samples.answers(model)}
    for name in others:
        said = [prediction.prompt_variants.get(name) for prediction in predictions]
        answers[name] = [None if verdict is None else verdict.event_class for verdict in said]
    return {name: _scores(samples, given, bootstrap) for name, given in answers.items()}


def _scores(samples: EvaluationSamples, answers: Sequence[str | None], bootstrap: Bootstrap) -> PromptScores:
    tables = classification.one_hot_confusion(samples.truths, answers, samples.taxonomy.names)
    right = np.array([answer == truth for answer, truth in zip(answers, samples.truths, strict=True)])
    return PromptScores(
        accuracy=bootstrap.proportion(right),
        macro_f1=bootstrap.estimate(tables, classification.macro_f1),
        first_class_f1=bootstrap.estimate(
            tables, lambda totals: classification.f1(totals)[..., 0], samples.truths.count(samples.taxonomy.names[0])
        ),
        unparseable=bootstrap.proportion(np.array([answer is None for answer in answers])),
    )
