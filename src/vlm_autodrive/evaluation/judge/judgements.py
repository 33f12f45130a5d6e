"""What a judge wrote down about a model's traces, and what that says of them.

A judge grades how well a trace explains its clip. It is never asked for the class, and none of its grades enters any
other figure.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlm_autodrive.artifacts import input_key, read_human_ratings, read_judgement_records, read_provenance
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.score.records import JudgeScores
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import krippendorff_alpha_estimate, mean

if TYPE_CHECKING:
    from vlm_autodrive.evaluation.score.samples import EvaluationSamples

GRADES = (1, 2, 3, 4, 5)


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


def read_judgements(folder: Path, predictions: Path) -> Judgements:
    """Read what `judge` made of these predictions.

    Raises:
        UserError: If ``folder`` does not hold it, or the grades are of other traces.
    """
    input_key(folder, "judgements")
    if read_provenance(folder).inputs["predictions"].key != input_key(predictions):
        raise UserError(
            f"{folder} grades other traces than those of {predictions}, which are newer or another model's; judge "
            "these. Answers that were paid for are kept."
        )
    records = read_judgement_records(folder)
    by_clip: dict[str, list[int]] = defaultdict(list)
    for one in read_human_ratings(folder):
        by_clip[one.clip_id].append(one.grade)
    return Judgements(
        judge=records[0].judge,
        grades={record.clip_id: record.grade for record in records if record.grade is not None},
        people={clip_id: sum(grades) / len(grades) for clip_id, grades in by_clip.items()},
    )


def judge_scores(cases: "EvaluationSamples", model: str, settings: CompareSettings) -> JudgeScores | None:
    """The grades of a model's traces on the labelled clips; None if no judge was asked."""
    found = cases.judgements.get(model)
    if found is None:
        return None
    judged = [
        (clip.clip_id, n) for clip, n in zip(cases.clips, cases.clusters, strict=True) if clip.clip_id in found.grades
    ]
    grades = [found.grades[clip_id] for clip_id, _ in judged]
    both = [(clip_id, n) for clip_id, n in judged if clip_id in found.people]
    units = [(float(found.grades[clip_id]), found.people[clip_id]) for clip_id, _ in both]
    counts = Counter(grades)
    resamples, seed = settings.resamples, settings.seed
    return JudgeScores(
        judge=found.judge,
        judged=len(judged),
        mean=mean(np.array(grades, dtype=np.float64), [n for _, n in judged], resamples, seed),
        grades={str(grade): counts[grade] for grade in GRADES},
        people=len(both),
        agreement=krippendorff_alpha_estimate(units, [n for _, n in both], resamples, seed) if found.people else None,
    )
