"""The report in a real browser: it fits a telephone, can be read, leads where it says, and asks nothing of anyone.

With the content policy of a CI server it can be read too, and looks the same if its files lie beside it.
"""

import base64
import contextlib
import functools
import http.server
import re
import threading

import pytest

from tests.browser import Browser
from tests.evaluation.builders import write_video
from tests.evaluation.synthetic import make_comparison
from vlm_autodrive.evaluation import ReportSettings, write_report

CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (c) => { const l = c.slice(0, 3).map((v) => linear(v / 255));
    return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) {
    const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > .99) return c; } return rgba('white'); };
  const poor = [];
  const note = (node, ink, back) => { const found = ratio(ink, back);
    if (found < 4.5) poor.push([node.textContent.trim().slice(0, 30), node.getAttribute('class'), found.toFixed(2)]); };
  for (const node of document.querySelectorAll('body *')) {
    if (node.closest('svg, script, style') || !node.checkVisibility()) continue;
    if ([...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()))
      note(node, rgba(getComputedStyle(node).color), behind(node));
  }
  for (const node of document.querySelectorAll('svg text')) {
    let back = behind(node.closest('svg').parentElement);
    const cell = node.parentElement.querySelector(':scope > rect.cell');
    if (cell && node.closest('a')) { const c = rgba(getComputedStyle(cell).fill);
      back = over([...c.slice(0, 3), Number(getComputedStyle(cell).fillOpacity)], back); }
    note(node, rgba(getComputedStyle(node).fill), back);
  }
  return poor;
})()
"""
SMALL_OR_CUT_OFF = """
[...document.querySelectorAll('svg text')].map((node) => {
  const svg = node.ownerSVGElement, box = node.getBoundingClientRect(), all = svg.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(node).fontSize) * all.width / svg.viewBox.baseVal.width;
  const across = box.left < all.left - 1 || box.right > all.right + 1;
  const cut = across || box.top < all.top - 2 || box.bottom > all.bottom + 2;
  return size < 10.99 || cut ? [node.textContent, size, cut, svg.getAttribute('aria-label')] : null;
}).filter(Boolean)
"""
SHOWN_LISTS = "[...document.querySelectorAll('.cliplist')].filter((one) => one.checkVisibility()).map((one) => one.id)"


OPEN = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"


@contextlib.contextmanager
def served(folder, policy):
    """The address of a server that sends a content policy with each file."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *_):
            """Keep the test's output clean."""

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    videos = [write_video(folder / f"{i}.mp4", seed=i) for i in range(3)]
    return make_comparison(folder, count=120, videos=videos, blind=True)


@pytest.fixture(scope="module")
def page(comparison):
    settings = ReportSettings(clips_listed=5, with_clips=True)
    return write_report(comparison, comparison.parent / "report", settings) / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory, page):
    browser = Browser(tmp_path_factory.mktemp("downloads"))
    browser.open(page)
    yield browser
    browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_the_screen_and_can_be_read(browser, page, width, scheme):
    browser.resize(width, 900, scheme)
    browser.open(page)
    assert browser.run("document.querySelector('#figures').checkVisibility()") is False, "it begins folded"
    browser.run(OPEN)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(SMALL_OR_CUT_OFF) == []
    assert browser.run(CONTRAST) == []
    assert browser.problems == []


