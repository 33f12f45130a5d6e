"""``autodrive demo``: the shipped model finds the events of the shipped drives, and the page shows them."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.review.asking import ask, ask_json
from tests.review.serving import review_server
from vlm_autodrive.artifacts import read_taxonomy
from vlm_autodrive.cli import demo as demo_verb
from vlm_autodrive.cli.main import app
from vlm_autodrive.detection.ground_truth import read_ground_truth
from vlm_autodrive.models import TINY_SIMULATED, read_card, resolve_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of the demo, and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "found"
    done = CliRunner().invoke(app, ["demo", "--no-page", "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out, done.stdout, done.stderr


def events_of(out, drive):
    return json.loads((out / f"simulated_drives_{drive}" / "events.json").read_text())["events"]


def test_every_event_of_both_drives_is_found_and_nothing_else(found):
    out, told, _ = found
    truths = read_ground_truth(demo_verb.TRUTH, read_taxonomy(out))
    assert len(truths) == 2
    for video, events in truths.items():
        times = [each["time_s"] for each in events_of(out, video.split("/")[-1].removesuffix(".mp4"))]
        assert times == pytest.approx([event.time_s for event in events], abs=1.5)
    assert "4 of 4 events were found, within 1.5 s, with no false alarm; each as its class." in " ".join(told.split())


def test_it_says_what_was_found_that_all_is_simulated_and_what_to_do_next(found):
    _, told, noted = found
    assert told.startswith("Everything here is simulated")
    assert re.search(
        r"^drive-1, 1:00 long: collision at 0:1\S+ \(\d\.\d\d\), near-collision at 0:4", told, re.MULTILINE
    )
    assert re.search(r"^drive-2, 1:00 long: near-collision at 0:1\S+ \(\d\.\d\d\), near-col", told, re.MULTILINE)
    assert "autodrive detect trips" in told and "autodrive run own" in told
    assert "trained on simulated video only" in noted


def test_the_review_page_shows_them_with_their_video(found):
    out, _, _ = found
    with review_server(out) as address:
        queue = ask(address, "/queue")[2].decode()
        items = set(re.findall(r"/items/(\w{16})", queue))
        assert len(items) == 4
        item = ask_json(address, f"/api/items/{items.pop()}")[1]
        media = ask_json(address, f"/api/media/{item['media'][0]['media_id']}")[1]
        assert (media["state"], media["proxy"]) == ("ready", False)
        assert ask(address, media["url"], headers={"range": "bytes=0-99"})[0] == 206


def test_a_second_call_searches_nothing_and_serves_the_page(found, monkeypatch):
    out, told, _ = found
    served = []
    monkeypatch.setattr("vlm_autodrive.engines.local.load_engine", lambda model: pytest.fail(f"{model} was loaded"))
    monkeypatch.setattr(demo_verb, "review", lambda path, **options: served.append((path, options)))
    done = CliRunner().invoke(app, ["demo", "--no-open", "--out", str(out)])
    assert (done.exit_code, served) == (0, [(out, {"port": 0, "open_": False, "queue": "view=grid"})])
    assert done.stdout == told.split("What was found")[0]


def test_without_the_packages_of_the_page_it_says_how_to_get_them(found, monkeypatch):
    monkeypatch.setattr(demo_verb, "has_server", lambda: False)
    done = CliRunner().invoke(app, ["demo", "--out", str(found[0])])
    assert done.exit_code == 0
    assert f"{found[0] / 'index.html'}\n" in done.stdout and "pip install" in done.stdout


def test_what_lies_there_from_another_model_is_not_replaced_unasked(found, tmp_path):
    out = tmp_path / "found"
    drive = str(demo_verb.DRIVES / "drive-1.mp4")
    CliRunner().invoke(app, ["detect", drive, "--model", "tiny-base", "reasoning=false", "--out", str(out)])
    done = CliRunner().invoke(app, ["demo", "--no-page", "--out", str(out)])
    assert done.exit_code == 1
    assert "--overwrite" in done.stderr


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "taken").touch()
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        done = CliRunner().invoke(app, ["demo", "--no-page", "--out", str(out)])
        assert done.exit_code == 1
        assert done.stderr.splitlines()[-1].startswith(f"autodrive: {out} cannot be made, since a file")


def test_the_model_tells_what_it_is_and_how_it_is_to_be_run():
    card = read_card(TINY_SIMULATED)
    assert (card.name, card.base, card.training) == (TINY_SIMULATED, "tiny-base", "trained on simulated video only")
    assert card.window_s == card.calibration.window_s == 4.8
    assert card.sampling == read_card("tiny-base").sampling
    assert card.calibration.point() is not None and card.calibration.temperature is not None
    size = sum(path.stat().st_size for name in ("tiny-base", TINY_SIMULATED) for path in folder(name).iterdir())
    assert size < 20e6
    assert not [path for path in folder(TINY_SIMULATED).iterdir() if "/work" in path.read_text(errors="ignore")]


def folder(model):
    return Path(resolve_model(model))
