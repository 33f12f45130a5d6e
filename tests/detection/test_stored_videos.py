"""Detection in videos that lie on a store: equal to detection in the same local files."""

import json
from pathlib import Path

import pytest

from tests.detection.flashes import FlashEngine, write_drive
from vlm_autodrive.detection import DetectSettings, ShortListSettings, write_short_list
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.inputs import find_trips
from vlm_autodrive.detection.results import read_detections

SETTINGS = DetectSettings(eval_batch_size=4)


@pytest.fixture
def drives(store, tmp_path):
    """Two files of a dashcam that follow each other, and another video, in a folder and on the store."""
    folder = tmp_path / "trips"
    folder.mkdir()
    write_drive(folder / "20240101_120000_NF.mp4", 10, flashes=[9.9])
    write_drive(folder / "20240101_120010_NF.mp4", 10, flashes=[6.0])
    write_drive(folder / "other.mp4", 12, near=[5.0])
    for file in folder.iterdir():
        store.put(file, f"trips/{file.name}")
    store.put(folder / "other.mp4", "trips/.hidden.mp4")
    return folder, Path(f"{store.url}/trips")


def facts(found):
    return [
        (d.outcome, d.duration_s, [w.model_dump() for w in d.windows], [e.model_dump() for e in d.events])
        for d in found
    ]


def test_a_folder_on_a_store_is_searched_as_a_local_one(drives, tmp_path):
    local, stored = drives
    expected = detect_with_engine([local], FlashEngine(), tmp_path / "local", SETTINGS)
    found = detect_with_engine([stored], FlashEngine(), tmp_path / "stored", SETTINGS)
    assert len(found) == 2 and facts(found) == facts(expected)
    assert [file.path for each in found for file in each.files] == [
        f"s3://drives/trips/{name}" for name in ("20240101_120000_NF.mp4", "20240101_120010_NF.mp4", "other.mp4")
    ]
    again = FlashEngine()
    assert facts(detect_with_engine([stored], again, tmp_path / "stored", SETTINGS)) == facts(found)
    assert not again.clips_seen and not again.traces_asked
    assert sorted(p.name for p in (tmp_path / "stored").glob("[!.]*/events.json")) == ["events.json"] * 2


def test_the_short_list_shows_and_cuts_what_lies_on_a_store(drives, tmp_path):
    detect_with_engine([drives[1]], FlashEngine(), tmp_path / "found", SETTINGS)
    events = sum(len(each.events) for each in read_detections(tmp_path / "found"))
    index = write_short_list(tmp_path / "found", ShortListSettings(clips=True))
    assert index.is_file() and len(list((tmp_path / "found" / "clips").glob("*.mp4"))) == events > 1
    rows = [json.loads(line) for line in (tmp_path / "found" / "events.jsonl").read_text().splitlines()]
    assert all("s3://drives/trips/" in json.dumps(row) for row in rows)


def test_what_is_missing_on_a_store_does_not_stop_the_rest(drives, store, tmp_path):
    videos = [Path(f"{store.url}/trips/none.mp4"), Path("s3://nowhere/a.mp4"), drives[1] / "other.mp4"]
    found = detect_with_engine(videos, FlashEngine(), tmp_path / "found", SETTINGS)
    assert [each.outcome for each in found] == ["error", "error", "ok"]
    assert ["bucket" in found[1].reason, "does not exist" in found[0].reason] == [True, True]
    assert len(read_detections(tmp_path / "found")) == 3


def test_an_empty_prefix_says_so(store, tmp_path):
    (trip,), _ = find_trips([Path(f"{store.url}/nothing")], SETTINGS, tmp_path)
    assert trip.problem == "the file does not exist"
