"""Diagnostics: problems of the run, the clips or the model that make a comparison invalid or doubtful."""

from collections.abc import Mapping

from vlm_autodrive.evaluation.diagnostics.answers import diagnose_answers
from vlm_autodrive.evaluation.diagnostics.clips import diagnose_clips
from vlm_autodrive.evaluation.diagnostics.forced_choice import diagnose_forced_choice
from vlm_autodrive.evaluation.diagnostics.names import diagnose_names
from vlm_autodrive.evaluation.diagnostics.times import diagnose_times
from vlm_autodrive.evaluation.diagnostics.video import diagnose_video
from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples, ModelScores

_WORST_FIRST = (
    "ignores_video",
    "follows_file_name",
    "leaky_split",
    "endpoint_died",
    "duplicated_ids",
    "failed_answers",
    "forced_choice_is_noise",
    "failed_controls",
    "bounded_probabilities",
    "unparseable_answers",
    "truncated_answers",
    "times_outside_clip",
    "always_alarms",
    "always_same_class",
    "names_tell_class",
    "duplicated_clips",
    "training_unknown",
    "part_without_video",
    "ignores_order",
)
"""Every kind of diagnostic; among those of one severity, in the order in which a reader needs them."""


def diagnose(samples: EvaluationSamples, models: Mapping[str, ModelScores]) -> tuple[Diagnostic, ...]:
    """Every fault found, the worst first.

    Args:
        samples: The clips and all answers.
        models: The estimates of each model.
    """
    found = [*diagnose_clips(samples), *diagnose_names(samples)]
    for model, scores in models.items():
        found += diagnose_forced_choice(model, scores)
        found += [*diagnose_answers(samples, model), *diagnose_times(samples, model), *diagnose_video(samples, model)]
    return tuple(sorted(found, key=lambda f: (f.severity != "invalid", _WORST_FIRST.index(f.kind))))
