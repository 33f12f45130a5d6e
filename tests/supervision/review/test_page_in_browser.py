"""The page of a review in a real browser: judged by keys, saved, read back; nothing in a text gets to run."""

import json

import pytest

from tests.browser import Browser
from tests.supervision.review.review_world import supervision_set
from vlm_autodrive.supervision import ReviewSettings, read_review, start_review, take_decisions

COUNT = "document.querySelector('#count').textContent"
AT = "[...document.querySelectorAll('article')].findIndex((article) => !article.hidden)"
SHOWN = "document.querySelector('article:not([hidden])')"


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def page(supervision):
    return start_review(supervision, supervision.parent / "review", ReviewSettings(samples=30))


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.close()


@pytest.fixture
def browser(one_browser, page):
    """A browser that remembers nothing; at the end the page must have had no error and asked no network."""
    one_browser.resize(1300, 900)
    one_browser.open(page)
    one_browser.run("localStorage.clear()")
    one_browser.problems.clear()
    yield one_browser
    assert one_browser.problems == []


def begin(browser, page, name="Ada B."):
    browser.open(page)
    browser.run("document.querySelector('#reviewer').focus()")
    browser.type(name)
    browser.press("Enter")


def go_to(browser, condition):
    """Turn to the first sample whose article fulfils a condition of JavaScript; ``a`` is the article."""
    at = browser.run(f"[...document.querySelectorAll('article')].findIndex((a) => {condition})")
    assert at >= 0
    browser.run(f"document.querySelectorAll('.go')[{at}].click()")
    return at


def test_judged_by_keys_saved_and_read_back(browser, page, supervision):
    begin(browser, page)
    browser.press("a", "a", "r", "2", "n")
    browser.type('late "by" a <second>\u2028')
    browser.press("Escape", "ArrowRight", "r", "u", "ArrowLeft", "ArrowLeft", "r")
    assert browser.run(AT) == 1
    assert browser.run(COUNT) == "3 of 30 judged"
    browser.press("s")
    review = read_review(supervision, page.parent)
    name = f"decisions-{review.review_id}-Ada-B.jsonl"
    lines = [json.loads(line) for line in browser.downloaded(name).split("\n")[:-1]]
    assert [(line["sample_id"], line["decision"], line["reason"], line["note"]) for line in lines] == [
        (review.samples[0].sample_id, "accept", "", ""),
        (review.samples[1].sample_id, "reject", "", ""),
        (review.samples[2].sample_id, "reject", "time", 'late "by" a <second>'),
    ]
    assert browser.run(COUNT) == "3 of 30 judged, saved"
    result = take_decisions(supervision, page.parent, [browser.downloads / name])
    assert (result.judged, result.reviewers, result.reasons) == (3, {"Ada B.": 3}, {"time": 1})


def test_decisions_outlive_a_reload_and_each_reviewer_has_their_own(browser, page):
    begin(browser, page, "Ada")
    browser.press("a", "r", "3", "n")
    browser.type("not saved yet")
    browser.open(page)
    assert browser.run(COUNT) == "2 of 30 judged"
    assert browser.run(AT) == 2
    browser.press("ArrowLeft")
    assert browser.run("document.querySelector('#note').value") == "not saved yet"
    assert browser.run("document.querySelector('.reason[aria-pressed=true]').dataset.reason") == "class"
    browser.run("document.querySelector('#reviewer').select()")
    browser.run("document.querySelector('#reviewer').focus()")
    browser.type("Bob")
    browser.press("Enter")
    assert browser.run(COUNT) == "0 of 30 judged"
    browser.run("document.querySelector('#reviewer').select()")
    browser.run("document.querySelector('#reviewer').focus()")
    browser.type("Ada")
    browser.press("Enter")
    assert browser.run(COUNT) == "2 of 30 judged"


def test_nobody_judges_without_a_name(browser, page):
    browser.open(page)
    browser.press("a")
    assert browser.run(COUNT) == "0 of 30 judged"
    assert browser.run("document.activeElement.id") == "reviewer"
    assert "who you are" in browser.run("document.querySelector('#warning').textContent")


def test_a_cited_moment_lights_its_frame_and_back(browser, page):
    begin(browser, page)
    go_to(browser, "a.querySelector('.target a.cite')")
    browser.run(f"{SHOWN}.querySelector('.target a.cite').focus()")
    lit = f"[...{SHOWN}.querySelectorAll('.lit')].map((part) => part.tagName).sort()"
    assert set(browser.run(lit)) == {"A", "FIGURE"}
    assert browser.run(f"{SHOWN}.querySelector('figure.lit').classList.contains('cited')")
    browser.run(f"{SHOWN}.querySelector('.target a.cite').click()")
    browser.run("document.activeElement.blur()")
    assert browser.run(lit) == []
    assert browser.run(f"{SHOWN}.querySelectorAll('figure.held').length") == 1


def test_hostile_texts_are_shown_and_nothing_else(browser, page):
    begin(browser, page)
    go_to(browser, "a.querySelector('.target').textContent.includes(\"document.title = 'owned'\")")
    assert browser.run("document.title") == "Review of supervision"
    assert (
        browser.run("document.querySelectorAll('article script, article b:not(.line b), article img[onerror]').length")
        == 0
    )
    assert browser.run(f"{SHOWN}.querySelector('.astray').textContent") == "[t=99.5]"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1300])
def test_it_fits_its_window_and_can_be_read(browser, page, width, scheme):
    browser.resize(width, 800, scheme)
    begin(browser, page)
    go_to(browser, "a.querySelector('.target a.cite')")
    browser.press("r")
    assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert browser.run("document.querySelector('#judge').offsetHeight") < 300
    poor = browser.run(
        """(() => {
          const parts = (colour) => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = (part) => {
            for (; part; part = part.parentElement) {
              const colour = parts(getComputedStyle(part).backgroundColor);
              if (colour.length === 3 || colour[3] > 0) return colour;
            }
            return [255, 255, 255];
          };
          return [...document.querySelectorAll("body *")]
            .filter((part) => part.checkVisibility() && !part.disabled && part.tagName !== "SCRIPT")
            .filter((part) => [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            .filter((part) => {
              const [a, b] = [light(parts(getComputedStyle(part).color)), light(behind(part))];
              return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
            })
            .map((part) => part.outerHTML.slice(0, 90));
        })()"""
    )
    assert poor == []


def test_everything_can_be_reached_and_has_a_name(browser, page):
    browser.open(page)
    seen = []
    for _ in range(60):
        browser.press("Tab")
        seen.append(browser.run("document.activeElement.id || document.activeElement.className"))
        outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or seen[-1] in ("", "title-1"), seen[-1]
        if seen[-1] == "note":
            break
    assert {"reviewer", "accept", "reject", "after", "note"} <= set(seen)
    nameless = browser.run(
        """[...document.querySelectorAll("button, input, textarea, a")].filter((part) =>
          !(part.textContent.trim() || part.getAttribute("aria-label") || part.labels?.length ||
            part.querySelector("img[alt]"))).length"""
    )
    assert nameless == 0
