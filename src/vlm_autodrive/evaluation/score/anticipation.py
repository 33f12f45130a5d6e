"""Seeing events come, from clips that end before them.

The clips stage cuts such windows with ``anticipation_s``, and marks each with the time ahead that it belongs to; a
window without event ends where one before an event would, and belongs to a time ahead too, as in Nexar's challenge.
"""

import numpy as np

from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.score.probabilities import probabilities_of
from vlm_autodrive.evaluation.score.samples import EvaluationSamples, clusters_of
from vlm_autodrive.metrics import AnticipationScores, Bootstrap, anticipation
from vlm_autodrive.records import ANTICIPATION, Clip, Prediction

_TOLERANCE_S = 1e-6
_WORST_OF_EVENT, _WORST_OF_NONE = -1.0, 2.0


def anticipation_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> AnticipationScores | None:
    """Average precision by seconds before the event; None if the model saw no causal windows.

    They are the windows given beside the clips, or else those of the clips that are causal themselves. One without
    probabilities ranks where it does the most harm, so no failure can help: below all others if it leads up to an
    event, above them if not. A model that has no probabilities at all is not ranked.

    Raises:
        UserError: If a model saw a frame later than it may, or its probabilities are of several kinds or are none.
    """
    asked = samples.anticipation.get(model) or tuple(zip(samples.clips, samples.predictions[model], strict=True))
    marked = [(clip, said) for clip, said in asked if ANTICIPATION in clip.metadata and not clip.problem]
    probabilities, given = probabilities_of([said for _, said in marked], samples.taxonomy, model)
    if not given.any():
        return None
    for clip, said in marked:
        _refuse_later_frames(clip, said, model)
    positives = [clip.event_class in samples.taxonomy.event_names for clip, _ in marked]
    worst = np.where(positives, _WORST_OF_EVENT, _WORST_OF_NONE)
    scores = np.where(given, probabilities[:, :-1].sum(axis=1), worst)
    return anticipation(
        scores.tolist(),
        positives,
        [_lead_s(clip) for clip, _ in marked],
        Bootstrap(clusters_of([clip for clip, _ in marked]), bootstrap.resamples, bootstrap.seed),
        left_out=len(asked) - len(marked),
    )


def _lead_s(clip: Clip) -> float:
    return float(clip.metadata[ANTICIPATION])


def _refuse_later_frames(clip: Clip, prediction: Prediction, model: str) -> None:
    """Make sure that neither the window nor any frame seen lies nearer to the event than the time ahead."""
    if clip.event_time_s is None:
        return
    lead_s = _lead_s(clip)
    last_s = max((clip.duration_s, *prediction.frame_times_s))
    if last_s > clip.event_time_s - lead_s + _TOLERANCE_S:
        raise UserError(
            f"{clip.clip_id} is to end {lead_s:g} s before its event, but {model} was shown it up to "
            f"{clip.event_time_s - last_s:.3f} s before; make the clips anew with anticipation_s and evaluate again."
        )
