"""What a reader has to know before the figures: faults of the run, the clips or the model, named for what they are."""

from collections.abc import Mapping

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.comparison import Finding, ModelScores


def find_faults(cases: Cases, models: Mapping[str, ModelScores]) -> tuple[Finding, ...]:
    """Every fault found, the worst first."""
    return ()
