"""Event or not: the figures where only that counts."""

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.comparison import EventScores
from vlm_autodrive.evaluation.settings import CompareSettings


def event_scores(cases: Cases, model: str, settings: CompareSettings) -> EventScores | None:
    """The figures of two classes, an event of whatever kind or none."""
    return None
