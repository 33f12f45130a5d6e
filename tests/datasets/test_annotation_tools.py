"""Segments labelled in VIA, Label Studio and FiftyOne become events, by files in the tools' documented forms."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.artifacts import read_data_sets, read_events, read_videos
from vlm_autodrive.artifacts.files import read_issues
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.fiftyone_labels import read_fiftyone
from vlm_autodrive.datasets.label_studio import read_label_studio
from vlm_autodrive.datasets.via import read_via
from vlm_autodrive.errors import UserError
from vlm_autodrive.settings import parse_settings

ATTRIBUTES = {
    "1": {"aname": "event", "type": 4, "options": {"0": "Collision", "1": "near miss", "2": "Normal", "3": "bump"}},
    "2": {"aname": "remark", "type": 1, "options": {"default": ""}},
}


def settings(**segments):
    return parse_settings(ImportSettings, {"segments": segments}, "here")


def events(reading):
    return [(event.video_id, event.event_class, event.time_s) for event in reading.events]


def positives(reading):
    return {video.video_id: video.positive for video in reading.videos}


def told(reading):
    return [(issue.line, issue.rejected, issue.message) for issue in reading.issues]


def via(folder, *rows, attributes=ATTRIBUTES, name="export.csv"):
    """Rows of a file, times and values, below the comments that VIA 3 writes."""
    stream = io.StringIO()
    stream.write("# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)\n# Notes:\n")
    stream.write('# SHAPE_ID = {"POINT":1}\n# FLAG_ID = {"RESERVED_FOR_FUTURE":1}\n')
    if attributes is not None:
        stream.write(f"# ATTRIBUTE = {json.dumps(attributes)}\n")
    stream.write("# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n")
    for number, (file, times, values) in enumerate(rows):
        files = file if isinstance(file, list) else [file]
        cells = [f"1_{number}", json.dumps(files), "0", json.dumps(times), "[]", json.dumps(values)]
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerow(cells)
    (folder / name).write_text(stream.getvalue(), encoding="utf-8")
    return folder / name


def test_via_segments_and_moments(tmp_path):
    path = via(
        tmp_path, ("a.mp4", [1.5, 4.25], {"1": "0"}), ("a.mp4", [9.0], {"1": "1", "2": "a dog, perhaps"}),
        ("b.mp4", [0, 8.5], {"1": "2"}),
    )  # fmt: skip
    reading = read_via(path, ImportSettings())
    assert events(reading) == [("a", "collision", 1.5), ("a", "near_collision", 9.0)]
    assert positives(reading) == {"a": True, "b": False}
    assert (reading.issues, reading.rows, reading.rejected) == ([], 3, 0)
    assert dict(reading.spellings) == {
        ("Collision", "Collision"): 1, ("near miss", "Near-Collision"): 1, ("Normal", "Normal"): 1,
    }  # fmt: skip
    assert events(read_via(tmp_path, settings(event_at="end")))[0] == ("a", "collision", 4.25)
    assert events(read_via(tmp_path, settings(event_at="middle")))[0] == ("a", "collision", 2.875)


def test_via_rows_that_cannot_be_taken(tmp_path):
    path = via(
        tmp_path, ("a.mp4", [1.5], {"1": "3"}), (["a.mp4", "b.mp4"], [1], {"1": "0"}), ("", [1], {"1": "0"}),
        ("d.mp4", [3, 2], {"1": "0"}), ("d.mp4", [1, 2, 3], {"1": "0"}), ("d.mp4", ["x"], {"1": "0"}),
        ("e.mp4", [1], {}), ("e.mp4", [1], {"1": "0", "2": "normal"}), ("f.mp4", [2], {"1": "0"}),
        ("f.mp4", [2], {"1": "0"}), ("f.mp4", [2], {"1": "1"}),
    )  # fmt: skip
    reading = read_via(path, ImportSettings())
    words = {
        7: "'bump': no class of that name", 8: "a list of one file", 9: "below the folder of the videos",
        10: "from 3 to 2 s cannot be", 11: "neither [], [t] nor", 12: "neither [], [t] nor", 13: "no label",
        14: "labels of several classes, Collision, normal", 16: "line 15 says the same", 17: "line 15 says collision",
    }  # fmt: skip
    assert [(line, rejected) for line, rejected, _ in told(reading)] == [(line, True) for line in words]
    assert [words[line] in message for line, _, message in told(reading)] == [True] * len(words)
    assert "map the label by segments.class_map" in told(reading)[0][2]
    assert {video.video_id: video.problem for video in reading.videos} == {
        "a": "a label of it is not understood", "d": "a label of it is not understood",
        "e": "a label of it is not understood", "f": "its labels contradict each other",
    }  # fmt: skip
    assert (reading.rows, reading.rejected) == (11, 10)


def test_via_without_the_meaning_of_its_numbers_and_its_older_form(tmp_path):
    path = via(tmp_path, ("a.mp4", [1.5], {"1": "7"}), ("b.mp4", [2], {"1": "8"}), attributes=None)
    [first, _] = told(read_via(path, ImportSettings()))
    assert "'1=7'" in first[2]
    mapped = read_via(path, settings(class_map={"1=7": "crash", "1=8": ""}))
    assert (events(mapped), mapped.issues) == ([("a", "collision", 1.5)], [])
    assert positives(mapped) == {"a": True, "b": None}
    old = tmp_path / "old.csv"
    old.write_text(
        "# Exported using VGG Image Annotator\n"
        "# CSV_HEADER = metadata_id, file_list, temporal_segment_start, temporal_segment_end, metadata\n"
        '1_0,"[""c.mp4""]",2.5,4.5,"{""1"":""Crash""}"\n'
    )
    assert events(read_via(old, settings(class_map={"1=Crash": "collision"}))) == [("c", "collision", 2.5)]
    with pytest.raises(UserError, match=r"2 CSV files; name the one"):
        read_via(tmp_path, ImportSettings())
    with pytest.raises(UserError, match="export the annotations as CSV"):
        read_via(studio(tmp_path), ImportSettings())


def test_labels_of_the_whole_video(tmp_path):
    """One beside a timed segment of its class adds nothing; one that denies any event contradicts it."""
    path = via(
        tmp_path, ("a.mp4", [], {"1": "0"}), ("a.mp4", [3], {"1": "0"}), ("b.mp4", [], {"1": "2"}),
        ("b.mp4", [3], {"1": "0"}), ("c.mp4", [], {"1": "0"}),
    )  # fmt: skip
    reading = read_via(path, ImportSettings())
    assert events(reading) == [("a", "collision", 3), ("b", "collision", 3), ("c", "collision", None)]
    assert {video.video_id: video.problem for video in reading.videos} == {
        "a": "", "b": "its labels contradict each other", "c": "",
    }  # fmt: skip
    assert [(line, "whole video" in message or "without a time" in message) for line, _, message in told(reading)] == [
        (9, True), (11, True),
    ]  # fmt: skip


def region(label, start, end):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"id": "r", "type": "timelinelabels", "from_name": "tl", "to_name": "video", "value": value}


def task(video, *regions, **changes):
    annotation = {"id": 1, "result": list(regions), "was_cancelled": False, "ground_truth": False}
    return {"id": 7, "data": {"video": video}, "annotations": [annotation], "predictions": []} | changes


def studio(folder, *tasks):
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder / "export.json"


BOX = {"type": "videorectangle", "value": {"labels": ["car"], "sequence": [], "framesCount": 100, "duration": 4}}
KIND = {"type": "choices", "from_name": "kind", "to_name": "video", "value": {"choices": ["Normal"]}}
SECONDS = {"type": "labels", "value": {"start": 2.5, "end": 4, "channel": 0, "labels": ["near-miss"]}}


def test_label_studio_frames_seconds_and_labels_of_whole_videos(tmp_path):
    (tmp_path / "b.mp4").touch()
    path = studio(
        tmp_path,
        task("/data/upload/3/0a1b2c3d-b.mp4", region("Collision", 26, 51), region("near-miss", 251, 300), BOX),
        task("/data/local-files/?d=clips/c.mp4", SECONDS), task("https://host/x/d.mp4?token=1", KIND),
        task("e.mp4"), task("f.mp4", annotations=[]),
    )  # fmt: skip
    reading = read_label_studio(path, settings(frames_per_second=25))
    assert events(reading) == [("b", "collision", 1.0), ("b", "near_collision", 10.0), ("c", "near_collision", 2.5)]
    assert positives(reading) == {"b": True, "c": True, "d": False, "e": None, "f": None}
    assert (reading.issues, reading.rows) == ([], 5)
    assert [video.path.removeprefix(f"{tmp_path}/") for video in reading.videos[:3]] == [
        "b.mp4", "clips/c.mp4", "x/d.mp4",
    ]  # fmt: skip
    reviewed = read_label_studio(path, settings(frames_per_second=25, empty_is_normal=True))
    assert positives(reviewed) == {"b": True, "c": True, "d": False, "e": False, "f": None}


def test_label_studio_asks_for_the_frame_rate_that_its_export_does_not_say(tmp_path):
    path = studio(tmp_path, task("a.mp4", region("Collision", 31, 41)))
    with pytest.raises(UserError, match=r"set segments\.frames_per_second to the frameRate"):
        read_label_studio(path, ImportSettings())
    own = studio(tmp_path, task("a.mp4", region("Collision", 31, 41), data={"video": "a.mp4", "fps": 30}))
    assert events(read_label_studio(own, ImportSettings())) == [("a", "collision", 1.0)]


def test_label_studio_takes_one_annotation_of_one_task(tmp_path):
    def made(start, **more):
        return {"result": [region("Collision", start, start)], "was_cancelled": False} | more

    path = studio(
        tmp_path,
        task("a.mp4", annotations=[made(11, updated_at="2026-02"), made(21, updated_at="2026-03")]),
        task("b.mp4", annotations=[made(31, ground_truth=True), made(41, updated_at="2026-03")]),
        task("c.mp4", annotations=[made(51, was_cancelled=True)], predictions=[made(61)]),
        task("a.mp4", region("Normal", 1, 9)),
        "x", task("", region("Normal", 1, 9)), task("d.mp4", region("bump", 1, 2), region("Collision", 11, 12)),
        task("e.mp4", region("Collision", "x", 3)),
        {"id": 9, "video": "/data/upload/f.mp4", "tl": [region("crash", 71, 80)["value"]], "annotator": 1},
    )  # fmt: skip
    reading = read_label_studio(path, settings(frames_per_second=10))
    assert events(reading) == [
        ("a", "collision", 2.0), ("b", "collision", 3.0), ("d", "collision", 1.0), ("f", "collision", 7.0),
    ]  # fmt: skip
    words = [
        (1, False, "2 annotations; the latest"), (2, False, "2 annotations; the ground truth"),
        (3, False, "predictions of a model"), (4, True, "entry 1 is of the same video"), (5, True, "no task"),
        (6, True, "no task"), (7, False, "'bump': no class"), (8, False, "'x', which is no number"),
    ]  # fmt: skip
    assert [(line, rejected) for line, rejected, _ in told(reading)] == [(line, left) for line, left, _ in words]
    assert [text in message for (_, _, text), (_, _, message) in zip(words, told(reading), strict=True)] == [True] * 8
    assert {video.video_id for video in reading.videos if video.problem} == {"d", "e"}
    assert positives(reading)["c"] is None
    assert (reading.rows, reading.rejected) == (9, 3)


def fiftyone(folder, labels, classes=None, **data):
    (folder / "labels.json").write_text(json.dumps({"classes": classes, "labels": labels}))
    if data:
        (folder / "data.json").write_text(json.dumps(data))
    return folder


def test_fiftyone_indexes_texts_frames_and_timestamps(tmp_path, make_video):
    (tmp_path / "data" / "trip").mkdir(parents=True)
    make_video("data/trip/a.mp4", count=60)  # 10 frames a second
    classes = ["Normal", "collision", "near miss"]
    labels = {
        "trip/a": [{"label": 1, "support": [21, 30]}, {"label": 2, "timestamps": [5.25, 5.5], "confidence": 0.5}],
        "b": [{"label": 1, "timestamps": ["00:01:02.5", "00:01:03"]}],
        "c": [{"label": 0, "timestamps": [0, 3]}],
        "d": None,
        "e": [],
    }
    reading = read_fiftyone(fiftyone(tmp_path, labels, classes, b="clips/b.avi"), ImportSettings())
    assert events(reading) == [("a", "collision", 2.0), ("a", "near_collision", 5.25), ("b", "collision", 62.5)]
    assert positives(reading) == {"a": True, "b": True, "c": False, "d": None, "e": None}
    assert {video.video_id: video.path.removeprefix(f"{tmp_path}/") for video in reading.videos} == {
        "a": "data/trip/a.mp4", "b": "clips/b.avi", "c": "data/c.mp4", "d": "data/d.mp4", "e": "data/e.mp4",
    }  # fmt: skip
    assert (reading.issues, reading.rows) == ([], 5)
    assert positives(read_fiftyone(tmp_path, settings(empty_is_normal=True)))["e"] is False


def test_fiftyone_frames_need_the_video_or_the_rate(tmp_path):
    labels = {"a": [{"label": "Collision", "support": [31, 60]}], "b": [{"label": "Collision"}, 3]}
    reading = read_fiftyone(fiftyone(tmp_path, labels), ImportSettings())
    assert events(reading) == []
    assert ["put it there, or set" in told(reading)[0][2], "no detection with" in told(reading)[1][2]] == [True, True]
    assert all(video.problem for video in reading.videos)
    mended = read_fiftyone(tmp_path, settings(frames_per_second=30))
    assert events(mended) == [("a", "collision", 1.0)]
    (tmp_path / "labels.json").write_text('{"a": 1}')
    with pytest.raises(UserError, match="FiftyOneTemporalDetectionDataset"):
        read_fiftyone(tmp_path, ImportSettings())


def test_fiftyone_samples(tmp_path):
    detections = [{"_cls": "TemporalDetection", "label": "crash", "support": [26, 50]}]
    samples = [
        {"filepath": "data/a.mp4", "metadata": {"frame_rate": 25}, "tags": ["x"],
         "events": {"_cls": "TemporalDetections", "detections": detections}},
        {"filepath": "/elsewhere/b.mp4", "one": detections[0] | {"label": "normal"}, "boxes": {"_cls": "Detections"}},
        {"filepath": "data/c.mp4", "events": None},
        {"filepath": 3},
    ]  # fmt: skip
    (tmp_path / "samples.json").write_text(json.dumps({"samples": samples}))
    reading = read_fiftyone(tmp_path, settings(frames_per_second=None))
    assert events(reading) == [("a", "collision", 1.0)]
    assert positives(reading) == {"a": True, "b": None, "c": None}
    assert [(line, rejected) for line, rejected, _ in told(reading)] == [(2, False), (4, True)]
    assert reading.videos[1].path == str(tmp_path / "data" / "b.mp4")


def test_the_whole_import_and_its_settings(tmp_path, make_video):
    make_video("a.mp4", count=60)
    via(tmp_path, ("a.mp4", [1.5, 2.5], {"1": "3"}), ("a.mp4", [99], {"1": "0"}), ("b.mp4", [1], {"1": "2"}))
    chosen = settings(class_map={"bump": "near_collision"}, event_at="end")
    out = import_dataset("via", tmp_path, tmp_path / "catalog", chosen)
    assert [(e.event_class, e.time_s) for e in read_events(out)] == [("near_collision", 2.5)]
    assert [(i.line, i.field, i.rejected) for i in read_issues(out)] == [(8, "event_time_s", True)]
    assert {v.video_id: v.problem for v in read_videos(out)} == {"a": "", "b": "the file does not exist"}
    [data_set] = read_data_sets(out)
    assert (data_set.name, data_set.rows, data_set.rejected) == ("VIA export.csv", 3, 1)
    with pytest.raises(UserError, match=r"segments are for via, label-studio, fiftyone, not for manifest"):
        import_dataset("manifest", tmp_path, tmp_path / "m", chosen)
    with pytest.raises(UserError, match=r"segments\.class_map: 'bang' is no class; the classes are collision"):
        settings(class_map={"bump": "bang"})


leaves = st.none() | st.booleans() | st.integers(-1, 99) | st.sampled_from(["Collision", "a.mp4", "b", "", "normal"])
keys = (
    "video", "data", "annotations", "result", "value", "ranges", "start", "end", "timelinelabels", "labels", "choices",
    "label", "support", "timestamps", "samples", "filepath", "events", "_cls", "detections", "classes", "file_list",
)  # fmt: skip
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4)
)


@given(st.lists(trees, max_size=4), st.dictionaries(st.sampled_from(["a", "b.mp4", "../c"]), trees, max_size=3))
def test_any_json_is_read_or_refused_and_every_entry_counted(tmp_path_factory, entries, labels):
    root = tmp_path_factory.mktemp("j")
    studio(root, *entries)
    reading = read_label_studio(root / "export.json", settings(frames_per_second=25))
    assert reading.rows == len(entries) >= reading.rejected
    assert {event.video_id for event in reading.events} <= {video.video_id for video in reading.videos}
    fiftyone(root, labels, ["Collision", "Normal"])
    assert read_fiftyone(root / "labels.json", ImportSettings()).rows == len(labels)
    (root / "samples.json").write_text(json.dumps({"samples": entries}))
    assert read_fiftyone(root / "samples.json", ImportSettings()).rows == len(entries)
    path = via(root, *[("a.mp4", tree, tree) for tree in entries], (["b.mp4"], [1], {"1": "0"}))
    reading = read_via(path, ImportSettings())
    assert reading.rows == len(entries) + 1
    assert reading.rejected >= len(entries) - sum(isinstance(tree, list | dict) for tree in entries)


@pytest.mark.parametrize(
    ("read", "section", "name", "expected"),
    [
        (read_via, "via", "e.csv", [("0007", "collision", 12.4), ("0007", "near_collision", 48.0)]),
        (read_label_studio, "label-studio", "e.json", [("0007", "collision", 12.4)]),
        (read_fiftyone, "fiftyone", "labels.json", [("0007", "collision", 14.88)]),
    ],
)
def test_the_examples_of_the_documentation(tmp_path, read, section, name, expected):
    text = (Path(__file__).parents[2] / "docs" / "data-formats.md").read_text(encoding="utf-8")
    (tmp_path / name).write_text(text.split(f"\n### {section}\n")[1].split("```")[1].partition("\n")[2])
    reading = read(tmp_path / name, settings(frames_per_second=25))
    assert (events(reading), reading.issues) == (expected, [])
