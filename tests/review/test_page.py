"""The review page in a real browser, on a real server: the whole loop from the queue to a saved decision."""

import json
from pathlib import Path

import httpx
import pytest

import vlm_autodrive
from tests.browser import PATIENCE_S
from tests.review.numbered import COPIED, NUMBER, UNEVEN_S, write_copied_trips, write_numbered_trips
from tests.review.serving import review_server

AXE = Path(vlm_autodrive.__file__).parent / "review/web/node_modules/axe-core/axe.min.js"
SAYINGS = """window.sayings = [];
new MutationObserver(() => document.querySelectorAll(".over p").forEach((p) => window.sayings.push(p.textContent)))
  .observe(document, { subtree: true, childList: true, characterData: true });"""
"""What the page said over the video, also what is gone again."""
FRAMES = f"""window.frames_shown = [];
(function heard() {{
  document.querySelector("video").requestVideoFrameCallback(() => {{ window.frames_shown.push({NUMBER}); heard(); }});
}})();"""
"""Every frame that is shown from now on."""
DOCS = Path(__file__).parents[2] / "docs" / "review.md"
READY = """document.querySelector("video")?.readyState >= 2 && !document.querySelector("video").seeking"""


@pytest.fixture(scope="module")
def trips(tmp_path_factory):
    return write_numbered_trips(tmp_path_factory.mktemp("trips"))


@pytest.fixture
def served(trips, tmp_path):
    with review_server(trips, store=tmp_path / "review.sqlite3") as address:
        yield address


def fetched(url):
    return httpx.get(url, timeout=PATIENCE_S).raise_for_status()


def item_of(served, trip):
    """The id of a trip's only event."""
    links = fetched(f"{served}/queue").text.split('href="/items/')[1:]
    ids = dict.fromkeys(link[:16] for link in links)
    return next(id_ for id_ in ids if trip in api(served, id_)["item"]["title"])


def api(served, item_id):
    return fetched(f"{served}/api/items/{item_id}").json()


def shown(browser, number, time_s):
    """Wait until the page says a time; the pixels must then show that frame's number."""
    browser.until(f"document.getElementById('now').textContent.startsWith('{time_s:.2f} s, frame ')")
    browser.until(f"{NUMBER} === {number}")


def opened(browser, served, trip, query=""):
    browser.open(f"{served}/items/{item_of(served, trip)}{query}")
    browser.until(READY)
    return browser


def status(browser, words):
    browser.until(f"document.querySelector('[role=status]').textContent.includes({json.dumps(words)})")


def edge(browser, name):
    """A time of the draft, as its slider tells it."""
    return float(browser.run(f"document.querySelector('[data-edge={name}]').getAttribute('aria-valuenow')"))


def test_the_queue_is_filtered_walked_by_keys_and_opens_an_item_that_knows_its_neighbours(browser, served):
    browser.open(f"{served}/")
    browser.until("document.querySelectorAll('#rows tbody tr').length === 3")
    browser.run("document.querySelector('select[name=class]').value = 'collision'")
    browser.run("document.querySelector('#filters button[type=submit]').click()")
    browser.until(
        "document.querySelectorAll('#rows tbody tr').length === 2 && location.search === '?class=collision&sort=worth'"
    )
    browser.until("document.querySelector('#acts button')")
    browser.press("j", "j")
    second = browser.run("document.activeElement.href")
    browser.press("k")
    first = browser.run("document.activeElement.href")
    assert first != second
    browser.press("Enter")
    browser.until("document.querySelector('#review video')")
    assert browser.run("location.href") == first
    assert "class=collision" in first
    assert "1 of 2" in browser.run("document.querySelector('nav[aria-label=Queue]').textContent")
    browser.until(READY)
    browser.press("n")
    browser.until(f"location.href === {json.dumps(second)} && {READY}")
    browser.press("n")
    status(browser, "last item")
    browser.press("p")
    browser.until(f"location.href === {json.dumps(first)}")
    assert browser.problems == []


