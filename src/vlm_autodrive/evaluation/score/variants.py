"""Metrics under prompt variants and on controls: prompt sensitivity, and dependence on the video."""

from collections.abc import Sequence

import numpy as np

from vlm_autodrive.evaluation.score.probabilities import probabilities_of
from vlm_autodrive.evaluation.score.records import ControlScores, FaithfulnessScores, PromptScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.settings import OF_EVERY_CLIP, Control
from vlm_autodrive.metrics import Bootstrap, Estimate, classification
from vlm_autodrive.records import Verdict


def prompt_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> dict[str, PromptScores]:
    """The estimates under each prompt, first that of the direct verdict; empty where only one was asked."""
    predictions = samples.predictions[model]
    others = list(dict.fromkeys(name for prediction in predictions for name in prediction.prompt_variants))
    if not others:
        return {}
    said: dict[str, list[Verdict | None]] = {samples.prompt_of(model): [p.verdict for p in predictions]}
    said |= {name: [prediction.prompt_variants.get(name) for prediction in predictions] for name in others}
    return {name: _prompt_scores(samples, verdicts, bootstrap) for name, verdicts in said.items()}


def code_mass_score(verdicts: Sequence[Verdict | None], bootstrap: Bootstrap) -> Estimate | None:
    """Mean probability of all codes together, over the verdicts of which it is known; None where it is of none."""
    masses = [None if verdict is None else verdict.code_mass for verdict in verdicts]
    known = np.array([mass is not None for mass in masses])
    if not known.any():
        return None
    return bootstrap.select(known).mean(np.array([mass for mass in masses if mass is not None]))


def _prompt_scores(
    samples: EvaluationSamples, verdicts: Sequence[Verdict | None], bootstrap: Bootstrap
) -> PromptScores:
    answers = [None if verdict is None else verdict.event_class for verdict in verdicts]
    tables = classification.one_hot_confusion(samples.truths, answers, samples.taxonomy.names)
    right = np.array([answer == truth for answer, truth in zip(answers, samples.truths, strict=True)])
    return PromptScores(
        accuracy=bootstrap.proportion(right),
        macro_f1=bootstrap.estimate(tables, classification.macro_f1),
        most_severe_f1=bootstrap.estimate(
            tables, lambda totals: classification.f1(totals)[..., 0], samples.truths.count(samples.taxonomy.names[0])
        ),
        unparseable=bootstrap.proportion(np.array([answer is None for answer in answers])),
        code_mass=code_mass_score(verdicts, bootstrap),
    )


def control_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> dict[str, ControlScores]:
    """The estimates on each control that every clip can be given; empty if none were asked for."""
    asked = [c for c in OF_EVERY_CLIP if any(c in prediction.controls for prediction in samples.predictions[model])]
    return {control: _control_scores(samples, model, control, bootstrap) for control in asked}


def faithfulness_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> FaithfulnessScores | None:
    """How the probability falls where the frames of the event are hidden; None if it was not asked for.

    The clips are those of the first class that were given both controls, so that the two falls are those of the
    same clips and their difference is paired.
    """
    predictions = samples.predictions[model]
    if not any("event_hidden" in p.controls and "elsewhere_hidden" in p.controls for p in predictions):
        return None
    said = [probabilities_of(predictions, samples.taxonomy, model, c) for c in ("", "event_hidden", "elsewhere_hidden")]
    asked = np.array(samples.truths) == samples.taxonomy.names[0]
    for _, given in said:
        asked &= given
    before, at_event, elsewhere = (probabilities[asked, 0] for probabilities, _ in said)
    chosen = bootstrap.select(asked)
    return FaithfulnessScores(
        clips=len(before),
        before=chosen.mean(before),
        drop_at_event=chosen.mean(before - at_event),
        drop_elsewhere=chosen.mean(before - elsewhere),
        difference=chosen.mean(elsewhere - at_event),
    )


def _control_scores(samples: EvaluationSamples, model: str, control: Control, bootstrap: Bootstrap) -> ControlScores:
    truths, answers = samples.truths, samples.answers(model)
    said = [prediction.controls.get(control) for prediction in samples.predictions[model]]
    left = [None if verdict is None else verdict.event_class for verdict in said]
    true_footage, tampered = (
        classification.one_hot_confusion(truths, given, samples.taxonomy.names) for given in (answers, left)
    )
    right = np.array([answer == truth for answer, truth in zip(left, truths, strict=True)])
    same = np.array([a is not None and a == b for a, b in zip(answers, left, strict=True)])
    return ControlScores(
        accuracy=bootstrap.proportion(right),
        macro_f1=bootstrap.estimate(tampered, classification.macro_f1),
        macro_f1_drop=bootstrap.difference(tampered, true_footage, classification.macro_f1),
        same_answer=bootstrap.proportion(same),
    )
