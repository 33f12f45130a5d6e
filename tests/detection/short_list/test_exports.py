"""What is written for annotation tools is read back by our own readers of these tools' exports.

`benchmarks/annotation_tools.py` has the tools themselves read it.
"""

import json

import pytest

from tests.detection.flashes import write_drive
from tests.detection.short_list.searched import event, write_trip
from vlm_autodrive.artifacts import read_events, read_videos
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.detection import ShortListSettings, write_short_list

WANTED = [("1.v2.mp4", "collision", 4.0), ("2.mp4", "near_collision", 1.5)]


@pytest.fixture
def exported(tmp_path):
    """Two files of one trip with an event in each, a quiet one, and one that has moved away since it was searched."""
    drives = tmp_path / "drives"
    drives.mkdir()
    out = tmp_path / "out"
    trip = [(write_drive(drives / "1.v2.mp4", 10), 10.0), (write_drive(drives / "2.mp4", 10), 10.0)]
    write_trip(out, "trip", trip, [event(4), event(11.5, "near_collision", reasoning="it brakes")])
    write_trip(out, "quiet", [(write_drive(drives / "quiet.mp4", 6), 6.0)])
    write_trip(out, "gone", [(drives / "gone.mp4", 6.0)], [event(3)])
    write_short_list(out, ShortListSettings(formats=("label-studio", "fiftyone")))
    return out, drives


def found(kind, source, catalog, drives):
    catalog = import_dataset(kind, source, catalog, ImportSettings(videos=str(drives), strict=True))
    names = {video.video_id: video.path.rpartition("/")[2] for video in read_videos(catalog)}
    assert sorted(names.values()) == ["1.v2.mp4", "2.mp4", "quiet.mp4"]
    return sorted((names[one.video_id], one.event_class, one.time_s) for one in read_events(catalog))


def assert_found(events):
    assert [one[:2] for one in events] == [one[:2] for one in WANTED]
    assert [one[2] for one in events] == pytest.approx([one[2] for one in WANTED], abs=0.1)


def test_fiftyone(exported, tmp_path):
    out, drives = exported
    assert_found(found("fiftyone", out / "fiftyone", tmp_path / "catalog", drives))
    content = json.loads((out / "fiftyone" / "labels.json").read_text())
    places = json.loads((out / "fiftyone" / "data.json").read_text())
    assert content["labels"].keys() == places.keys()
    assert not any("." in name for name in places)  # FiftyOne would cut the name off there
    (label,) = next(labels for labels in content["labels"].values() if labels and labels[0]["label"] == 1)
    assert label["attributes"]["reasoning"] == "it brakes"
    assert label["confidence"] == pytest.approx(0.9)


def test_label_studio(exported, tmp_path):
    out, drives = exported
    tasks = json.loads((out / "label-studio.json").read_text())
    assert not any(task.get("annotations") for task in tasks)  # a model's events are no labels until someone says so
    for task in tasks:  # as Label Studio makes an annotation of a prediction that a person submits
        task["annotations"] = [{"id": 1, "result": task["predictions"][0]["result"]}]
    (tmp_path / "submitted.json").write_text(json.dumps(tasks))
    assert_found(found("label-studio", tmp_path / "submitted.json", tmp_path / "catalog", drives))
    config = (out / "label-studio.xml").read_text()
    assert 'value="Near-Collision"' in config
    assert 'frameRate="$fps"' in config
