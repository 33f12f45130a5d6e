"""Small drawings as inline SVG, in the page's own colours so that they follow light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from vlm_autodrive.metrics.intervals import Figure

_CELL_W, _CELL_H = 88, 46
_ROW_H = 24
_LABEL_W, _AXIS_W, _VALUE_W = 124, 260, 132


@dataclass(frozen=True)
class Bar:
    """One row of an interval chart: what it is, its figure, and the CSS class that colours it."""

    label: str
    figure: Figure
    style: str


def confusion_svg(labels: Sequence[str], table: Sequence[Sequence[int]]) -> Markup:
    """A confusion table: truth down, answer across, each cell shaded by its share of the row.

    Args:
        labels: Labels of the classes.
        table: One row for each true class, with a last column for records without an answer.
    """
    columns = [*labels, "No answer"]
    left, top = 108, 40
    width, height = left + _CELL_W * len(columns) + 4, top + _CELL_H * len(labels) + 4
    parts = []
    for j, label in enumerate(columns):
        x = left + _CELL_W * j + _CELL_W / 2
        parts.append(Markup('<text class="axis" x="{}" y="28" text-anchor="middle">{}</text>').format(x, label))
    parts.append(Markup('<text class="axis faint" x="{}" y="11">Answered</text>').format(left))
    parts.append(Markup('<text class="axis faint" x="0" y="28">Truth</text>'))
    for i, (label, row) in enumerate(zip(labels, table, strict=True)):
        y = top + _CELL_H * i
        total = sum(row)
        parts.append(Markup('<text class="axis" x="0" y="{}">{}</text>').format(y + _CELL_H / 2 + 4, label))
        for j, count in enumerate(row):
            share = count / total if total else 0.0
            style = "right" if i == j else "wrong"
            parts.append(_cell(left + _CELL_W * j, y, count, share, style))
    return _svg(width, height, "Confusion table", parts)


def intervals_svg(bars: Sequence[Bar], low: float = 0.0, high: float = 1.0) -> Markup:
    """Dots with whiskers on one axis, one row for each bar.

    Args:
        bars: The rows.
        low: Left end of the axis.
        high: Its right end.
    """
    height = _ROW_H * len(bars) + 22
    parts = []
    for step in range(5):
        value = low + (high - low) * step / 4
        x = _place(value, low, high)
        parts.append(Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(x, height - 18))
        parts.append(
            Markup('<text class="axis faint" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                x, height - 4, f"{value:g}"
            )
        )
    for index, bar in enumerate(bars):
        y = _ROW_H * index + _ROW_H / 2
        figure = bar.figure
        parts.append(Markup('<text class="axis" x="0" y="{}">{}</text>').format(y + 4, bar.label))
        text = "not defined"
        if figure.value is not None and figure.low is not None and figure.high is not None:
            x, x1, x2 = (_place(v, low, high) for v in (figure.value, figure.low, figure.high))
            parts.append(
                Markup('<line class="whisker {}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(bar.style, x1, x2, y=y)
            )
            parts.append(Markup('<circle class="dot {}" cx="{}" cy="{}" r="5"/>').format(bar.style, x, y))
            text = f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
        parts.append(Markup('<text class="axis" x="{}" y="{}">{}</text>').format(_LABEL_W + _AXIS_W + 16, y + 4, text))
    return _svg(_LABEL_W + _AXIS_W + _VALUE_W, height, "Figures with 95 % intervals", parts)


def _place(value: float, low: float, high: float) -> float:
    return round(_LABEL_W + _AXIS_W * (min(max(value, low), high) - low) / (high - low), 1)


def _cell(x: float, y: float, count: int, share: float, style: str) -> Markup:
    strong = " strong" if share > 0.75 else ""
    return Markup(
        '<rect class="cell {style}" x="{x}" y="{y}" width="{w}" height="{h}" fill-opacity="{opacity}"/>'
        '<rect class="frame" x="{x}" y="{y}" width="{w}" height="{h}"/>'
        '<text class="count{strong}" x="{cx}" y="{cy}" text-anchor="middle">{count}</text>'
        '<text class="share{strong}" x="{cx}" y="{sy}" text-anchor="middle">{percent}</text>'
    ).format(
        style=style,
        x=x,
        y=y,
        w=_CELL_W - 3,
        h=_CELL_H - 3,
        opacity=round(0.04 + 0.86 * share, 3) if count else 0.0,
        strong=strong,
        cx=x + _CELL_W / 2 - 1.5,
        cy=y + 20,
        sy=y + 34,
        count=count,
        percent=f"{share:.0%}",
    )


def _svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">{3}</svg>').format(
        width, height, escape(title), Markup("").join(parts)
    )
