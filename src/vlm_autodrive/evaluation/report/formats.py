"""Formats of estimates, tests and model names, common to the page, the Markdown and the sentences."""

from vlm_autodrive.evaluation.settings import BEFORE_CORRECTIONS
from vlm_autodrive.metrics import Estimate

_TITLES = {
    "base": "Base",
    "tuned": "Fine-tuned",
    BEFORE_CORRECTIONS: "Before corrections",
    "camera_shake": "Camera shake",
    "majority": "Majority class",
    "g_force": "G-force",
    "camera_marks": "Camera's own marks",
}
_CLIPS = {"Collision": "collision", "Near-Collision": "near-collision", "Normal": "normal clip"}


def title_of(name: str) -> str:
    """What a model is called."""
    return _TITLES.get(name, name)


def short(name: str, most: int) -> str:
    """What a model is called, cut to fit into a drawing."""
    title = title_of(name)
    return title if len(title) <= most else title[: most - 1] + "…"


def clips_of(label: str, count: int = 2) -> str:
    """The clips of a class, as a sentence calls so many of them."""
    return _CLIPS.get(label, f"{label} clip") + "s" * (count != 1)


def counted(count: int) -> str:
    """So many clips."""
    return f"{count} clip{'s' * (count != 1)}"


def plain(name: str) -> str:
    """A field's, value's or control's name as a person would write it."""
    return name.replace("_", " ")


def figure(shown: Estimate | None, digits: int = 2) -> str:
    """A figure's value; a dash where it is undefined."""
    return "–" if shown is None or shown.value is None else f"{shown.value:.{digits}f}"


def interval(shown: Estimate | None, digits: int = 2) -> str:
    """A figure's interval; empty where it has none."""
    if shown is None or shown.low is None or shown.high is None:
        return ""
    return f"{shown.low:.{digits}f} – {shown.high:.{digits}f}"


def with_interval(shown: Estimate | None, digits: int = 2) -> str:
    """A figure and its interval in brackets."""
    if shown is None or shown.low is None or shown.high is None:
        return figure(shown, digits)
    return f"{figure(shown, digits)} [{shown.low:.{digits}f}, {shown.high:.{digits}f}]"


def signed(shown: Estimate | None) -> str:
    """A difference, with its sign."""
    return "–" if shown is None or shown.value is None else _with_sign(shown.value)


def signed_interval(shown: Estimate | None) -> str:
    """A difference's interval; empty where it has none."""
    if shown is None or shown.low is None or shown.high is None:
        return ""
    return f"{_with_sign(shown.low)} to {_with_sign(shown.high)}"


def signed_with_interval(shown: Estimate | None) -> str:
    """A difference with its sign, and its interval in brackets where it has one."""
    between = signed_interval(shown)
    return f"{signed(shown)} ({between})" if between else signed(shown)


def _with_sign(value: float) -> str:
    """Two digits with a sign, which nothing has that rounds to 0."""
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text


def p_value(p: float) -> str:
    """A p-value alone, as for a table."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def p_equals(p: float) -> str:
    """A p-value in a sentence."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"
