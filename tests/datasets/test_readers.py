"""The readers of the formats: labels, times and ids come out right, and nothing is lost without a word."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips.catalogs import encounter, scenario
from vlm_autodrive.datasets import ImportSettings
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.datasets.nexar import read_nexar
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata

HEADER = "file_name,time_of_event,time_of_alert,light_conditions,weather,scene,time_to_accident\n"


def nexar(root, **tables):
    """A hub layout: ``train_positive="00042.mp4,19.5,18.6,Dark,,Urban,"`` lines under the header."""
    for name, lines in tables.items():
        split, label = name.rsplit("_", 1)
        folder = root / split.replace("_", "-") / label
        folder.mkdir(parents=True)
        (folder / "metadata.csv").write_text(HEADER + lines)
        for line in lines.splitlines():
            (folder / line.split(",")[0]).touch()
    return root


def read(root, overlay=None):
    return read_nexar(root, ImportSettings(overlay=overlay and str(overlay)))


def by_id(reading):
    return {v.video_id: v for v in reading.videos}


def complaints(reading):
    return [(i.line, i.field, i.rejected) for i in reading.issues]


def test_nexar_layout(tmp_path):
    nexar(
        tmp_path,
        train_positive="00042.mp4,19.5,18.633,Dark,,Urban,\n00100.mp4,3.2,,Normal,Rain,Rural,\n",
        train_negative="00007.mp4,,,Normal,Clear,Urban,\n",
        test_public_positive="00500.mp4,,,Dark,Clear,Urban,0.5\n",
    )
    reading = read(tmp_path)
    videos = by_id(reading)
    assert list(videos) == ["00042", "00100", "00007", "00500"]
    assert [v.positive for v in reading.videos] == [True, True, False, True]
    assert videos["00042"].incident == IncidentMetadata(light="dark", scene="urban")
    assert not any(video.metadata for video in reading.videos)
    assert videos["00500"].split == "test-public"
    assert [(e.video_id, e.time_s, e.alert_time_s, e.event_class, e.ego_involved) for e in reading.events] == [
        ("00042", 19.5, 18.633, None, None),
        ("00100", 3.2, None, None, None),
        ("00500", None, None, None, None),
    ]
    assert complaints(reading) == []  # a test clip ends before its event, and says how long before
    assert (reading.rows, reading.rejected) == (4, 0)
    assert videos["00042"].source_id == "nexar:00042"


def test_nexar_without_optional_column_table_or_folders(tmp_path):
    folder = tmp_path / "train" / "negative"
    folder.mkdir(parents=True)
    (folder / "metadata.csv").write_text("weather,file_name\nRain,00001\n")
    (folder / "00001.mp4").touch()
    (folder / "00002.mp4").touch()
    reading = read(tmp_path)
    assert {v.video_id: v.incident.weather for v in reading.videos} == {"00001": "rain", "00002": None}
    assert [i.value for i in reading.issues] == ["00002.mp4"]
    with pytest.raises(UserError, match="test-public"):
        read(folder)


def test_overlay_names_the_kinds(tmp_path):
    lines = "".join(f"{i:05d}.mp4,{i}.5,,,,,\n" for i in range(1, 7))
    nexar(tmp_path, train_positive=lines, train_negative="00100.mp4,,,,,,\n00101.mp4,,,,,,\n")
    (tmp_path / "overlay.csv").write_text(
        "id,class\n00001,Collision\nnexar_00002.mp4,near miss\n00003,colision\n4,collision\n00005,normal\n"
        "00006,collision\n00006,near_collision\n00100,normal\n00101,collision\n"
    )
    reading = read(tmp_path)
    classes = {e.video_id: e.event_class for e in reading.events}
    assert classes == {
        "00001": "collision", "00002": "near_collision", "00003": None, "00004": "collision", "00005": None,
        "00006": None,
    }  # fmt: skip
    videos = by_id(reading)
    assert "overlay says Normal" in videos["00005"].problem
    assert "overlay says Collision" in videos["00101"].problem
    assert videos["00100"].problem == videos["00001"].problem == ""
    rejected = {i.line: i.message for i in reading.issues if i.rejected}
    assert set(rejected) == {4, 7, 8}
    assert "did you mean collision" in rejected[4]
    assert ["taken for 00004" in i.message for i in reading.issues if i.line == 5] == [True]
    assert reading.spellings["near miss", "Near-Collision"] == 1
    assert (reading.rows, reading.rejected) == (17, 3)


def test_rows_that_cannot_be_taken(tmp_path):
    nexar(
        tmp_path,
        train_positive="a.mp4,-4,,,,,\nb.mp4,5,7,,,,\nc.mp4,soon,,,,,\n",
        train_negative="d.mp4,4.5,,,,,\ne.mp4,,,,,,\n",
    )
    with (tmp_path / "train" / "positive" / "metadata.csv").open("a") as stream:
        stream.write("../negative/e.mp4,4,,,,,\nb.mp4,9,,,,,\n,3,,,,,\ngone.mp4,3,,,,,\n")
    reading = read(tmp_path)
    assert {v.video_id: bool(v.problem) for v in reading.videos} == {
        "a": False, "b": False, "c": False, "gone": False, "d": True, "e": False,
    }  # fmt: skip
    assert {(e.video_id, e.time_s, e.alert_time_s) for e in reading.events} == {("b", 5, None), ("gone", 3, None)}
    rejected = sorted((i.line, i.field) for i in reading.issues if i.rejected)
    assert rejected == [
        (2, "event_time_s"), (2, "event_time_s"), (4, "event_time_s"),
        (5, "file_name"), (6, "file_name"), (7, "file_name"),
    ]  # fmt: skip
    assert reading.rows - reading.rejected == 3  # b, gone, e


def test_same_name_in_two_folders_stays_two_videos(tmp_path):
    reading = read(nexar(tmp_path, train_positive="1.mp4,5,,,,,\n", test_public_negative="1.mp4,,,,,,\n"))
    assert {v.video_id: v.positive for v in reading.videos} == {"1": True, "test-public-negative-1.mp4": False}
    assert [e.video_id for e in reading.events] == ["1"]


def test_simulated_set_brings_its_truth(tmp_path):
    nexar(tmp_path, train_positive="s1.mp4,7,6,,,,\n", train_negative="s2.mp4,,,,,,\n")
    (tmp_path / "overlay.csv").write_text("id,class\ns1,near_collision\n")
    truth = [scenario(n, 14, encounter(7), triplet_id="t1") for n in ("s1", "s2")]
    (tmp_path / "truth.jsonl").write_text("".join(s.model_dump_json() + "\n" for s in truth))
    reading = read(tmp_path)
    assert reading.scenarios == truth
    assert {(v.group_id, v.triplet_id, v.source) for v in reading.videos} == {("t1", "t1", "simulated")}
    (event,) = reading.events
    assert (event.event_class, event.ego_involved) == ("near_collision", True)


def manifest(root, text, name="manifest.csv"):
    (root / name).write_text(text)
    return read_manifest(root / name, ImportSettings())


def test_manifest(tmp_path):
    reading = manifest(
        tmp_path,
        "video,class,event_time_s,alert_time_s,ego_involved,drive,weather\n"
        "d/00042.mp4,collision,\"12,5\",11,yes,d1,Rain\nd/00042.mp4,near-miss,40,,no,d1,Rain\n"
        "d/2.mp4,normal,,,,d1,\nd/3.mp4,,8,,,,\nd/4.mp4,,,,,,\n",
    )  # fmt: skip
    assert [(v.video_id, v.positive, v.group_id) for v in reading.videos] == [
        ("00042", True, "d1"), ("2", False, "d1"), ("3", True, "3"), ("4", None, "4"),
    ]  # fmt: skip
    assert reading.videos[0].path == str(tmp_path / "d" / "00042.mp4")
    assert (reading.videos[0].incident, reading.videos[0].metadata) == (IncidentMetadata(weather="rain"), {})
    assert [(e.video_id, e.event_class, e.time_s, e.alert_time_s, e.ego_involved) for e in reading.events] == [
        ("00042", "collision", 12.5, 11, True),
        ("00042", "near_collision", 40, None, False),
        ("3", None, 8, None, None),
    ]
    assert len({e.event_id for e in reading.events}) == 3
    assert (reading.issues, reading.rows) == ([], 5)


def test_manifest_rows_that_cannot_be_taken(tmp_path):
    reading = manifest(
        tmp_path,
        "video,class,event_time_s,ego_involved\n"
        "../out.mp4,collision,1,\n/etc/a.mp4,collision,1,\n,collision,1,\n"
        "a.mp4,colision,1,\nb.mp4,normal,4,\nc.mp4,collision,nan,\nd.mp4,collision,4,perhaps\n"
        "e.mp4,normal,,\ne.mp4,collision,3,\nf.mp4,collision,3,\nf.mp4,collision,3,\nf.mp4,near-miss,3,\n",
    )
    videos = by_id(reading)
    assert list(videos) == ["a", "b", "c", "d", "e", "f"]
    assert {name for name, v in videos.items() if v.problem} == {"a", "b", "e", "f"}
    rejected = {i.line: i.message for i in reading.issues if i.rejected}
    assert set(rejected) == {2, 3, 4, 5, 6, 10, 12, 13}
    assert "did you mean collision" in rejected[5]
    assert "out of the manifest's folder" in rejected[2]
    assert "contradicts line 9" in rejected[10]
    assert [(e.video_id, e.time_s, e.ego_involved) for e in reading.events] == [
        ("c", None, None),
        ("d", 4, None),
        ("f", 3, None),
    ]
    assert reading.rows - reading.rejected == 4


def test_manifest_ids_stay_unique(tmp_path):
    reading = manifest(tmp_path, "video,class\nx/1.mp4,normal\ny/1.mp4,normal\n2.mp4,normal\n")
    assert [v.video_id for v in reading.videos] == ["x-1.mp4", "y-1.mp4", "2"]
    with pytest.raises(UserError, match="holds no manifest"):
        (tmp_path / "empty").mkdir()
        read_manifest(tmp_path / "empty", ImportSettings())


cell = st.sampled_from(
    ["", "collision", "normal", "near", "3", "4,5", "-1", "nan", "x/../../y", "a.mp4", "b.mp4", "inf", "yes"]
)


@given(st.lists(st.tuples(st.sampled_from(["a.mp4", "b.mp4", "../c.mp4", ""]), cell, cell, cell, cell), max_size=10))
def test_imported_and_rejected_are_all_rows(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("m") / "manifest.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("video", "class", "event_time_s", "alert_time_s", "ego_involved"), *rows])
    reading = read_manifest(path, ImportSettings())
    kept = {line: row for line, row in enumerate(rows, start=2) if any(row)}
    assert reading.rows == len(kept)
    rejected = {i.line for i in reading.issues if i.rejected}
    told = {row.line for row in reading.rows_of_events.values()}
    assert len(told) == len(reading.events)
    assert not told & rejected
    assert all(kept[line][1] in ("normal", "", "nan") for line in kept.keys() - told - rejected)
    assert all(i.message and i.file for i in reading.issues)
    ids = {v.video_id for v in reading.videos}
    assert ids <= {"a", "b"}
    assert all(e.video_id in ids and e.event_class != "normal" for e in reading.events)


@pytest.mark.fixtures
def test_real_nexar_tables(fixtures_dir, tmp_path):
    rows = list(csv.DictReader((fixtures_dir / "annotations" / "nexar-kaggle" / "train.csv").open()))
    positives = [r for r in rows if r["target"] == "1"]
    for label, wanted in (("positive", positives), ("negative", [r for r in rows if r["target"] == "0"])):
        folder = tmp_path / "train" / label
        folder.mkdir(parents=True)
        lines = "".join(f"{r['id']}.mp4,{r['time_of_event']},{r['time_of_alert']},,,,\n" for r in wanted)
        (folder / "metadata.csv").write_text(HEADER + lines)
    overlay = next((fixtures_dir / "annotations" / "nexar-collision-or-near-miss").glob("*.csv"))
    reading = read(tmp_path, overlay)
    assert len(reading.videos) == 1500
    assert len(reading.events) == 750
    assert {e.video_id: e.time_s for e in reading.events} == {r["id"]: float(r["time_of_event"]) for r in positives}
    assert [sum(e.event_class == name for e in reading.events) for name in ("collision", "near_collision", None)] == [
        97,
        109,
        544,
    ]
    assert reading.rejected == 0