def test_steps_go_frame_by_frame_where_frames_are_unevenly_far_apart(browser, served):
    opened(browser, served, "uneven")
    start = next(n for n, t in enumerate(UNEVEN_S) if t > 1.2) - 1  # shown first: 4 s before the event at 5.2 s
    shown(browser, start, UNEVEN_S[start])
    for number in range(start + 1, start + 8):
        browser.press(".")
        shown(browser, number, UNEVEN_S[number])
    for number in range(start + 6, start - 3, -1):
        browser.press(",")
        shown(browser, number, UNEVEN_S[number])
    for _ in range(12):  # faster than frames can be drawn
        browser.press(".")
    shown(browser, start + 10, UNEVEN_S[start + 10])


def test_playing_goes_on_and_stops_and_says_the_frame_that_is_shown(browser, served):
    opened(browser, served, "uneven")
    before = browser.run("document.querySelector('video').currentTime")
    browser.press(" ")
    browser.until(f"document.querySelector('video').currentTime > {before} + 0.5")
    browser.press("k")
    browser.until("document.querySelector('video').paused && !document.querySelector('video').seeking")
    frame = browser.until("Number(document.getElementById('now').textContent.split('frame ')[1])")
    shown(browser, frame, UNEVEN_S[frame])
    browser.press(".")
    shown(browser, frame + 1, UNEVEN_S[frame + 1])
    browser.press("<", "<")
    assert browser.run("document.querySelector('video').playbackRate") == 0.25
    browser.press("j")
    browser.until(f"Number(document.getElementById('now').textContent.split('frame ')[1]) < {frame}")
    browser.press("k")


def test_a_trip_of_two_files_is_stepped_and_played_across_the_cut(browser, served):
    opened(browser, served, "cut")
    browser.press("]")  # the event, 0.3 s into the second file
    shown(browser, 3, 3.3)
    for number, time_s in ((2, 3.2), (1, 3.1), (0, 3.0), (29, 2.9), (28, 2.8)):
        browser.press(",")
        shown(browser, number, time_s)
    browser.press(".", ".")
    shown(browser, 0, 3.0)
    browser.press(",", ",", ",")
    shown(browser, 27, 2.7)
    browser.press(" ")
    browser.until("parseFloat(document.getElementById('now').textContent) > 3.3")
    browser.press(" ")


def test_a_file_that_browsers_do_not_play_is_shown_as_a_copy_with_the_same_times(browser, tmp_path):
    with review_server(write_copied_trips(tmp_path)) as address:
        browser.at_start(SAYINGS)
        for name, (why, _) in COPIED.items():
            opened(browser, address, Path(name).stem)
            assert f"A copy that browsers play is being made, as {why}: 0 %" in browser.run("window.sayings")
            assert browser.run("document.querySelector('.tag').textContent") == "copy for the browser, same times"
            times_s = UNEVEN_S if name == "woven.mp4" else [n / 10 for n in range(40)]
            frame = max(n for n, time_s in enumerate(times_s) if time_s <= 2.0)
            browser.press("]")
            shown(browser, frame, times_s[frame])
            for key, by in ((",", -1), (",", -2), (".", -1), (".", 0), (".", 1), (".", 2), (".", 3)):
                browser.press(key)
                shown(browser, frame + by, times_s[frame + by])


def test_the_event_plays_over_and_over_until_it_is_told_to_play_on(browser, served):
    opened(browser, served, "uneven")
    browser.press("]")
    first = max(n for n, time_s in enumerate(UNEVEN_S) if time_s <= 5.2)
    shown(browser, first, UNEVEN_S[first])
    browser.press("i", *"......", "o")  # 0.5 s
    last = first + 6
    shown(browser, last, UNEVEN_S[last])
    browser.press("r")
    status(browser, "Loops from")
    browser.run(FRAMES)
    browser.press(" ")
    browser.until("window.frames_shown.filter((frame, place, all) => frame < all[place - 1]).length >= 3")
    assert min(browser.run("window.frames_shown")) == first  # it goes back to the start, and not before
    browser.press("r")
    status(browser, "Plays on.")
    browser.until(f"window.frames_shown.at(-1) > {last + 20}")


