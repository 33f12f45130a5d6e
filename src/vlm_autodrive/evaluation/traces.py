"""What the reasoning traces are worth."""

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.comparison import TraceScores
from vlm_autodrive.evaluation.settings import CompareSettings


def trace_scores(cases: Cases, model: str, settings: CompareSettings) -> TraceScores | None:
    """Figures of the traces; None if none were asked for."""
    return None
