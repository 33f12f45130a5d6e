"""Metrics in a real browser: from a count to its clips, and two models beside each other on one of them."""

import pytest

from tests.clocks import write_clock
from tests.evaluation.builders import make_clip, make_prediction
from tests.review.asking import ask_json
from tests.review.folders import write_predictions
from tests.review.serving import review_server
from tests.review.test_page import AXE, READY

SAID = {
    "hit": ("collision", ("collision", 0.9), ("normal", 0.2)),
    "calm": ("normal", ("normal", 0.1), ("normal", 0.1)),
    "lost": ("near_collision", ("near_collision", 0.6), (None, 0.5)),
}
"""Ground truth, and of each model its class and its probability of any event."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    video = write_clock(folder / "clock.mp4", fps=10, count=40, size=(256, 128))
    clips = [make_clip(name, truth, path=str(video), end_s=4.0) for name, (truth, *_) in SAID.items()]
    for place, model in enumerate(("base", "tuned"), start=1):
        answers = []
        for clip, said in zip(clips, SAID.values(), strict=True):
            answer, p = said[place]
            chances = {"collision": p, "near_collision": 0.0, "normal": 1 - p}
            answers.append(make_prediction(clip, answer, traced="collision", time_s=1.5, probabilities=chances))
        write_predictions(folder / "predictions" / model, clips, answers)
    with review_server(folder / "predictions") as address:
        yield address


def open_metrics(browser, served):
    browser.open(f"{served}/queue")
    browser.run("[...document.querySelectorAll('.top a')].find((each) => each.textContent === 'Metrics').click()")
    browser.until("document.readyState === 'complete' && document.querySelectorAll('.matrix').length === 2")


def test_from_a_count_to_the_clip_with_both_models_answers(browser, served):
    browser.resize(1440)
    open_metrics(browser, served)
    browser.run("""document.querySelector('a[aria-label="1 clip: Collision, of which tuned says Normal"]').click()""")
    browser.until("document.querySelectorAll('#rows tbody tr').length === 1")
    assert browser.run("document.querySelector('select[name=truth]').value") == "collision"
    browser.run("document.querySelector('#rows a.open').click()")
    browser.until(READY)
    cards = browser.run("[...document.querySelectorAll('.answer-card')].map((each) => each.innerText)")
    assert [" ".join(text.split()[:12]) for text in cards] == [
        "A base C Collision at 1.50 s event 0.90 ✓ as the",
        "B tuned O Normal event 0.20 ✗ the ground truth is Collision",
    ]
    assert ["contradicts itself: its reasoning comes to Collision" in text for text in cards] == [False, True]
    assert "≠ different classes" in browser.run("document.getElementById('answers-title').textContent")
    places = "[...document.querySelectorAll('.answer-card')].map((each) => each.getBoundingClientRect())"
    (left, top), (right, level) = browser.run(f"{places}.map((each) => [each.left, each.top])")
    assert top == level and left < right
    browser.resize(400)
    (left, top), (right, below) = browser.run(f"{places}.map((each) => [each.left, each.top])")
    assert left == right and top < below
    browser.press("b")
    browser.until("!document.querySelector('.answer-card')")
    assert "different" not in browser.run("document.getElementById('main').textContent")
    browser.press("b")
    browser.until("document.querySelector('.answer-card')")
    browser.press("c")
    browser.until("document.querySelector('[role=status]').textContent.includes('Confirmed: Collision')")
    (decision,) = ask_json(served, browser.run("`/api${location.pathname}`"))[1]["decisions"]
    assert decision["model"] == "tuned"  # whose count led here
    assert browser.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1440])
def test_axe_finds_nothing_serious(browser, served, scheme, width):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: scripts/build_web.sh installs it where npm is at hand")
    browser.resize(width, scheme=scheme)
    open_metrics(browser, served)
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.run(AXE.read_text(encoding="utf-8") + "; 1")
    found = browser.run(
        "axe.run().then((done) => done.violations.map((v) => [v.impact, v.id, v.nodes.map((n) => n.html)]))"
    )
    assert [each for each in found if each[0] in ("serious", "critical")] == []