def test_pointing_at_the_time_line_shows_a_thumbnail_of_that_moment(browser, served):
    opened(browser, served, "cut")
    browser.press("v")
    box = "document.querySelector('.timeline svg').getBoundingClientRect()"
    left, width, y = browser.run(f"(() => {{ const r = {box}; return [r.x, r.width, r.y + r.height / 2]; }})()")
    picture = "document.querySelector('.hover-card img')"
    seen = set()
    for part in (0.3, 0.5, 0.7, 0.9):
        browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=left + part * width, y=y)
        browser.until(f"{picture}?.complete && {picture}.naturalWidth > 100")
        tenths = int(browser.run(f"{picture}.src.split('/').at(-1).split('.')[0]"))
        said_s = float(browser.run("document.querySelector('.hover-card').textContent").split(" s")[0])
        assert tenths / 10 == pytest.approx(said_s, abs=0.3)
        assert browser.run(NUMBER.replace('document.querySelector("video")', picture)) == tenths % 30
        seen.add(tenths)
    assert len(seen) == 4
    browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    browser.until("!document.querySelector('.hover-card')")


def test_a_cited_second_is_a_link_that_lights_up_and_a_payload_stays_text(browser, served):
    opened(browser, served, "uneven")
    trace = browser.run("document.querySelector('.trace').textContent")
    assert "<img src=x onerror=" in trace
    assert "<script>" in trace
    assert browser.run("document.querySelectorAll('.trace img, .trace script').length") == 0
    assert browser.run("document.title") != "owned"
    assert browser.run("document.querySelectorAll('.trace .cite').length") == 2
    assert browser.run("document.querySelectorAll('.trace .lit').length") == 0
    browser.run("document.querySelectorAll('.trace .cite')[1].click()")
    frame = max(n for n, t in enumerate(UNEVEN_S) if t <= 5.2)
    shown(browser, frame, UNEVEN_S[frame])
    lit = "[...document.querySelectorAll('.trace .cite')].map((each) => each.classList.contains('lit'))"
    assert browser.run(lit) == [False, True]
    browser.run("document.querySelectorAll('.trace .cite')[0].click()")
    browser.until(f"JSON.stringify({lit}) === '[true,false]'")
    assert browser.problems == []


def test_a_class_and_a_time_are_changed_and_undone_by_keys_alone(browser, served):
    item_id = item_of(served, "uneven")
    before = api(served, item_id)["current"]
    opened(browser, served, "uneven")
    browser.press("]")
    frame = max(n for n, t in enumerate(UNEVEN_S) if t <= 5.2)
    shown(browser, frame, UNEVEN_S[frame])
    browser.press("2", "m")
    browser.until("document.activeElement.dataset.edge === 'time_s'")
    browser.press("ArrowLeft", "ArrowLeft")
    shown(browser, frame - 2, UNEVEN_S[frame - 2])
    assert edge(browser, "time_s") == pytest.approx(UNEVEN_S[frame - 2])
    assert browser.run("document.activeElement.getAttribute('aria-valuetext')").endswith(f"frame {frame - 2}")
    browser.press("ArrowUp")
    assert edge(browser, "time_s") == pytest.approx(UNEVEN_S[frame - 2] + 0.1)
    browser.press("ArrowDown")
    browser.press("c")  # without a reason it is not taken, and the field has the keyboard
    browser.until("document.activeElement.name === 'reason'")
    assert api(served, item_id)["decisions"] == []
    browser.type("cars miss by 1 m, k?")
    assert browser.run("document.activeElement.value") == "cars miss by 1 m, k?"
    browser.press("Enter")
    status(browser, "Changed: Near-Collision")
    (decision,) = api(served, item_id)["decisions"]
    assert (decision["decision"], decision["reviewer"], decision["reason"]) == ("change", "ada", "cars miss by 1 m, k?")
    assert decision["before"] == before
    assert decision["after"]["event_class"] == "near_collision"
    assert decision["after"]["time_s"] == pytest.approx(UNEVEN_S[frame - 2])
    browser.press("u")
    status(browser, "Undone")
    assert api(served, item_id)["current"] == before
    browser.until(
        "document.querySelector('.choice[aria-pressed=true]').textContent.includes('Collision') && "
        "!document.querySelector('.choice[aria-pressed=true]').textContent.includes('Near')"
    )
    assert edge(browser, "time_s") == pytest.approx(5.2)
    assert "".join(browser.run("document.querySelector('.history').textContent").split()).count("takenback") == 1


