"""Every colour comes from the palette, and can be read on its ground."""

import re
from pathlib import Path

import pytest

import vlm_autodrive
from vlm_autodrive.html_pages import page_templates
from vlm_autodrive.palette import DARK, EVENT_CLASSES, LIGHT, class_colour, css_variables, rgb

TEXT = ("ink", "faint", "before", "after", "third", "fourth", "fifth", "good", "bad")
SOURCES = [
    path for path in Path(vlm_autodrive.__file__).parent.rglob("*") if path.suffix in (".css", ".j2") and path.is_file()
]


def luminance(colour):
    parts = [c / 255 for c in rgb(colour)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(theme):
    for name in TEXT:
        for ground in ("page", "panel"):
            assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)
    for ground in ("note", "warn", "stop", "mark"):
        assert contrast(theme["ink"], theme[ground]) >= 4.5, ground
    assert contrast(theme["edge"], theme["panel"]) >= 3


def test_both_themes_have_the_same_variables():
    assert list(LIGHT) == list(DARK)


@pytest.mark.parametrize("colour", EVENT_CLASSES)
def test_white_can_be_read_on_a_class(colour):
    assert contrast(colour, "#ffffff") >= 3.5


def test_a_class_has_one_colour():
    names = ("collision", "near_collision")
    assert [class_colour(names, name) for name in names] == [rgb(colour) for colour in EVENT_CLASSES[:2]]
    assert len({class_colour(names, name) for name in (*names, "normal", None)}) == 4


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_templates_name_no_colour_themselves(path):
    text = re.sub(r'href="#[^"]*"', "", path.read_text(encoding="utf-8"))
    assert not re.findall(r"(?<![&\w])#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b", text)
    assert set(re.findall(r"var\(--([\w-]+)\)", text)) - set(re.findall(r"--([\w-]+):", text)) <= set(LIGHT)


def test_a_page_gets_the_variables():
    assert page_templates("vlm_autodrive.evaluation.report").from_string("{{ palette }}").render() == css_variables()
