"""The figures that rest on probabilities: curves, areas, calibration."""

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics.calibration import CalibrationScores
from vlm_autodrive.metrics.curves import RankingScores

ANY_EVENT = "any_event"


def ranking_scores(cases: Cases, model: str, settings: CompareSettings) -> dict[str, RankingScores]:
    """How well probabilities rank, for each class and any event; empty without probabilities."""
    return {}


def calibration_scores(cases: Cases, model: str, settings: CompareSettings) -> CalibrationScores | None:
    """Calibration, before and after a temperature fitted on the model's validation clips; None without probabilities."""
    return None