def test_a_rejected_event_has_no_times_and_an_added_one_has(browser, served):
    item_id = item_of(served, "cut")
    opened(browser, served, "cut")
    browser.press("x")
    browser.until("document.activeElement.name === 'reason'")
    browser.type("no event")
    browser.press("Enter")
    status(browser, "Changed: Normal")
    assert api(served, item_id)["current"] == {
        "event_class": "normal",
        "time_s": None,
        "start_s": None,
        "end_s": None,
        "alert_time_s": None,
    }
    browser.press(".", "a")
    time_s = edge(browser, "time_s")
    browser.press("c")
    status(browser, "Added: Collision")
    added = api(served, item_id)["decisions"][-1]
    assert (added["decision"], added["after"]["time_s"]) == ("add", time_s)
    assert api(served, item_id)["current"]["event_class"] == "normal"


def test_dragging_an_edge_moves_it_to_a_frame(browser, served):
    opened(browser, served, "uneven")
    x, y = browser.run(
        "(() => { const r = document.querySelector('[data-edge=end_s] .grip').getBoundingClientRect();"
        "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    before = edge(browser, "end_s")
    for kind, at in (("mousePressed", x), ("mouseMoved", x - 30), ("mouseMoved", x - 60), ("mouseReleased", x - 60)):
        browser.ask("Input.dispatchMouseEvent", type=kind, x=at, y=y, button="left", clickCount=1, buttons=1)
    after = edge(browser, "end_s")
    assert after < before
    frame = min(range(len(UNEVEN_S)), key=lambda n: abs(UNEVEN_S[n] - after))
    assert after == pytest.approx(UNEVEN_S[frame])
    shown(browser, frame, UNEVEN_S[frame])


def test_what_another_tab_decided_is_shown_before_anything_is_overwritten(browser, served):
    item_id = item_of(served, "uneven")
    opened(browser, served, "uneven")
    first = browser.new_tab()
    browser.resize(1440)
    opened(browser, served, "uneven")
    browser.press("2", "e")
    browser.type("no contact")
    browser.press("Enter")
    status(browser, "Changed: Near-Collision")
    browser.use(first)
    browser.press("c")
    browser.until("document.querySelector('[role=alert]')")
    alert = browser.run("document.querySelector('[role=alert]').textContent")
    assert "ada decided in the meantime" in alert
    assert "Near-Collision" in alert
    assert "no contact" in alert
    assert len(api(served, item_id)["decisions"]) == 1
    browser.run("document.querySelector('[role=alert] button').click()")
    status(browser, "Their decision is shown")
    browser.press("c")
    status(browser, "Confirmed: Near-Collision")
    assert [each["decision"] for each in api(served, item_id)["decisions"]] == ["change", "confirm"]
    label = {"event_class": "normal", "time_s": None, "start_s": None, "end_s": None, "alert_time_s": None}
    headers = {"X-Autodrive-Review": "1", "If-Match": api(served, item_id)["etag"]}
    other = {"decision": "change", "after": label, "reason": "nothing there"}
    httpx.post(
        f"{served}/api/items/{item_id}/decisions", json=other, headers=headers, timeout=PATIENCE_S
    ).raise_for_status()
    browser.press("c")  # what is on the screen would be a confirmation; over what holds now it is a change
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('nothing there')")
    browser.run("document.querySelectorAll('[role=alert] button')[1].click()")
    browser.until("document.activeElement.name === 'reason'")
    browser.type("they nearly touch")
    browser.press("Enter")
    status(browser, "Changed: Near-Collision")
    assert api(served, item_id)["current"]["event_class"] == "near_collision"


def test_in_blind_mode_nothing_of_the_answer_is_on_the_page_until_a_decision(browser, served):
    opened(browser, served, "uneven")
    browser.press("b")
    status(browser, "Blind")
    page = browser.run("document.getElementById('main').textContent")
    assert "brakes" not in page
    assert browser.run("document.querySelectorAll('.curve, .span, .trace, .chances').length") == 0
    browser.press("c")
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('Choose a class')")
    browser.press("1", "c")
    status(browser, "Saved: Collision")
    browser.until("document.querySelectorAll('.trace').length === 1")
    (decision,) = api(served, item_of(served, "uneven"))["decisions"]
    assert decision["blind"]


def test_a_page_of_film_strips_is_confirmed_with_one_key_and_taken_back(browser, served):
    browser.open(f"{served}/queue?view=grid")
    browser.until("document.querySelector('#acts button')")
    browser.press("j", "x")
    left_out = browser.run("document.activeElement.closest('[data-item]').dataset.item")
    assert "Confirm the 2 open items" in browser.run("document.querySelector('#acts button').textContent")
    browser.press("A")
    status(browser, "2 confirmed.")
    ids = browser.run("[...document.querySelectorAll('[data-item]')].map((each) => each.dataset.item)")
    decided = {id_: [each["decision"] for each in api(served, id_)["decisions"]] for id_ in ids}
    assert decided == {id_: [] if id_ == left_out else ["confirm"] for id_ in ids}
    browser.press("u")
    status(browser, "2 undone.")
    assert all(len(api(served, id_)["decisions"]) == 2 for id_ in ids if id_ != left_out)
    browser.until("[...document.images].every((each) => each.complete && each.naturalWidth > 100)")


def test_the_help_names_each_hotkey_once_and_so_does_the_document(browser, served):
    keys_of = "[...row.querySelectorAll('kbd')].map((key) => key.textContent)"
    rows = f"[...document.querySelectorAll('dialog[open] tr')].map((row) => {keys_of})"
    document = DOCS.read_text(encoding="utf-8")
    for page in (f"{served}/queue?view=grid", None):
        if page:
            browser.open(page)
            browser.until("document.querySelector('#acts button')")
        else:
            opened(browser, served, "uneven")
        browser.press("?")
        browser.until("document.querySelector('dialog[open]')")
        assert browser.run("document.querySelector('dialog[open]').scrollTop") == 0
        keys = [key for row in browser.run(rows) for key in row]
        assert len(keys) == len(set(keys))
        assert [key for key in keys if f"`{key}`" not in document] == []
        browser.press("Escape")
        browser.until("!document.querySelector('dialog[open]')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1440])
def test_axe_finds_nothing_serious(browser, served, scheme, width):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: scripts/build_web.sh installs it where npm is at hand")
    browser.resize(width, scheme=scheme)
    for page in ("queue", "queue?view=grid", f"items/{item_of(served, 'uneven')}"):
        browser.open(f"{served}/{page}")
        browser.until("document.querySelector('#acts button, .decision')")
        if page.startswith("items"):
            browser.until(READY)
        assert browser.run("document.documentElement.scrollWidth") <= width, page
        browser.run(AXE.read_text(encoding="utf-8") + "; 1")
        found = browser.run(
            "axe.run().then((done) => done.violations.map((v) => [v.impact, v.id, v.nodes.map((n) => n.html)]))"
        )
        assert [each for each in found if each[0] in ("serious", "critical")] == [], page
