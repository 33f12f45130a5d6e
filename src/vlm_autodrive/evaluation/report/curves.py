"""Curves over probabilities: precision-recall, ROC, reliability and risk-coverage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from vlm_autodrive.evaluation.report.charts import WIDTH, line, marker, svg, text
from vlm_autodrive.evaluation.report.formats import figure, short, with_interval
from vlm_autodrive.evaluation.score import ANY_EVENT, Comparison
from vlm_autodrive.metrics import RankingScores, ReliabilityBin
from vlm_autodrive.records import Taxonomy

_LEFT, _RIGHT, _TOP, _PLOT_H, _BELOW, _LEGEND = 52, 14, 8, 210, 42, 20
_PLOT_W = WIDTH - _LEFT - _RIGHT
_MARKERS = 6


@dataclass(frozen=True)
class Axes:
    """Two axes from 0.

    Attributes:
        x: What the level one shows; it ends at 1.
        y: What the upright one shows.
        top: Where it ends.
        reference: Both ends of a dotted line to hold the curves against; None for no such line.
        reference_label: What that line stands for.
    """

    x: str
    y: str
    top: float = 1.0
    reference: tuple[float, float] | None = None
    reference_label: str = ""


@dataclass(frozen=True)
class Line:
    """A curve: its name in the legend, its style, and its points in order."""

    label: str
    style: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Points:
    """Bins of a reliability plot: their name in the legend, their style, and the bins."""

    label: str
    style: str
    bins: tuple[ReliabilityBin, ...]


def curves_svg(title: str, axes: Axes, lines: Sequence[Line]) -> Markup:
    """Curves, each with dashes and markers of its own, over a legend.

    Args:
        title: What is drawn, for those who cannot see it.
        axes: The axes.
        lines: The curves; the last lies on top.
    """
    parts = _frame(axes)
    for drawn in lines:
        places = [_place(axes, x, y) for x, y in zip(drawn.x, drawn.y, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            Markup('<polyline class="curve {}" points="{}" fill="none" stroke="gray"/>').format(drawn.style, path)
        )
        parts += [marker(drawn.style, x, y) for x, y in _spread(places)]
    return _finish(title, axes, parts, [(drawn.style, drawn.label) for drawn in lines])


def reliability_svg(title: str, points: Sequence[Points]) -> Markup:
    """How often answers of like confidence are right, with Wilson's interval.

    Args:
        title: What is drawn, for those who cannot see it.
        points: The bins, drawn in turn.
    """
    axes = Axes("Confidence", "Accuracy", reference=(0.0, 1.0), reference_label="perfect calibration")
    parts = _frame(axes)
    for drawn in points:
        for one in drawn.bins:
            if one.accuracy.value is None or one.accuracy.low is None or one.accuracy.high is None:
                continue
            x, y = _place(axes, one.confidence, one.accuracy.value)
            parts.append(
                line(
                    f"spread {drawn.style}",
                    x,
                    _place(axes, 0, one.accuracy.low)[1],
                    x,
                    _place(axes, 0, one.accuracy.high)[1],
                )
            )
            parts.append(marker(drawn.style, x, y))
    return _finish(title, axes, parts, [(drawn.style, drawn.label) for drawn in points])


def _frame(axes: Axes) -> list[Markup]:
    left, bottom = _LEFT, _TOP + _PLOT_H
    parts = []
    for step in range(5):
        x, y = _place(axes, step / 4, axes.top * step / 4)
        parts += [line("grid", x, _TOP, x, bottom), line("grid", left, y, left + _PLOT_W, y)]
        parts.append(text(x, bottom + 16, f"{step / 4:g}", "axis faint", "middle"))
        parts.append(text(left - 6, y + 4, f"{axes.top * step / 4:.3g}", "axis faint", "end"))
    parts.append(text(left + _PLOT_W / 2, bottom + 34, axes.x, "axis", "middle"))
    middle = _TOP + _PLOT_H / 2
    parts.append(
        Markup('<text class="axis" transform="translate(12 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            middle, axes.y
        )
    )
    if axes.reference is not None:
        parts.append(line("reference", *_place(axes, 0, axes.reference[0]), *_place(axes, 1, axes.reference[1])))
    return parts


def _finish(title: str, axes: Axes, parts: list[Markup], legend: Sequence[tuple[str, str]]) -> Markup:
    y = _TOP + _PLOT_H + _BELOW + 10
    for style, label in legend:
        parts += [line(f"curve {style}", 0, y, 32, y), marker(style, 16, y), text(40, y + 4, label)]
        y += _LEGEND
    if axes.reference is not None:
        parts += [line("reference", 0, y, 32, y), text(40, y + 4, axes.reference_label, "axis faint")]
        y += _LEGEND
    return svg(y - 8, title, parts)


def _place(axes: Axes, x: float, y: float) -> tuple[float, float]:
    right = min(max(x, 0.0), 1.0)
    up = min(max(y / axes.top, 0.0), 1.0)
    return _LEFT + _PLOT_W * right, _TOP + _PLOT_H * (1 - up)


def _spread(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A few of a curve's points, evenly along its drawn length."""
    lengths = [0.0]
    for (x1, y1), (x2, y2) in pairwise(places):
        lengths.append(lengths[-1] + abs(x2 - x1) + abs(y2 - y1))
    wanted = [lengths[-1] * (step + 0.5) / _MARKERS for step in range(_MARKERS)]
    nearest = {min(range(len(places)), key=lambda i: abs(lengths[i] - goal)) for goal in wanted} if places else set()
    return [places[index] for index in sorted(nearest)]


