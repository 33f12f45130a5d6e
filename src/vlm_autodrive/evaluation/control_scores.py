"""What is left of a score on footage that was tampered with, and whether the answer comes from the event."""

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.comparison import ControlScores, FaithfulnessScores
from vlm_autodrive.evaluation.settings import CompareSettings


def control_scores(cases: Cases, model: str, settings: CompareSettings) -> dict[str, ControlScores]:
    """The figures on each control; empty if none were asked for."""
    return {}


def faithfulness_scores(cases: Cases, model: str, settings: CompareSettings) -> FaithfulnessScores | None:
    """How the probability falls where the frames of the event are hidden; None if it was not asked for."""
    return None
