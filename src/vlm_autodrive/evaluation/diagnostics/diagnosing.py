"""What a reader has to know before the figures: faults of the run, the clips or the model, named for what they are."""

from collections.abc import Mapping

from vlm_autodrive.evaluation.diagnostics.answers import answer_faults
from vlm_autodrive.evaluation.diagnostics.clips import clip_faults
from vlm_autodrive.evaluation.diagnostics.names import name_faults
from vlm_autodrive.evaluation.diagnostics.video import video_faults
from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples, ModelScores

_WORST_FIRST = (
    "ignores_video",
    "follows_file_name",
    "leaky_split",
    "endpoint_died",
    "duplicated_ids",
    "failed_answers",
    "failed_controls",
    "unparseable_answers",
    "truncated_answers",
    "always_alarms",
    "always_same_class",
    "names_tell_class",
    "duplicated_clips",
    "training_unknown",
    "part_without_video",
    "ignores_order",
)
"""Every kind of finding; among those of one severity, in the order in which a reader needs them."""


def diagnose(cases: EvaluationSamples, models: Mapping[str, ModelScores]) -> tuple[Diagnostic, ...]:
    """Every fault found, the worst first.

    Args:
        cases: The clips and all answers.
        models: The figures of each model.
    """
    found = [*clip_faults(cases), *name_faults(cases)]
    for model in models:
        found += [*answer_faults(cases, model), *video_faults(cases, model)]
    return tuple(sorted(found, key=lambda f: (f.severity != "invalid", _WORST_FIRST.index(f.kind))))
