"""What all drawings share: styles that differ in colour, dashes and marker, and the frame of an SVG."""

from collections.abc import Sequence

from markupsafe import Markup, escape

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
    return Markup('<path class="marker {}" d="{}"/>').format(style, path)


def text(x: float, y: float, content: str, style: str = "axis", anchor: str = "start") -> Markup:
    """One line of text."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        style, round(x, 1), round(y, 1), anchor, content
    )


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """A straight line."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
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
