"""Bars with whiskers, one group of bars for each figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vlm_autodrive.evaluation.report.charts.canvas import WIDTH, line, svg, text
from vlm_autodrive.metrics import Estimate

_LABEL, _VALUE = 122, 124
_BAR, _GAP = 18, 12


@dataclass(frozen=True)
class BarGroup:
    """One figure of several models: its name, and the style and figure of each."""

    label: str
    bars: tuple[tuple[str, Estimate], ...]


def bars_svg(title: str, groups: Sequence[BarGroup]) -> Markup:
    """Horizontal bars from 0 to 1 with their 95 % intervals.

    Args:
        title: What is drawn, for those who cannot see it.
        groups: The groups, from top to bottom.
    """
    bottom = sum(_BAR * len(group.bars) + _GAP for group in groups)
    parts = []
    for step in range(3):
        x = _place(step / 2)
        parts += [line("grid", x, 0, x, bottom), text(x, bottom + 15, f"{step / 2:g}", "axis faint", "middle")]
    y = 0.0
    for group in groups:
        middle = y + _GAP / 2 + _BAR * len(group.bars) / 2
        parts.append(text(0, middle + 4, group.label))
        for index, (style, figure) in enumerate(group.bars):
            parts += _bar(style, figure, y + _GAP / 2 + _BAR * (index + 0.5))
        y += _BAR * len(group.bars) + _GAP
    return svg(bottom + 20, title, parts)


def _bar(style: str, figure: Estimate, y: float) -> list[Markup]:
    if figure.value is None:
        return [text(WIDTH - _VALUE + 10, y + 4, "not defined", "axis faint")]
    shown = f"{figure.value:.2f}"
    parts = [
        Markup('<rect class="bar {}" x="{}" y="{}" width="{}" height="12"/>').format(
            style, _LABEL, round(y - 6, 1), round(_place(figure.value) - _LABEL, 1)
        )
    ]
    if figure.low is not None and figure.high is not None:
        low, high = _place(figure.low), _place(figure.high)
        parts += [line("whisker", low, y, high, y), line("whisker", low, y - 3, low, y + 3)]
        parts.append(line("whisker", high, y - 3, high, y + 3))
        shown += f" [{figure.low:.2f}, {figure.high:.2f}]"
    return [*parts, text(WIDTH - _VALUE + 10, y + 4, shown)]


def _place(value: float) -> float:
    return _LABEL + (WIDTH - _LABEL - _VALUE) * min(max(value, 0.0), 1.0)
