"""Seeing events come, from clips that end before them."""

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics.anticipation import AnticipationScores


def anticipation_scores(cases: Cases, model: str, settings: CompareSettings) -> AnticipationScores | None:
    """Average precision by seconds before the event; None unless the clips are causal windows."""
    return None
