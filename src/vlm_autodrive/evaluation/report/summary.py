"""One line on how an evaluation went, for whoever started it."""

from collections import Counter
from collections.abc import Sequence

from vlm_autodrive.records import Outcome, Prediction


def summary(predictions: Sequence[Prediction]) -> str:
    """How many clips there are, how their verdicts and traces ended, and what share cannot be read."""
    parts = [
        f"{len(predictions)} clip{'s' * (len(predictions) != 1)}",
        "verdicts " + _outcomes([p.verdict.outcome for p in predictions]),
    ]
    traced = [p.reasoning.outcome for p in predictions if p.reasoning is not None]
    if traced:
        parts.append("traces " + _outcomes(traced))
    return "; ".join(parts) + "."


def _outcomes(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcomes)
    told = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    return f"{told} ({counts[Outcome.UNPARSEABLE] / len(outcomes):.1%} unparseable)"