def test_every_link_leads_somewhere_on_the_page(browser):
    links = browser.run("[...document.querySelectorAll('a:not(.video a)')].map((a) => a.getAttribute('href'))")
    assert len(links) > 40
    assert browser.run(f"{links}.filter((link) => link[0] !== '#' || !document.getElementById(link.slice(1)))") == []
    ids = browser.run("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


def test_a_count_shows_its_clips_and_nothing_else(browser, page):
    browser.resize(1280, 900)
    browser.open(page)
    assert browser.run(SHOWN_LISTS) == []
    count, link = browser.run(
        "(() => { const a = document.querySelectorAll('#confusion svg')[1].querySelectorAll('a')[1];"
        "return [a.querySelector('.count').textContent, a.getAttribute('href')] })()"
    )
    browser.run(
        f"document.querySelector('a[href=\"{link}\"]').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
    )
    assert browser.run(SHOWN_LISTS) == [link[1:]]
    shown = f"document.querySelector('{link}')"
    assert f": {count} clip" in browser.run(f"{shown}.querySelector('h3').textContent")
    assert browser.run(f"{shown}.querySelectorAll('tbody tr').length") == min(int(count), 5)
    assert 0 <= browser.run(f"{shown}.getBoundingClientRect().top") < 900, "the page goes there"


def test_what_was_found_stands_above_everything_else(browser):
    browser.run(OPEN)
    tops = browser.run(
        "['.headline', '.notes.invalid', '.notes.warning', '#counts', '#errors', '#next-steps', '#before-after']"
        ".map((name) => document.querySelector(name).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops)


def pages_of(browser):
    """How many A4 pages it prints on."""
    pdf = base64.b64decode(browser.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_it_prints_on_white_without_lists_and_within_the_sheet(browser, page):
    browser.ask("Emulation.setDeviceMetricsOverride", width=750, height=1060, deviceScaleFactor=1, mobile=False)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.ask("Emulation.setEmulatedMedia", media="print", features=dark)
    browser.open(page)
    assert pages_of(browser) <= 5
    browser.run(OPEN)
    assert pages_of(browser) > 10, "what is open prints"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("document.documentElement.scrollWidth") <= 750
    assert browser.run(SHOWN_LISTS) == []
    assert browser.run(CONTRAST) == []
    browser.ask("Emulation.setEmulatedMedia", media="")


def test_a_link_to_a_folded_part_opens_it(browser, page):
    browser.resize(1280, 900)
    browser.open(page)
    for link in ("#statistics", "#figures"):
        browser.run("document.querySelector('.layer').open = false")
        browser.run(f"document.querySelector('a[href=\"{link}\"]').click()")
        assert browser.until(f"document.querySelector('{link}').checkVisibility()")


def test_a_table_that_goes_on_says_so_on_a_telephone(browser, page):
    hint = "getComputedStyle(document.querySelector('#figures .scroll'), '::before').content"
    for width, said in ((400, '"Scroll sideways for more →"'), (1280, "none")):
        browser.resize(width, 900)
        browser.open(page)
        browser.run(OPEN)
        assert browser.until(f"{hint} === {said!r}") is True


def test_a_clip_plays_from_the_page(browser, page):
    browser.resize(1280, 900)
    browser.open(page)
    browser.run("document.querySelector('video').play().then(() => true)")
    assert browser.until("document.querySelector('video').currentTime > 0")
    assert browser.run("document.querySelector('video').videoWidth") == 160
    assert browser.problems == []


def test_under_a_strict_policy_it_can_be_read_all_the_same(browser, page):
    browser.resize(1280, 900)
    with served(page.parent, JENKINS) as address:
        strict = Browser(page.parent, server=address)
        strict.open(f"{address}/report.html")
        assert strict.run("getComputedStyle(document.querySelector('.headline')).fontSize") == "16px", "without style"
        assert strict.run("document.querySelector('#figures').checkVisibility()") is False, "folded all the same"
        strict.run(OPEN)
        assert strict.run(CONTRAST) == []
        drawn = "[...document.querySelectorAll('svg .frame, svg polyline')].map((node) => getComputedStyle(node).fill)"
        assert set(strict.run(drawn)) == {"none"}, "nothing is hidden under black"
        assert strict.run("document.querySelector('.headline').innerText").startswith("These results are invalid")
        strict.close()


def test_with_its_files_beside_it_it_looks_the_same_under_a_strict_policy(comparison, tmp_path):
    plain, beside = (
        write_report(comparison, tmp_path / name, ReportSettings(separate_files=name == "beside"))
        for name in ("plain", "beside")
    )
    pictures = []
    with served(beside, JENKINS) as address:
        strict = Browser(tmp_path, server=address)
        strict.resize(1280, 4000)
        for number, where in enumerate((plain / "report.html", f"{address}/report.html")):
            strict.open(where)
            strict.run(OPEN)
            strict.picture(tmp_path / f"{number}.png")
            pictures.append((tmp_path / f"{number}.png").read_bytes())
        strict.close()
    assert [found for found in strict.problems if "favicon" not in found.get("url", "")] == []
    assert pictures[0] == pictures[1]
