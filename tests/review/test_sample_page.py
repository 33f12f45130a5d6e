"""Samples are reviewed in a real browser: read, followed to the video, accepted, rejected and corrected by keys."""

from pathlib import Path

import pytest

from tests.review.serving import review_server
from tests.review.test_page import AXE, DOCS, READY, api, status
from tests.supervision.review.review_world import ATTACK, supervision_set
from vlm_autodrive.review import read_source

ALERT = "document.querySelector('[role=alert]')?.textContent"


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture
def served(supervision, tmp_path):
    with review_server(supervision, store=tmp_path / "s.sqlite3") as address:
        yield address


def id_of(supervision, wanted):
    """The first item whose sample is wanted, of a clip that can be played."""
    items = read_source(supervision).items
    return next(each.item_id for each in items if wanted(each.sample.sample) and Path(each.files[0].path).is_file())


def reasoning(supervision):
    return id_of(supervision, lambda sample: sample.type == "reasoning" and "near_collision" in sample.clip_id)


def opened(browser, served, item_id):
    browser.open(f"{served}/items/{item_id}")
    browser.until(READY)


def decisions(served, item_id):
    return api(served, item_id)["decisions"]


def test_a_text_is_accepted_rejected_with_a_reason_corrected_and_taken_back(browser, served, supervision):
    item_id = reasoning(supervision)
    opened(browser, served, item_id)
    before = api(served, item_id)["current"]["target"]
    browser.press("a")
    status(browser, "Accepted")
    browser.press("2")
    status(browser, "Press x first")
    browser.press("t")
    browser.type("contact is later")
    browser.press("Enter", "x", "2")
    status(browser, "Rejected: Wrong time")
    browser.press("e")
    browser.until("document.activeElement.name === 'target'")
    assert browser.run("document.activeElement.value") == before
    browser.run("document.activeElement.setSelectionRange(8, 8)")
    browser.type("It rains, x and a. ")
    browser.press("Escape", "a")
    browser.until(f"{ALERT}?.includes('not saved yet')")
    browser.press("c")
    status(browser, "Corrected")
    accepted, rejected, corrected = decisions(served, item_id)
    assert (accepted["decision"], accepted["after"]["accepted"]) == ("accept", True)
    assert (rejected["after"]["rejection"], rejected["reason"]) == ("time", "contact is later")
    assert (corrected["before"]["target"], corrected["reason"]) == (before, "")
    assert corrected["after"]["target"] == before.replace("<think>\n", "<think>\nIt rains, x and a. ")
    assert "It rains, x and a." in browser.run("document.querySelector('.sample').textContent")
    browser.press("u")
    status(browser, "Undone")
    assert api(served, item_id)["current"]["rejection"] == "time"
    browser.until("document.querySelector('.history .undone')")
    assert "It rains" not in browser.run("document.querySelector('.sample').textContent")
    browser.press("A")
    browser.until(f"!location.href.includes('{item_id}') && {READY}")
    assert [each["decision"] for each in decisions(served, item_id)][-1] == "accept"
    assert browser.problems == []


def test_a_cited_second_is_followed_to_its_frame_and_lights_up(browser, served, supervision):
    item_id = reasoning(supervision)
    opened(browser, served, item_id)
    first = next(piece for piece in api(served, item_id)["item"]["sample"]["answer"] if piece["time_s"] is not None)
    lit = "document.querySelectorAll('#answer .lit').length"
    assert browser.run(lit) == 0
    browser.run("document.querySelector('#answer .cite').click()")
    browser.until(f"Math.abs(parseFloat(document.getElementById('now').textContent) - {first['time_s']}) < 0.041")
    browser.until(f"{lit} > 0")
    assert browser.run("document.querySelector('#answer .lit').textContent") == first["text"]
    text = browser.run("document.querySelector('#answer').textContent")
    assert text == api(served, item_id)["current"]["target"]


def test_a_hostile_text_stays_text_and_a_second_outside_the_clip_is_marked(browser, served, supervision):
    item_id = id_of(supervision, lambda sample: sample.target == ATTACK)
    opened(browser, served, item_id)
    answer = browser.run("document.querySelector('#answer .trace').textContent")
    assert answer == f"{ATTACK} (outside the clip)"
    assert browser.run("document.querySelector('#answer .outside').firstChild.data") == "[t=99.5]"
    assert browser.run("document.querySelectorAll('.trace b, .trace script, .checks i').length") == 0
    assert "says <i>rain</i>" in browser.run("document.querySelector('.checks .bad').textContent")
    assert browser.run("document.title") != "owned"
    assert browser.problems == []


def test_what_another_tab_decided_is_shown_first_and_the_text_that_was_written_stays(browser, served, supervision):
    item_id = reasoning(supervision)
    opened(browser, served, item_id)
    first = browser.new_tab()
    browser.resize(1440)
    opened(browser, served, item_id)
    browser.press("x", "1")
    status(browser, "Rejected")
    browser.use(first)
    browser.press("e")
    browser.until("document.activeElement.name === 'target'")
    browser.type("!")
    browser.press("Escape", "c")
    browser.until(f"{ALERT}?.includes('Somebody decided in the meantime')")
    assert [each["decision"] for each in decisions(served, item_id)] == ["reject"]
    assert "reject" in browser.run("document.querySelector('.history').textContent")
    browser.press("c")
    status(browser, "Corrected")
    assert decisions(served, item_id)[-1]["after"]["target"].endswith("!")


def test_in_blind_mode_checks_and_teacher_are_hidden_until_a_decision(browser, served, supervision):
    item_id = id_of(supervision, lambda sample: sample.target == ATTACK)
    opened(browser, served, item_id)
    browser.press("b")
    status(browser, "Blind")
    page = "document.getElementById('main').textContent"
    assert "says <i>rain" not in browser.run(page)
    assert "onerror=alert" not in browser.run(page)
    browser.press("x", "8")
    status(browser, "Rejected: Something else")
    browser.until(f"{page}.includes('says <i>rain')")
    assert decisions(served, item_id)[0]["blind"]
    browser.press("b")


def test_the_help_names_each_hotkey_once_and_so_does_the_document(browser, served, supervision):
    opened(browser, served, reasoning(supervision))
    browser.press("?")
    browser.until("document.querySelector('dialog[open]')")
    keys = browser.run("[...document.querySelectorAll('dialog[open] kbd')].map((key) => key.textContent)")
    document = DOCS.read_text(encoding="utf-8")
    assert len(keys) == len(set(keys))
    assert [key for key in keys if f"`{key}`" not in document] == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1440, "dark")])
def test_axe_finds_nothing_serious(browser, served, supervision, width, scheme):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: scripts/build_web.sh installs it where npm is at hand")
    browser.resize(width, scheme=scheme)
    for page in ("queue", f"items/{reasoning(supervision)}"):
        browser.open(f"{served}/{page}")
        browser.until("document.querySelector('#acts button, .decision')")
        if page.startswith("items"):
            browser.until(READY)
            browser.press("x", "e")
            browser.until("document.activeElement.name === 'target'")
        assert browser.run("document.documentElement.scrollWidth") <= width, page
        browser.run(AXE.read_text(encoding="utf-8") + "; 1")
        found = browser.run(
            "axe.run().then((done) => done.violations.map((v) => [v.impact, v.id, v.nodes.map((n) => n.html)]))"
        )
        assert [each for each in found if each[0] in ("serious", "critical")] == [], page
