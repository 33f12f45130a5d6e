"""Drawing primitives of timelines: colours, fonts, time axis, curves and labels without overlap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import ImageDraw, ImageFont

from vlm_autodrive.palette import FAINT, INK, LINE, PAPER, Colour
from vlm_autodrive.progress import format_clock

_TICKS_S = (0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_LABEL_SIZE = 15
_FEW_WINDOWS = 150


@dataclass(frozen=True)
class Axis:
    """Where seconds lie on the picture."""

    left: int
    right: int
    end_s: float

    @property
    def width(self) -> int:
        """Its length in pixels."""
        return self.right - self.left

    def x(self, time_s: float) -> int:
        """The column of a moment."""
        return self.left + round(min(max(time_s / self.end_s, 0.0), 1.0) * self.width)


def blend(colour: Colour, fraction: float) -> Colour:
    """A colour blended with the background."""
    red, green, blue = (round(fraction * c + (1 - fraction) * p) for c, p in zip(colour, PAPER, strict=True))
    return red, green, blue


def text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    words: str,
    colour: Colour,
    size: int = _LABEL_SIZE,
    anchor: str = "la",
) -> None:
    """Write words."""
    draw.text(place, words, fill=colour, font=_font(size), anchor=anchor)


def shorten(draw: ImageDraw.ImageDraw, words: str, width: int, size: int) -> str:
    """Words that are no wider than ``width``, cut off with an ellipsis where they must be."""
    font = _font(size)
    if draw.textlength(words, font=font) <= width:
        return words
    while words and draw.textlength(words + "…", font=font) > width:
        words = words[:-1]
    return words + "…"


def row_name(draw: ImageDraw.ImageDraw, right: int, top: int, words: str) -> None:
    """Name a row in the left margin."""
    text(draw, (right - 12, top), words, FAINT, 14, anchor="ra")


def legend(draw: ImageDraw.ImageDraw, right: int, top: int, entries: Sequence[tuple[str, Colour]]) -> int:
    """Name the lines of the picture, from the right edge leftwards; returns where the names begin."""
    x = float(right)
    for words, colour in reversed(entries):
        x -= draw.textlength(words, font=_font(_LABEL_SIZE))
        text(draw, (x, top), words, INK)
        draw.line((x - 30, top + 9, x - 8, top + 9), fill=colour, width=4)
        x -= 54
    return math.floor(x)


def label_width(words: str) -> int:
    """Pixels that a label takes."""
    return math.ceil(_font(_LABEL_SIZE).getlength(words)) + 12


def place_labels(axis: Axis, labels: Sequence[tuple[float, str]]) -> list[tuple[int, int]]:
    """Where the labels of moments, in order of time, stand so that none covers another.

    Returns:
        The left edge and the lane of each; lanes are counted downwards.
    """
    ends: list[int] = []
    places = []
    for time_s, words in labels:
        width = label_width(words)
        x = axis.x(time_s)
        left = x if x + width <= axis.right else x - width
        lane = next((i for i, end in enumerate(ends) if end + 6 <= left), len(ends))
        ends[lane : lane + 1] = [left + width]
        places.append((left, lane))
    return places


def flag(draw: ImageDraw.ImageDraw, pole: int, left: int, top: int, words: str, colour: Colour) -> None:
    """A label on a coloured ground, beside the line of its moment."""
    draw.rectangle((left, top, left + label_width(words), top + 20), fill=colour)
    draw.line((pole, top, pole, top + 24), fill=colour, width=2)
    text(draw, (left + 6, top + 2), words, PAPER)


def dashed(draw: ImageDraw.ImageDraw, x: int, rows: tuple[int, int], colour: Colour) -> None:
    """A dashed upright line."""
    for top in range(rows[0], rows[1], 10):
        draw.line((x, top, x, min(top + 5, rows[1])), fill=colour, width=2)


def hatch(draw: ImageDraw.ImageDraw, left: int, right: int, rows: tuple[int, int]) -> None:
    """Grey where nothing is known."""
    draw.rectangle((left, rows[0], right, rows[1]), fill=LINE)


def curve(
    draw: ImageDraw.ImageDraw,
    axis: Axis,
    spans: Sequence[tuple[float, float]],
    values: Sequence[float | None],
    rows: tuple[int, int],
    colour: Colour,
) -> None:
    """A line through the windows' values at their middles, broken where there is none."""
    top, bottom = rows
    width = 3 if len(values) <= _FEW_WINDOWS else 2
    pieces: list[list[tuple[float, float]]] = [[]]
    for index, ((start, end), value) in enumerate(zip(spans, values, strict=True)):
        if value is None:
            pieces.append([])
            continue
        y = bottom - value * (bottom - top)
        first, last = index == 0, index == len(spans) - 1
        moments = [start] * first + [(start + end) / 2] + [end] * last
        pieces[-1].extend((axis.x(moment), y) for moment in moments)
    for piece in pieces:
        if len(piece) > 1:
            draw.line(piece, fill=colour, width=width, joint="curve")
        elif piece:
            x, y = piece[0]
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def time_axis(draw: ImageDraw.ImageDraw, axis: Axis, top: int) -> None:
    """The axis of time, with as many ticks as fit."""
    step = next((tick for tick in _TICKS_S if axis.width * tick / axis.end_s >= 90), _TICKS_S[-1])
    draw.line((axis.left, top, axis.right, top), fill=FAINT, width=2)
    for index in range(math.floor(axis.end_s / step + 1e-9) + 1):
        x = axis.x(index * step)
        draw.line((x, top, x, top + 7), fill=FAINT, width=2)
        text(draw, (x, top + 11), format_clock(index * step, step < 1), FAINT, 14, anchor="ma")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
