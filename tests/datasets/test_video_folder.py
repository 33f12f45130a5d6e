"""Plain folders, several data sets in one catalog, and the manifest's own description."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vlm_autodrive.artifacts import read_data_sets, read_events, read_scenarios, read_videos
from vlm_autodrive.artifacts.files import read_issues
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.datasets.manifest_row import ManifestRow, schema_text
from vlm_autodrive.datasets.video_folder import read_video_folder
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata, incident_values

ROOT = Path(__file__).parents[2]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_folder_of_videos(tmp_path):
    touch(
        tmp_path, "a.mp4", "trip1/b.AVI", "trip1/c.mkv", "crash/d.mp4", "Near Miss/trip2/e.mp4", "normal/f.gif",
        "trip1/a.mp4", "notes.txt", ".cache/g.mp4",
    )  # fmt: skip
    reading = read_video_folder(tmp_path, ImportSettings())
    videos = {v.video_id: v for v in reading.videos}
    assert set(videos) == {"a.mp4", "trip1-a.mp4", "b", "c", "d", "e", "f"}
    assert {name: v.group_id for name, v in videos.items()} == {
        "a.mp4": "a.mp4", "trip1-a.mp4": "trip1", "b": "trip1", "c": "trip1", "d": "d", "e": "trip2", "f": "f",
    }  # fmt: skip
    assert {name for name, v in videos.items() if v.positive is None} == {"a.mp4", "trip1-a.mp4", "b", "c"}
    assert videos["f"].positive is False
    assert {(e.video_id, e.event_class, e.time_s) for e in reading.events} == {
        ("d", "collision", None),
        ("e", "near_collision", None),
    }
    assert sum("no time of the event" in i.message for i in reading.issues) == 2
    [left_out] = [i for i in reading.issues if "left out" in i.message]
    assert left_out.value == "1 .txt"
    assert (reading.rows, reading.rejected) == (7, 0)
    with pytest.raises(UserError, match="use the format manifest"):
        read_video_folder(tmp_path / "a.mp4", ImportSettings())


@pytest.mark.fixtures
def test_the_real_clips_as_a_plain_folder(fixtures_dir, tmp_path):
    out = import_dataset("video-folder", fixtures_dir / "videos", tmp_path / "catalog", ImportSettings())
    videos = read_videos(out)
    assert len(videos) == 17
    assert [v.video_id for v in videos if v.problem] == []
    assert all(v.duration_s and v.width and v.height for v in videos)
    assert [i.value for i in read_issues(out)] == ["1 .csv"]


def test_several_data_sets_share_a_catalog(tmp_path, make_video):
    make_video("one/a.mp4", count=60)
    make_video("two/a.mp4", count=60)
    for name, lines in (
        ("one", "a.mp4,crash,3\n"),
        ("two", "a.mp4,near-miss,2\n../one/a.mp4,normal,\nb.mp4,normal,\n"),
    ):
        (tmp_path / name / "manifest.csv").write_text("video,class,event_time_s\n" + lines)
    (tmp_path / "three.csv").write_text("video,class,event_time_s\none/a.mp4,near-miss,99\n")
    paths = [tmp_path / "one", tmp_path / "two", tmp_path / "three.csv"]
    out = import_dataset("manifest", paths, tmp_path / "catalog", ImportSettings())
    videos = {v.video_id: v for v in read_videos(out)}
    assert list(videos) == ["a", "manifest-manifest.csv-a", "b", "manifest-three.csv-a"]
    assert [v.group_id for v in videos.values()] == list(videos)
    assert "in the catalog already" in videos["manifest-three.csv-a"].problem
    assert {(e.video_id, e.event_class) for e in read_events(out)} == {
        ("a", "collision"),
        ("manifest-manifest.csv-a", "near_collision"),
    }
    counts = [(d.name, d.videos, d.rows, d.imported, d.rejected) for d in read_data_sets(out)]
    assert counts == [("manifest manifest.csv", 3, 4, 3, 1), ("manifest three.csv", 1, 1, 0, 1)]
    assert read_scenarios(out) == {}
    with pytest.raises(UserError, match="named twice"):
        import_dataset("manifest", [tmp_path / "one"] * 2, tmp_path / "x", ImportSettings())
    with pytest.raises(UserError, match="gone does not exist"):
        import_dataset("manifest", [tmp_path / "one", tmp_path / "gone"], tmp_path / "x", ImportSettings())


def test_rows_of_one_video_may_say_more_of_it_each(tmp_path):
    (tmp_path / "manifest.csv").write_text(
        "video,class,event_time_s,drive,source_id,weather\n"
        "a.mp4,crash,3,,,Rain\na.mp4,crash,9,d7,dota:x1,Rain\nb.mp4,normal,,,x1,\n"
    )
    reading = read_manifest(tmp_path, ImportSettings())
    first, second = reading.videos
    assert (first.group_id, first.source_id, first.incident.weather) == ("d7", "dota:x1", "rain")
    assert (second.group_id, second.source_id) == ("b", None)
    assert [(i.line, i.field, i.value, i.rejected) for i in reading.issues] == [(4, "source_id", "x1", False)]


def test_the_documented_schema_is_current():
    assert (ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8") == schema_text()
    schema = json.loads(schema_text())
    assert schema["required"] == ["video"]
    assert list(schema["properties"]) == [
        "video", "class", "event_time_s", "alert_time_s", "ego_involved", "drive", "split", "source_id",
        *IncidentMetadata.model_fields,
    ]  # fmt: skip
    assert schema["properties"]["ego_braking"]["anyOf"][0]["enum"] == ["none", "normal", "hard"]
    assert schema["properties"]["speed_kmh"]["anyOf"][0]["maximum"] == 400
    assert all("description" in column for column in schema["properties"].values())
    described = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [column for column in schema["properties"] if f"`{column}`" not in described] == []


def test_the_schema_is_written_by_a_command(capsys):
    runpy.run_path(sys.modules[ManifestRow.__module__].__file__, run_name="__main__")
    assert capsys.readouterr().out == schema_text()


rows = st.fixed_dictionaries(
    {"video": st.sampled_from(["a.mp4", "b/c.mp4"]), "class": st.sampled_from(["collision", "near-miss"])},
    optional={
        "event_time_s": st.floats(0, 1e6) | st.none(),
        "ego_involved": st.booleans() | st.none(),
        "drive": st.sampled_from(["d1"]),
        "split": st.sampled_from(["train", "test"]) | st.none(),
        "source_id": st.just("nexar:00001"),
        "weather": st.sampled_from(incident_values("weather")) | st.none(),
        "ego_impact_side": st.sampled_from(incident_values("ego_impact_side")) | st.none(),
        "speed_kmh": st.floats(0, 400) | st.none(),
        "lateral_g": st.floats(-50, 50) | st.none(),
        "note": st.text(st.characters(categories=["L"]), max_size=5) | st.integers() | st.booleans(),
    },
)


@given(rows)
def test_what_the_schema_allows_the_reader_takes(tmp_path_factory, row):
    ManifestRow.model_validate(row)
    path = tmp_path_factory.mktemp("m") / "m.jsonl"
    path.write_text(json.dumps(row) + "\n")
    reading = read_manifest(path, ImportSettings())
    assert [i.field for i in reading.issues] == ["event_time_s"] * (row.get("event_time_s") is None)
    [event] = reading.events
    assert (event.time_s, event.ego_involved) == (row.get("event_time_s"), row.get("ego_involved"))
    whole = event.incident.over(reading.videos[0].incident)
    assert whole.model_dump(exclude_none=True) == {
        name: row[name] for name in IncidentMetadata.model_fields if row.get(name) is not None
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"video": ""},
        {"video": "a", "event_time_s": -1},
        {"video": "a", "source_id": "x"},
        {"video": "a", "light": "green"},
        {"video": "a", "speed_kmh": 401},
    ],
)  # fmt: skip
def test_what_the_schema_refuses(wrong):
    with pytest.raises(ValidationError):
        ManifestRow.model_validate(wrong)


def test_telemetry_of_videos_is_not_left_out(tmp_path):
    for name in ("20200913_142640_NF.mp4", "20200913_142640_N.gps", "20200913_142640_N.3gf", "lone.gpx", "a.thm"):
        (tmp_path / name).touch()
    reading = read_video_folder(tmp_path, ImportSettings())
    assert [issue.value for issue in reading.issues] == ["1 .gpx, 1 .thm"]
