"""A confusion table whose cells lead to the clips in them."""

import re
from collections.abc import Callable, Sequence

from markupsafe import Markup

from vlm_autodrive.evaluation.report.charts.canvas import WIDTH, svg, text

_LEFT, _TOP, _CELL_H = 100, 52, 46
_STRONG = 0.6


def confusion_svg(
    title: str, labels: Sequence[str], table: Sequence[Sequence[int]], anchor: Callable[[int, int], str]
) -> Markup:
    """A confusion table: truth down, answer across, each cell shaded by its share of the row.

    Args:
        title: Whose it is, for those who cannot see it.
        labels: Labels of the classes.
        table: One row for each true class, with a last column for records without an answer.
        anchor: The page's anchor of the clips in a cell, by row and column; asked for cells that hold some.
    """
    columns = [*labels, "No answer"]
    width = (WIDTH - _LEFT) / len(columns)
    parts = [text(_LEFT, 11, "Answered", "axis faint"), text(0, 44, "Truth", "axis faint")]
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
                    anchor(i, j), f"{label} answered {answer}", count, sum(row), cell
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
        '<rect class="cell {}" x="{x}" y="{y}" width="{w}" height="{h}" fill-opacity="{opacity}"/>'
        '<rect class="frame" x="{x}" y="{y}" width="{w}" height="{h}"/>'
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
