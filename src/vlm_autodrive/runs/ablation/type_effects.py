"""What each supervision type brings: cells that differ in one type and nothing else, paired by clip and seed."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Literal

from vlm_autodrive.evaluation import CompareSettings
from vlm_autodrive.records import Record
from vlm_autodrive.runs.ablation.cells import TYPES_KEY
from vlm_autodrive.runs.ablation.row_metrics import Gain, RowMetric, gain
from vlm_autodrive.runs.ablation.scores import AblationRow


class TypeEffect(Record):
    """What one supervision type brings to one metric.

    Attributes:
        type: The type.
        metric: The metric, by its name in the scores of a row.
        without: The row that is trained without it.
        beside: The row that is trained with it, and otherwise alike.
        gain: The metric with it minus without.
        conclusion: ``helps`` or ``harms`` if the 95 % interval leaves 0 out; ``not shown to help`` if it holds 0, or
            there is none.
    """

    type: str
    metric: str
    without: str
    beside: str
    gain: Gain
    conclusion: Literal["helps", "harms", "not shown to help"]


def type_effects(
    rows: Sequence[AblationRow],
    metrics: Mapping[str, Mapping[str, RowMetric]],
    wanted: Sequence[str],
    settings: CompareSettings,
) -> tuple[TypeEffect, ...]:
    """The effect of every type that some cell is trained with and another one, otherwise alike, without.

    Args:
        rows: The rows of the table.
        metrics: The metrics of each row that has predictions, by its name.
        wanted: Names of the metrics, those that rows do not have left out.
        settings: The bootstrap.
    """
    cells = [row for row in rows if row.role == "cell" and row.name in metrics]
    found = []
    for without, beside in permutations(cells, 2):
        more = set(beside.types) - set(without.types)
        if len(more) != 1 or not set(without.types) < set(beside.types) or _others(without) != _others(beside):
            continue
        for name in wanted:
            before, after = metrics[without.name].get(name), metrics[beside.name].get(name)
            effect = None if before is None or after is None else gain(before, after, settings)
            if effect is not None:
                found.append(
                    TypeEffect(
                        type=next(iter(more)),
                        metric=name,
                        without=without.name,
                        beside=beside.name,
                        gain=effect,
                        conclusion=_conclusion(effect),
                    )
                )
    return tuple(found)


def _others(row: AblationRow) -> dict[str, str]:
    return {key: value for key, value in row.values.items() if key != TYPES_KEY}


def _conclusion(effect: Gain) -> Literal["helps", "harms", "not shown to help"]:
    low, high = effect.difference.low, effect.difference.high
    if low is not None and low > 0:
        return "helps"
    return "harms" if high is not None and high < 0 else "not shown to help"
