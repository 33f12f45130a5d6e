"""What is drawn stands where the figures say, in styles that differ in more than colour."""

import re

import pytest

from vlm_autodrive.evaluation.report.charts import STYLES, WIDTH, BarGroup, bars_svg, confusion_svg, marker, style_of
from vlm_autodrive.evaluation.report.curves import Axes, Line, Points, curves_svg, reliability_svg
from vlm_autodrive.metrics import ReliabilityBin, undefined, wilson


def numbers(pattern, text):
    return [tuple(float(part) for part in found) for found in re.findall(pattern, text)]


def test_bars_are_as_long_as_their_figures():
    drawn = bars_svg("x", [BarGroup("a", (("before", wilson(25, 100)), ("after", wilson(50, 100))))])
    (left, quarter), (left_too, half) = numbers(
        r'<rect class="bar \w+" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn
    )
    assert left == left_too
    assert half == pytest.approx(2 * quarter)
    assert "0.25 [0.18, 0.34]" in drawn


def test_a_figure_that_is_not_defined_is_said_to_be_none():
    drawn = bars_svg("x", [BarGroup("a", (("before", undefined(0)),))])
    assert "not defined" in drawn and "<rect" not in drawn


def test_a_curve_passes_through_its_points():
    line = Line("m", "after", (0.0, 0.5, 1.0), (1.0, 0.5, 0.0))
    drawn = curves_svg("x", Axes("a", "b"), [line])
    [path] = re.findall(r'<polyline class="curve after" points="([^"]+)"', drawn)
    (x0, y0), (x1, y1), (x2, y2) = numbers(r"([\d.]+),([\d.]+)", path)
    assert (x1 - x0, y1 - y0) == pytest.approx((x2 - x1, y2 - y1), abs=0.11)
    assert x2 > x0 and y2 > y0, "a falling curve goes down the page"
    half = curves_svg("x", Axes("a", "b", top=0.5), [line])
    assert numbers(r"([\d.]+),([\d.]+)", re.findall(r'points="([^"]+)"', half)[0])[1][1] == y0


def test_reliability_shows_each_bin_with_its_interval():
    bins = tuple(ReliabilityBin(n=20, confidence=c, accuracy=wilson(k, 20)) for c, k in ((0.4, 5), (0.8, 17)))
    drawn = reliability_svg("x", [Points("uncalibrated", "after", bins)])
    whiskers = numbers(r'class="spread after" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', drawn)
    assert [x1 for x1, *_ in whiskers] == sorted(x1 for x1, *_ in whiskers)
    assert all(x1 == x2 and low > high for x1, low, x2, high in whiskers)
    assert "perfect calibration" in drawn


def test_a_cell_that_holds_clips_leads_to_them_and_an_empty_one_nowhere():
    drawn = confusion_svg("x", ["Hit", "Miss"], [(3, 0, 1), (0, 2, 0)], lambda i, j: f"cell-{i}-{j}")
    assert re.findall(r'href="#([^"]+)"', drawn) == ["cell-0-0", "cell-0-2", "cell-1-1"]
    assert "Hit predicted as No answer: 1 of 4" in drawn
    assert re.findall(r">(\d+%)<", drawn) == ["75%", "25%", "100%"]


def test_styles_differ_in_the_shape_of_their_markers():
    shapes = {re.sub(r"[\d.]+ [\d.]+", "", str(marker(style, 10, 10)).split('d="')[1], count=1) for style in STYLES}
    assert len(shapes) == len(STYLES)
    names = ["base", "a", "tuned", "b", "c", "d"]
    styles = [style_of(name, names, "base", "tuned") for name in names]
    assert styles == ["before", "third", "after", "fourth", "fifth", "third"]


def test_a_label_is_escaped():
    drawn = curves_svg("<x>", Axes("a", "b"), [Line("<b>&", "after", (0, 1), (0, 1))])
    assert "<b>" not in drawn and "&lt;b&gt;&amp;" in drawn and 'aria-label="&lt;x&gt;"' in drawn
    assert f'viewBox="0 0 {WIDTH} ' in drawn
