"""Nexar's Kaggle layout: ids keep their zeros, labels come from target, and every row is accounted for."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.artifacts import read_data_sets, read_events, read_videos
from vlm_autodrive.artifacts.files import read_issues
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.nexar_kaggle import read_nexar_kaggle
from vlm_autodrive.errors import UserError

HEADER = "id,time_of_event,time_of_alert,target\n"


def read(root, train=None, test=None):
    for name, text in (("train", train), ("test", test)):
        if text is not None:
            (root / f"{name}.csv").write_text(text)
    return read_nexar_kaggle(root, ImportSettings())


@pytest.mark.fixtures
def test_the_real_files(fixtures_dir, tmp_path):
    source = fixtures_dir / "annotations" / "nexar-kaggle"
    overlay = next((fixtures_dir / "annotations" / "nexar-collision-or-near-miss").glob("*.csv"))
    out = import_dataset("nexar-kaggle", source, tmp_path / "c", ImportSettings(overlay=str(overlay), strict=True))
    [data_set] = read_data_sets(out)
    assert (data_set.rows, data_set.imported, data_set.rejected) == (1500 + 1344 + 206, 3050, 0)
    rows = {row["id"]: row for row in csv.DictReader((source / "train.csv").open())}
    videos = {video.video_id: video for video in read_videos(out)}
    assert {name for name, video in videos.items() if video.split == "train"} == set(rows)
    assert {v.split: v.positive for v in videos.values()}["test"] is None
    assert all(video.positive == (rows[name]["target"] == "1") for name, video in videos.items() if name in rows)
    assert {v.problem for v in videos.values()} == {"the file does not exist"}
    assert videos["00822"].path == str(source / "train" / "00822.mp4")
    assert videos["00822"].source_id == "nexar:00822"
    events = {e.video_id: e for e in read_events(out)}
    assert len(events) == 750
    assert all(e.time_s == float(rows[name]["time_of_event"]) for name, e in events.items())
    assert all(e.alert_time_s == float(rows[name]["time_of_alert"]) for name, e in events.items())
    kinds = [e.event_class for e in events.values()]
    assert [kinds.count(kind) for kind in ("collision", "near_collision", None)] == [97, 109, 544]
    assert read_issues(out) == []


def test_ids_that_lost_their_zeros_are_mended_and_told(tmp_path):
    reading = read(tmp_path, HEADER + "822,19.5,18.6,1\n00042.mp4,,,0\n", "id\n204\n")
    assert [v.video_id for v in reading.videos] == ["00822", "00042", "00204"]
    assert [(i.line, i.value, i.rejected) for i in reading.issues] == [(2, "822", False), (2, "204", False)]
    assert reading.videos[0].path == str(tmp_path / "train" / "00822.mp4")


def test_rows_that_cannot_be_taken(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "00099.mp4").touch()
    lines = [
        "00001,5,4,1", "00001,5,4,1", "00002,5,4,1", "00002,,,0", "00003,5,4,2", "00004,5,,0", "00005,,,1",
        "abc,,,0", "123456,,,0", "00006,-3,,1", "00007,3,4,1",
    ]  # fmt: skip
    reading = read(tmp_path, HEADER + "\n".join(lines) + "\n", "id\n00001\n00008\n")
    rejected = {(i.file.rsplit("/", 1)[1], i.line, i.field) for i in reading.issues if i.rejected}
    assert rejected == {
        ("train.csv", 3, "id"), ("train.csv", 5, "id"), ("train.csv", 6, "target"), ("train.csv", 7, "event_time_s"),
        ("train.csv", 9, "id"), ("train.csv", 10, "id"), ("train.csv", 11, "event_time_s"), ("test.csv", 2, "id"),
    }  # fmt: skip
    assert {(e.video_id, e.time_s, e.alert_time_s) for e in reading.events} == {
        ("00001", 5, 4), ("00002", 5, 4), ("00005", None, None), ("00007", 3, None),
    }  # fmt: skip
    problems = {v.video_id: v.problem for v in reading.videos if v.problem}
    assert set(problems) == {"00002", "00003", "00004", "00099"}
    assert problems["00002"] == "its rows contradict each other"
    assert (reading.rows, reading.rejected) == (13, 8)


def test_a_folder_without_the_tables(tmp_path):
    with pytest.raises(UserError, match=r"neither train\.csv nor test\.csv"):
        read(tmp_path)
    with pytest.raises(UserError, match="no column target"):
        read(tmp_path, "id,time_of_event\n00001,3\n")


ids = st.sampled_from(["00001", "1", "00002", "", "x", "00003.mp4", "123456"])
times = st.sampled_from(["", "3", "-3", "nan", "x"])
targets = st.sampled_from(["0", "1", "", "2", "yes"])


@given(st.lists(st.tuples(ids, times, times, targets), max_size=10), st.lists(ids, max_size=5))
def test_every_row_is_accounted_for(tmp_path_factory, train, test):
    root = tmp_path_factory.mktemp("k")
    for name, header, rows in (("train", HEADER.strip().split(","), train), ("test", ["id"], [(one,) for one in test])):
        with (root / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
    reading = read_nexar_kaggle(root, ImportSettings())
    kept = sum(any(row) for row in train) + sum(map(bool, test))
    assert reading.rows == kept
    rejected = {(i.file, i.line) for i in reading.issues if i.rejected}
    assert reading.rejected == len(rejected)
    names = [v.video_id for v in reading.videos]
    assert len(set(names)) == len(names)
    for name, rows in (("train", [row[0] for row in train]), ("test", test)):
        for line, one in enumerate(rows, start=2):
            if one and (str(root / f"{name}.csv"), line) not in rejected:
                assert one.removesuffix(".mp4").zfill(5) in names
