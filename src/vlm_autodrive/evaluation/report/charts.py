"""The charts of the report: inline SVG of at most 360 units width, so that a narrow screen shows it unscaled.

Classes give the colours. The few attributes beside them (``fill``, ``stroke``) hold only where a content policy keeps
the page's style away, since a rule of a style sheet outranks them: without both, all would be black on black.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from vlm_autodrive.metrics import Estimate

WIDTH = 360
"""Width of a drawing; a telephone shows it at its own size, so that text stays legible."""

STYLES = ("before", "after", "third", "fourth", "fifth")
"""Styles of the page's CSS, each with a colour, a dash and a marker of its own; a sixth model takes the third again."""


def style_of(name: str, names: Sequence[str], before: str | None, after: str | None) -> str:
    """The style by which a model is known in all drawings.

    Args:
        name: The model.
        names: All models, in order.
        before: The one called before.
        after: The one called after.
    """
    if name in (before, after):
        return "before" if name == before else "after"
    others = [other for other in names if other not in (before, after)]
    return STYLES[2:][others.index(name) % len(STYLES[2:])]


def marker(style: str, x: float, y: float) -> Markup:
    """A style's marker: circle, square, triangle, diamond or cross."""
    shapes = {
        "before": "M{l} {y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        "after": "M{l} {t}h8v8h-8z",
        "third": "M{x} {t}l5 8h-10z",
        "fourth": "M{x} {t}l4 4l-4 4l-4 -4z",
        "fifth": "M{l} {t}l8 8m0 -8l-8 8",
    }
    path = shapes[style].format(x=round(x, 1), y=round(y, 1), l=round(x - 4, 1), t=round(y - 4, 1))
    return Markup('<path class="marker {}" d="{}" fill="none" stroke="gray"/>').format(style, path)


def text(x: float, y: float, content: str, style: str = "axis", anchor: str = "start") -> Markup:
    """One line of text."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        style, round(x, 1), round(y, 1), anchor, content
    )


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """A straight line."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}" stroke="gray"/>').format(
        style, round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1)
    )


def svg(height: float, title: str, parts: Sequence[Markup], role: str = "img") -> Markup:
    """The drawing itself.

    Args:
        height: Its height; the width is always the same.
        title: What it shows, for those who cannot see it.
        parts: What is in it.
        role: ``img``, or ``group`` where its parts are links, which an image may not hold.
    """
    return Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="{2}" aria-label="{3}">{4}</svg>').format(
        WIDTH, round(height), role, escape(title), Markup("").join(parts)
    )


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
        Markup('<rect class="bar {}" x="{}" y="{}" width="{}" height="12" fill="silver"/>').format(
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


_LEFT, _TOP, _CELL_H = 100, 52, 46
_STRONG = 0.6


def confusion_svg(
    title: str, labels: Sequence[str], table: Sequence[Sequence[int]], anchor: Callable[[int, int], str]
) -> Markup:
    """A confusion matrix: truth down, answer across, each cell shaded by its share of the row.

    Args:
        title: Whose it is, for those who cannot see it.
        labels: Labels of the classes.
        table: One row for each true class, with a last column for records without an answer.
        anchor: The page's anchor of the clips in a cell, by row and column; asked for cells that hold some.
    """
    columns = [*labels, "No answer"]
    width = (WIDTH - _LEFT) / len(columns)
    parts = [text(_LEFT, 11, "Predicted", "axis faint"), text(0, 44, "Ground truth", "axis faint")]
    for j, label in enumerate(columns):
        words = _lines(label)
        for index, word in enumerate(words):
            y = 44 - 14 * (len(words) - 1 - index)
            parts.append(text(_LEFT + width * (j + 0.5), y, word, "axis", "middle"))
    for i, (label, row) in enumerate(zip(labels, table, strict=True)):
        y = _TOP + _CELL_H * i
        parts.append(text(0, y + _CELL_H / 2 + 4, label))
        for j, count in enumerate(row):
            share = count / sum(row) if count else 0.0
            style = "correct" if i == j else "wrong"
            cell = _cell(_LEFT + width * j, y, width, count, share, style)
            answer = columns[j]
            if count:
                cell = Markup('<a href="#{}"><title>{}: {} of {}; show them</title>{}</a>').format(
                    anchor(i, j), f"{label} predicted as {answer}", count, sum(row), cell
                )
            parts.append(cell)
    return svg(_TOP + _CELL_H * len(labels) + 2, title, parts, role="group")


def _opacity(share: float) -> float:
    """Shades between light and dark are left out, since neither dark nor light text could be read on them."""
    return round(0.86 + 0.35 * (share - _STRONG) if share > _STRONG else 0.06 + 0.6 * share, 3)


def _lines(label: str) -> list[str]:
    """A column's heading, broken once where it has a hyphen or a space."""
    return re.sub(r"-|\s", lambda gap: f"{gap.group().strip()}\n", label, count=1).split("\n")


def _cell(x: float, y: float, width: float, count: int, share: float, style: str) -> Markup:
    strong = " strong" if share > _STRONG else ""
    middle = round(x + width / 2 - 1, 1)
    return Markup(
        '<rect class="cell {}" x="{x}" y="{y}" width="{w}" height="{h}" fill-opacity="{opacity}" fill="silver"/>'
        '<rect class="frame" x="{x}" y="{y}" width="{w}" height="{h}" fill="none" stroke="gray"/>'
        '<text class="count{strong}" x="{middle}" y="{cy}" text-anchor="middle">{count}</text>'
        '<text class="share{strong}" x="{middle}" y="{sy}" text-anchor="middle">{percent}</text>'
    ).format(
        style,
        x=round(x, 1),
        y=y,
        w=round(width - 3, 1),
        h=_CELL_H - 3,
        opacity=_opacity(share) if count else 0.0,
        strong=strong,
        middle=middle,
        cy=y + 20,
        sy=y + 35,
        count=count,
        percent=f"{share:.0%}" if count else "",
    )
