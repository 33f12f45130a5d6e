"""What a judge wrote down about a model's traces."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_autodrive.evaluation.comparison import JudgeScores
from vlm_autodrive.evaluation.settings import CompareSettings

if TYPE_CHECKING:
    from vlm_autodrive.evaluation.cases import Cases


@dataclass(frozen=True)
class Judgements:
    """What a judge, and perhaps people, think of one model's traces.

    Attributes:
        judge: The model that judges.
        grades: Its grade of each trace, 1 to 5, by clip id; a trace that it gave no readable grade is missing.
        people: People's mean grade, by clip id; empty if none graded.
    """

    judge: str
    grades: Mapping[str, int]
    people: Mapping[str, float]


def read_judgements(folder: Path) -> Judgements:
    """Read what `judge` made.

    Raises:
        UserError: If ``folder`` does not hold it.
    """
    raise NotImplementedError


def judge_scores(cases: "Cases", model: str, settings: CompareSettings) -> JudgeScores | None:
    """The judge's grades of a model's traces; None if no judge was asked."""
    return None