_NAME = 18


def ranking_charts(comparison: Comparison, taxonomy: Taxonomy, styles: Mapping[str, str]) -> list[tuple[str, Markup]]:
    """Precision-recall and ROC curves for the first class and for any event.

    Args:
        comparison: What the models scored.
        taxonomy: The classes.
        styles: The style of each model.
    """
    keys = [(taxonomy.classes[0].name, taxonomy.classes[0].label)]
    if len(taxonomy.event_names) > 1:
        keys.append((ANY_EVENT, "Any event"))
    charts = []
    for key, label in keys:
        ranked = {name: model.ranking[key] for name, model in comparison.models.items() if key in model.ranking}
        if not ranked:
            continue
        chance = max(scores.positives for scores in ranked.values()) / comparison.n
        charts.append(_precision_recall(label, ranked, styles, chance))
        charts.append(_roc(label, ranked, styles))
    return charts


def calibration_charts(
    comparison: Comparison, styles: Mapping[str, str], main: Sequence[str]
) -> list[tuple[str, Markup]]:
    """A reliability plot of each main model, and everyone's risk-coverage curve.

    Args:
        comparison: What the models scored.
        styles: The style of each model.
        main: The models called before and after.
    """
    charts = []
    for name in main:
        scores = comparison.models[name].calibration
        if scores is None:
            continue
        points = [
            Points(
                f"uncalibrated: ECE {with_interval(scores.uncalibrated.ece)}", styles[name], scores.uncalibrated.bins
            )
        ]
        if scores.temperature_scaled is not None:
            label = f"temperature {scores.temperature:.2g}: ECE {with_interval(scores.temperature_scaled.ece)}"
            points.append(Points(label, "third", scores.temperature_scaled.bins))
        title = f"Reliability: {short(name, _NAME)}"
        charts.append((title, reliability_svg(title, points)))
    risks = {name: model.calibration for name, model in comparison.models.items() if model.calibration is not None}
    if risks:
        top = max((y for scores in risks.values() for y in scores.risk_coverage.y), default=1.0)
        axes = Axes("Coverage (most confident first)", "Risk (error rate)", top=_ceiling(top))
        lines = [
            Line(
                f"{short(name, _NAME)}: area {figure(scores.aurc)}",
                styles[name],
                scores.risk_coverage.x,
                scores.risk_coverage.y,
            )
            for name, scores in risks.items()
        ]
        charts.append(("Risk-coverage", curves_svg("Risk-coverage", axes, lines)))
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
        title, Axes("Recall", "Precision", reference=(chance, chance), reference_label="chance level"), lines
    )


def _roc(label: str, ranked: Mapping[str, RankingScores], styles: Mapping[str, str]) -> tuple[str, Markup]:
    lines = [
        Line(f"{short(name, _NAME)}: AUROC {with_interval(scores.auroc)}", styles[name], scores.roc.x, scores.roc.y)
        for name, scores in ranked.items()
    ]
    title = f"{label}: ROC"
    axes = Axes("False positive rate", "True positive rate", reference=(0.0, 1.0), reference_label="chance level")
    return title, curves_svg(title, axes, lines)


def _ceiling(top: float) -> float:
    """The next of a few round numbers, for the end of an axis."""
    return next((end for end in (0.1, 0.2, 0.4, 0.6, 0.8) if top <= end), 1.0)
