"""The whole loop: what a model found is watched and corrected in a browser, exported, and trained on."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import PATIENCE_S
from tests.cli.test_real_footage import autodrive, records
from tests.detection.short_list.searched import event, write_trip
from tests.review.numbered import write_numbered_trips
from tests.review.serving import review_server
from tests.review.test_page import READY, api, edge, item_of, opened, status
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.video import playback, read_pictures

SIDE = 24
SCREEN = f"""(() => {{
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  [canvas.width, canvas.height] = [{SIDE}, {SIDE}];
  pen.imageSmoothingQuality = "high";
  pen.drawImage(document.querySelector("video"), 0, 0, {SIDE}, {SIDE});
  const said = Number(document.getElementById("now").textContent.split("frame ")[1]);
  return [said, [...pen.getImageData(0, 0, {SIDE}, {SIDE}).data].filter((_, place) => place % 4 < 3)];
}})()"""
"""The number of the frame that the page says is shown, and the pixels that are."""
REAL = {"collision_000001": (5.0, 3.2), "collision_000431": (5.0, 4.3), "normal_input3": (5.0, 2.0)}
"""Clips, their lengths and when a model found something, in seconds."""


def write_real_trips(folder, out):
    says = "The car ahead brakes [t=2.1]. They touch [t=3.2]."
    for name, (length_s, time_s) in REAL.items():
        traced = {"reasoning": says, "reasoning_start_s": 0.0, "cited_times_s": (2.1, 3.2), "end_s": length_s}
        found = event(time_s, "near_collision" if name.startswith("normal") else "collision", **traced)
        write_trip(out, name, [(folder / "videos" / f"{name}.mp4", length_s)], [found])
    return out


class Watched:
    """A video on the page, whose frames are known by their pixels."""

    def __init__(self, browser, path):
        self.browser, self.times_s = browser, playback(path).times_s
        pictures = read_pictures(path, self.times_s, 640)
        small = [np.asarray(Image.fromarray(each).resize((SIDE, SIDE)), int) for each in pictures]
        self.frames = np.stack(small)

    def stands(self, frame=None):
        """Wait until the page says this frame, or any, and the screen shows just the one that it says."""
        end = time.monotonic() + PATIENCE_S
        while True:
            said, pixels = self.browser.run(SCREEN)
            seen = np.abs(self.frames - np.reshape(pixels, (SIDE, SIDE, 3))).mean(axis=(1, 2, 3)).argmin()
            if said == seen and frame in (None, said):
                return said
            assert time.monotonic() < end, f"the page says {said}, the screen shows {seen}, asked for was {frame}"

    def frame_at(self, time_s):
        return max(n for n, each in enumerate(self.times_s) if each <= time_s)


@pytest.mark.slow
@pytest.mark.parametrize("videos", ["numbered", pytest.param("real", marks=pytest.mark.fixtures)])
def test_what_a_model_found_is_watched_corrected_exported_and_trained_on(browser, tmp_path, request, videos):
    if videos == "real":
        found = write_real_trips(request.getfixturevalue("fixtures_dir"), tmp_path / "found")
        trip, hit_s, cited_s = "collision_000001", 3.2, 2.1
    else:
        found, (trip, hit_s, cited_s) = write_numbered_trips(tmp_path), ("uneven", 5.2, 3.1)
    path = json.loads((next(found.glob(f"*{trip}*")) / "events.json").read_text())["files"][0]["path"]
    video, store = Watched(browser, Path(path)), tmp_path / "review.sqlite3"
    with review_server(found, store=store) as address:
        correct(browser, address, trip, video, hit_s, cited_s)

    autodrive("review", "export", store, "--out", tmp_path / "catalog")
    events = records(tmp_path / "catalog" / "events.jsonl")
    assert sorted(each["event_class"] for each in events) == ["collision", "near_collision", "near_collision"]
    autodrive("clips", tmp_path / "catalog", "--out", tmp_path / "clips", "split={train: 1, validation: 0, test: 0}")
    autodrive("supervise", tmp_path / "clips", "--out", tmp_path / "supervision", "vqa_per_clip=1")
    train = ("train", tmp_path / "supervision", "--model", saved_tiny_model("qwen3_vl"), "--out", tmp_path / "trained")
    autodrive(*train, "batch_size=1")
    assert len(records(tmp_path / "trained" / "log.jsonl")) == 3


def correct(browser, address, trip, video, hit_s, cited_s):
    """Review all items of a folder, as a reviewer does."""
    item = item_of(address, trip)
    browser.open(f"{address}/")
    browser.until("document.querySelector('#acts button')")
    browser.run("document.querySelector('select[name=class]').value = 'collision'")
    browser.run("document.querySelector('#filters button[type=submit]').click()")
    browser.until("location.search.includes('class=collision') && document.querySelector('#acts button')")
    browser.run(f"document.querySelector('#rows a[href*=\"{item}\"]').focus()")
    browser.press("Enter")
    browser.until(f"location.pathname.endsWith('{item}') && {READY}")
    browser.press("]")
    hit = video.stands(video.frame_at(hit_s))
    for key, frame in ((",", hit - 1), (",", hit - 2), (".", hit - 1), (".", hit), (".", hit + 1)):
        browser.press(key)
        video.stands(frame)
    browser.run("document.querySelectorAll('.cite')[0].click()")
    cited = video.stands(video.frame_at(cited_s))
    browser.press(" ")
    browser.until(f"document.querySelector('video').currentTime > {video.times_s[cited + 2]}")
    browser.press("k")
    assert video.stands() > cited

    before = api(address, item)["current"]
    browser.press("]")
    video.stands(hit)
    browser.press("2", "m")
    browser.until("document.activeElement.dataset.edge === 'time_s'")
    browser.press("ArrowLeft")
    video.stands(hit - 1)
    browser.press("c")
    browser.until("document.activeElement.name === 'reason'")
    browser.type("no contact")
    browser.press("Enter")
    status(browser, "Changed: Near-Collision")
    assert api(address, item)["current"]["time_s"] == pytest.approx(video.times_s[hit - 1])
    browser.press("u")
    status(browser, "Undone")
    assert api(address, item)["current"] == before

    first = browser.new_tab()
    opened(browser, address, trip)
    browser.press("2", "e")
    browser.type("they miss each other")
    browser.press("Enter")
    status(browser, "Changed: Near-Collision")
    browser.use(first)
    browser.press("c")
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('they miss each other')")
    browser.run("document.querySelector('[role=alert] button').click()")
    status(browser, "Their decision is shown")
    assert edge(browser, "time_s") == pytest.approx(hit_s)
    browser.press("c")
    status(browser, "Confirmed: Near-Collision")
    browser.open(f"{address}/queue?view=grid&reviewed=no")
    browser.until("document.querySelector('#acts button')")
    browser.press("A")
    status(browser, "2 confirmed.")
    assert ["409 (Conflict)" in each["text"] for each in browser.problems] == [True]  # of the first tab
