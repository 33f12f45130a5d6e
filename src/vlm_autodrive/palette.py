"""The one palette: classes, models and the ink of every picture, chart and HTML page.

Model colours follow Okabe and Ito (distinct for the colour-blind), darkened or lightened until they can be read as text
on the page's ground. Pages get all of it as CSS variables; pictures take RGB triples.
"""

from collections.abc import Sequence

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

LIGHT = {
    "page": "#fbfbfa",
    "panel": "#ffffff",
    "ink": "#1d2328",
    "faint": "#5c656d",
    "line": "#dfe2e5",
    "edge": "#868e96",
    "before": "#a85200",
    "after": "#0065a8",
    "third": "#007556",
    "fourth": "#a3487f",
    "fifth": "#5f6770",
    "good": "#1a7244",
    "bad": "#b8321f",
    "note": "#f1f3f5",
    "note-line": "#9aa2a9",
    "warn": "#fff6df",
    "warn-line": "#e3b341",
    "stop": "#fdecea",
    "stop-line": "#c0362c",
    "mark": "#ffe9a8",
    "mark-edge": "#9a6b00",
    "on-class": "#ffffff",
    "around-video": "#000000",
}
"""CSS variables of the light theme: grounds, inks, lines, the five model styles, what is good, bad or marked, text
on the colour of a class, and what surrounds a video."""

DARK = {
    "page": "#14181c",
    "panel": "#1b2025",
    "ink": "#e4e8eb",
    "faint": "#a3acb4",
    "line": "#323a41",
    "edge": "#7b858e",
    "before": "#eca53f",
    "after": "#62bbf0",
    "third": "#3fc79b",
    "fourth": "#e39ac3",
    "fifth": "#aab3bb",
    "good": "#4cc38a",
    "bad": "#ff8a7a",
    "note": "#20262c",
    "note-line": "#5d6770",
    "warn": "#2b2615",
    "warn-line": "#b8962c",
    "stop": "#351c1a",
    "stop-line": "#ff7b6e",
    "mark": "#5a4a12",
    "mark-edge": "#e3b341",
    "on-class": "#ffffff",
    "around-video": "#000000",
}
"""The same variables of the dark theme."""

EVENT_CLASSES = ("#c82830", "#c86400", "#7e46aa", "#0a7c8a", "#96603c")
"""Colours of the event classes in the taxonomy's order; a sixth class takes the first again."""


def rgb(colour: str) -> Colour:
    """A colour such as ``#c82830`` as a triple."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


PAPER = rgb(LIGHT["panel"])
INK = rgb(LIGHT["ink"])
FAINT = rgb(LIGHT["faint"])
LINE = rgb(LIGHT["line"])
EDGE = rgb(LIGHT["edge"])
GOOD = rgb(LIGHT["good"])
BAD = rgb(LIGHT["bad"])
ALERT = rgb(LIGHT["mark-edge"])
ANY_EVENT = rgb(LIGHT["after"])


def class_colour(event_names: Sequence[str], name: str | None) -> Colour:
    """The colour of a class: one for each event class, green for another, grey for an unknown class.

    Args:
        event_names: The event classes in the taxonomy's order.
        name: The class; None if unknown.
    """
    if name is None:
        return FAINT
    return rgb(EVENT_CLASSES[event_names.index(name) % len(EVENT_CLASSES)]) if name in event_names else GOOD


def css_variables() -> str:
    """The style rules that give a page its variables: light, dark where the reader prefers it, and white in print."""
    # Print stands last, since a printed page may prefer the dark theme too, and the later rule wins.
    printed = LIGHT | {"page": LIGHT["panel"]}
    return (
        f":root {{ color-scheme: light dark; {_declared(LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_declared(DARK)} }} }}\n"
        f"@media print {{ :root {{ color-scheme: light; {_declared(printed)} }} }}\n"
    )


def _declared(theme: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in theme.items())
