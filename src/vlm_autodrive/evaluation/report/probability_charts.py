"""The drawings that rest on probabilities: precision-recall, ROC, reliability, risk-coverage."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from vlm_autodrive.evaluation.report.charts.curves import Axes, Line, Points, curves_svg, reliability_svg
from vlm_autodrive.evaluation.report.formats import figure, short, with_interval
from vlm_autodrive.evaluation.score.probabilities import ANY_EVENT
from vlm_autodrive.evaluation.score.records import Comparison
from vlm_autodrive.metrics import RankingScores
from vlm_autodrive.records import Taxonomy

_NAME = 18


def ranking_charts(figures: Comparison, taxonomy: Taxonomy, styles: Mapping[str, str]) -> list[tuple[str, Markup]]:
    """Precision-recall and ROC curves for the first class and for any event.

    Args:
        figures: All figures.
        taxonomy: The classes.
        styles: The style of each model.
    """
    keys = [(taxonomy.classes[0].name, taxonomy.classes[0].label)]
    if len(taxonomy.event_names) > 1:
        keys.append((ANY_EVENT, "Any event"))
    charts = []
    for key, label in keys:
        ranked = {name: model.ranking[key] for name, model in figures.models.items() if key in model.ranking}
        if not ranked:
            continue
        chance = max(scores.positives for scores in ranked.values()) / figures.n
        charts.append(_precision_recall(label, ranked, styles, chance))
        charts.append(_roc(label, ranked, styles))
    return charts


def calibration_charts(figures: Comparison, styles: Mapping[str, str], main: Sequence[str]) -> list[tuple[str, Markup]]:
    """A reliability plot of each main model, and everyone's risk-coverage curve.

    Args:
        figures: All figures.
        styles: The style of each model.
        main: The models called before and after.
    """
    charts = []
    for name in main:
        scores = figures.models[name].calibration
        if scores is None:
            continue
        points = [Points(f"as it is: ECE {with_interval(scores.plain.ece)}", styles[name], scores.plain.bins)]
        if scores.scaled is not None:
            label = f"temperature {scores.temperature:.2g}: ECE {with_interval(scores.scaled.ece)}"
            points.append(Points(label, "third", scores.scaled.bins))
        title = f"Reliability: {short(name, _NAME)}"
        charts.append((title, reliability_svg(title, points)))
    risks = {name: model.calibration for name, model in figures.models.items() if model.calibration is not None}
    if risks:
        top = max((y for scores in risks.values() for y in scores.risk_coverage.y), default=1.0)
        axes = Axes("Share of clips answered, the surest first", "Share of them wrong", top=_ceiling(top))
        lines = [
            Line(
                f"{short(name, _NAME)}: area {figure(scores.aurc)}",
                styles[name],
                scores.risk_coverage.x,
                scores.risk_coverage.y,
            )
            for name, scores in risks.items()
        ]
        charts.append(("Wrong answers, if the unsure are left to people", curves_svg("Risk-coverage", axes, lines)))
    return charts


def _precision_recall(
    label: str, ranked: Mapping[str, RankingScores], styles: Mapping[str, str], chance: float
) -> tuple[str, Markup]:
    lines = [
        Line(
            f"{short(name, _NAME)}: AP {with_interval(scores.average_precision)}",
            styles[name],
            scores.precision_recall.x,
            scores.precision_recall.y,
        )
        for name, scores in ranked.items()
    ]
    title = f"{label}: precision over recall"
    return title, curves_svg(
        title, Axes("Recall", "Precision", reference=(chance, chance), reference_label="chance"), lines
    )


def _roc(label: str, ranked: Mapping[str, RankingScores], styles: Mapping[str, str]) -> tuple[str, Markup]:
    lines = [
        Line(f"{short(name, _NAME)}: AUROC {with_interval(scores.auroc)}", styles[name], scores.roc.x, scores.roc.y)
        for name, scores in ranked.items()
    ]
    title = f"{label}: ROC"
    axes = Axes("False positive rate", "True positive rate", reference=(0.0, 1.0), reference_label="chance")
    return title, curves_svg(title, axes, lines)


def _ceiling(top: float) -> float:
    """The next of a few round numbers, for the end of an axis."""
    return next((end for end in (0.1, 0.2, 0.4, 0.6, 0.8) if top <= end), 1.0)
