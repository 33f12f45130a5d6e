"""The pages in a real browser: 10,000 events open, sort and filter; clips play; names stay text; incidents print."""

import base64
import json
import re
import time

import pytest

from tests.browser import PATIENCE_S, Browser
from tests.detection.flashes import write_drive
from tests.detection.short_list.searched import event, write_trip
from tests.detection.short_list.test_short_list import rows
from vlm_autodrive.detection import ShortListSettings, write_short_list

NASTY = "<img src=x onerror=alert(1)>&\"'.mp4"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def no_problems(browser):
    browser.problems.clear()
    yield
    assert browser.problems == []


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """10,000 events in 20 trips whose videos have moved away."""
    out = tmp_path_factory.mktemp("many")
    for trip in range(20):
        events = [
            event(4.0 * n + 2, "near_collision" if n % 5 else "collision", probability=(n * 37 + trip) % 1000 / 1000)
            for n in range(500)
        ]
        write_trip(out, f"trip-{trip:02d}", [(out / f"gone-{trip:02d}.mp4", 2000.0)], events, windows=())
    write_short_list(out)
    return out


def listed(browser):
    return browser.run("[...document.querySelectorAll('#list > li')].map((item) => item.innerText)")


def put(browser, field, value):
    browser.run(
        f"(() => {{ const field = document.getElementById({json.dumps(field)}); field.value = {json.dumps(value)};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def count(browser):
    return browser.run("document.getElementById('count').textContent")


def chances(texts):
    return [float(re.search(r"\b([01]\.\d\d)\b", text)[1]) for text in texts]


@pytest.mark.slow
def test_ten_thousand_events_open_sort_and_filter(browser, many):
    browser.open(many / "index.html")
    assert count(browser) == "10000 events"
    first = listed(browser)
    assert len(first) == 50
    assert chances(first) == sorted(chances(first), reverse=True)
    browser.run("document.getElementById('after').click()")
    assert "51 to 100 of 10000" in browser.run("document.getElementById('page').textContent")
    assert max(chances(listed(browser))) <= min(chances(first))
    browser.run("document.querySelector('.class[value=near_collision]').click()")
    assert count(browser) == "2000 of 10000 events"
    put(browser, "trip", "GONE-07")
    assert count(browser) == "100 of 10000 events"
    put(browser, "least", "0.5")
    kept = listed(browser)
    assert 0 < len(kept) < 100
    assert min(chances(kept)) >= 0.5
    put(browser, "least", "")
    put(browser, "from", "3:20")
    put(browser, "to", "400")
    put(browser, "order", "time")
    kept = listed(browser)
    assert len(kept) == 10
    assert kept == sorted(kept, key=lambda text: re.search(r"(\d+:\d\d\.\d)", text)[1])
    browser.run("document.getElementById('turn').click()")
    assert listed(browser) == kept[::-1]
    put(browser, "trip", "nowhere")
    assert listed(browser) == []
    assert "No event is like that" in browser.run("document.getElementById('page').textContent")


def test_names_and_traces_stay_text_and_the_clip_plays(browser, tmp_path):
    video = write_drive(tmp_path / NASTY.replace("/", ""), 12, flashes=[5])
    trace = "</script><script>alert(2)</script> flash [t=2.0], it says [t=40.0]"
    found = event(5, reasoning=trace, reasoning_start_s=3.0, reasoning_class="normal", contradicts=True)
    write_trip(tmp_path / "out", "trip", [(video, 12.0)], [found.model_copy(update={"cited_times_s": (5.0,)})])
    write_short_list(tmp_path / "out", ShortListSettings(clips=True))
    browser.open(tmp_path / "out" / "index.html")
    (text,) = listed(browser)
    assert NASTY in text
    assert "</script><script>alert(2)</script> flash 0:05.0, it says 0:43.0" in text
    assert "The model contradicts itself: its reasoning comes to Normal" in text
    assert browser.run("document.images.length") == 1
    assert browser.run("document.images[0].decode().then(() => document.images[0].naturalWidth)") == 6 * 404 - 4
    browser.run("document.querySelector('button.strip').click()")
    end = time.monotonic() + PATIENCE_S
    while browser.run("document.querySelector('video')?.readyState ?? 0") < 3:
        if browser.run("document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.42E01E\"')") == "":
            pytest.skip("this browser plays no H.264")
        assert time.monotonic() < end
    assert browser.run("document.querySelector('video').duration") == pytest.approx(8, abs=0.05)
    browser.run("[...document.querySelectorAll('button')].find((one) => one.textContent === 'Frames').click()")
    assert browser.run("document.querySelectorAll('video').length") == 0


def test_an_incident_page_leads_from_cited_moments_to_frames_and_prints_on_one_sheet(browser, tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[5])
    trace = "A flash [t=2.0]; calm before [t=0.0]; and [t=40.0]."
    found = event(5, reasoning=trace, reasoning_start_s=3.0, cited_times_s=(5.0, 3.0))
    write_trip(tmp_path / "out", "trip", [(video, 12.0)], [found], notes={"gaps": "a gap of 3.0 s after 9.0 s"})
    write_short_list(tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    browser.open(tmp_path / "out" / row.page)
    text = browser.run("document.body.innerText")
    for words in (
        "Trip time",
        "the event",
        "not known",
        "not told by the model's card",
        "Nobody has confirmed this event",
        "a gap of 3.0 s after 9.0 s",
    ):
        assert words in text, words
    links = browser.run("[...document.querySelectorAll('a.cite')].map((a) => [a.textContent, a.getAttribute('href')])")
    times_s = list(row.strip_times_s)
    assert links == [["0:05.0", f"#frame-{times_s.index(5.0)}"], ["0:03.0", f"#frame-{times_s.index(3.0)}"]]
    assert browser.run("document.querySelector('span.cite').textContent") == "0:43.0"
    assert browser.run("document.querySelectorAll('figure').length") == 6
    printed = base64.b64decode(browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    browser.open(tmp_path / "out" / "incidents" / f"{row.event_id}.html")


def test_a_single_file_shows_its_strips_alone(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("vlm_autodrive.detection.short_list.pages._EMBEDDED", 2)
    video = write_drive(tmp_path / "drive.mp4", 20, flashes=[4, 10, 16])
    write_trip(tmp_path / "out", "trip", [(video, 20.0)], [event(4), event(10), event(16)])
    index = write_short_list(tmp_path / "out", ShortListSettings(single_file=True))
    alone = tmp_path / "alone.html"
    alone.write_text(index.read_text())
    browser.open(alone)
    assert "1 others are not" in browser.run("document.body.innerText") or "1 other" in browser.run(
        "document.body.innerText"
    )
    sources = browser.run("[...document.images].map((one) => one.getAttribute('src').slice(0, 15))")
    assert sources[:2] == ["data:image/jpeg"] * 2
    end = time.monotonic() + PATIENCE_S
    while "does not lie beside it" not in browser.run("document.getElementById('list').innerText"):
        assert time.monotonic() < end
    browser.problems.clear()  # the browser reports the picture that is missing, as it should


def test_a_model_of_simulated_video_is_told_on_every_page(browser, tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[5])
    write_trip(tmp_path / "out", "trip", [(video, 12.0)], [event(5)], training="trained on simulated video only")
    write_short_list(tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    for page in ("index.html", row.page):
        browser.open(tmp_path / "out" / page)
        assert "trained on simulated video only" in browser.run("document.body.innerText")
