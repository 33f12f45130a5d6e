"""The import stage: videos are probed, late events refused, everything is written and told."""

import csv

import pytest

from vlm_autodrive.artifacts import read_events, read_scenarios, read_videos
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.formats import FORMATS
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ImportIssue, read_jsonl


class Listener:
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)

    def task(self, description, total, done=0):
        from vlm_autodrive.progress import SILENT

        return SILENT.task(description, total, done)


@pytest.fixture
def source(tmp_path, make_video):
    for name in ("a", "b", "c"):
        make_video(f"set/{name}.mp4", count=60)
    (tmp_path / "set" / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "set" / "manifest.csv").write_text(
        "video,class,event_time_s,weather,speed_kmh\na.mp4,crash,3.5,Rain,30\na.mp4,near-miss,99,,\n"
        "b.mp4,collision,6.02,Sunny,9.5\nc.mp4,normal,,rain,\nbad.mp4,collision,2,,\ngone.mp4,normal,,,\n"
    )
    return tmp_path / "set"


def test_catalog(source, tmp_path):
    out, listener = tmp_path / "catalog", Listener()
    assert import_dataset("manifest", source, out, ImportSettings(), listener) == out
    videos = {v.video_id: v for v in read_videos(out)}
    assert list(videos) == ["a", "b", "c", "bad", "gone"]
    assert videos["a"].duration_s == pytest.approx(6, abs=0.01)
    assert (videos["a"].width, videos["a"].height, videos["a"].problem) == (128, 64, "")
    assert "not a video" in videos["bad"].problem
    assert "does not exist" in videos["gone"].problem
    events = {(e.video_id, e.event_class): e.time_s for e in read_events(out)}
    assert set(events) == {("a", "collision"), ("b", "collision"), ("bad", "collision")}
    assert events["a", "collision"] == 3.5
    assert 5.9 < events["b", "collision"] < 6
    (issue,) = read_jsonl(out / "issues.jsonl", ImportIssue)
    assert (issue.line, issue.field, issue.value, issue.rejected) == (3, "event_time_s", "99", True)
    assert read_scenarios(out) == {}
    assert "class map: crash -> Collision (1 rows)" in listener.lines
    assert "recorded: weather 3 times (rain 2, clear 1)" in listener.lines
    assert "recorded: speed_kmh 2 times (9.5 to 30.0)" in listener.lines
    assert "6 rows: 5 imported, 1 rejected." in listener.lines
    assert any("2 of 5 videos cannot be used" in line for line in listener.lines)
    assert any("1 issues are written" in line for line in listener.lines)


def test_done_work_is_not_done_again_and_strict_refuses(source, tmp_path, monkeypatch):
    out = tmp_path / "catalog"
    import_dataset("manifest", source, out, ImportSettings())
    monkeypatch.setattr("vlm_autodrive.datasets.video_files.probe", lambda _: pytest.fail("probed again"))
    import_dataset("manifest", source, out, ImportSettings())
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"manifest.csv, line 3, event_time_s '99': the video ends at 6.00 s"):
        import_dataset("manifest", source, tmp_path / "strict", ImportSettings(strict=True))
    assert not (tmp_path / "strict").exists()


def test_formats_are_named(source, tmp_path):
    assert {"nexar", "nexar-kaggle", "manifest", "video-folder"} <= set(FORMATS)
    with pytest.raises(UserError, match="the formats are manifest, nexar"):
        import_dataset("nexr", source, tmp_path / "out", ImportSettings())
    (tmp_path / "empty.csv").write_text("video,class\n")
    with pytest.raises(UserError, match="names no video"):
        import_dataset("manifest", tmp_path / "empty.csv", tmp_path / "out", ImportSettings())


@pytest.mark.fixtures
def test_real_clips_become_a_catalog(fixtures_dir, tmp_path):
    rows = [r for r in csv.DictReader((fixtures_dir / "videos" / "labels.csv").open()) if r["label"]]
    root = tmp_path / "set"
    root.mkdir()
    for row in rows:
        (root / row["file"]).symlink_to(fixtures_dir / "videos" / row["file"])
    lines = [f"{r['file']},{r['label']},{r['event_time_s']},{r['ego_involved']}\n" for r in rows]
    (root / "manifest.csv").write_text("video,class,event_time_s,ego_involved\n" + "".join(lines))
    out = import_dataset("manifest", root, tmp_path / "catalog", ImportSettings(strict=True))
    videos, events = read_videos(out), read_events(out)
    assert [v.problem for v in videos] == [""] * 15
    assert {e.video_id + ".mp4": e.time_s for e in events} == {
        r["file"]: float(r["event_time_s"]) for r in rows if r["label"] == "Collision"
    }
    assert sum(e.ego_involved is False for e in events) == 1


def test_train_only_videos_are_taken_in_for_training_only(source, tmp_path, make_video):
    make_video("set/train_only/drive.mp4", count=60)
    (source / "train_only" / "manifest.csv").write_text("video,class,event_time_s\ndrive.mp4,near-miss,3\n")
    (source / "train" / "negative").mkdir(parents=True)
    make_video("set/train/negative/00001.mp4", count=60)
    header = "file_name,time_of_event,time_of_alert,light_conditions,weather,scene\n"
    (source / "train" / "negative" / "metadata.csv").write_text(header + "00001.mp4,,,,,\n")
    out = tmp_path / "catalog"
    import_dataset("nexar", source, out, ImportSettings(train_only="train_only/manifest.csv"))
    assert {v.video_id: v.split for v in read_videos(out)} == {"00001": "train", "drive": "train_only"}
    assert [(e.video_id, e.event_class) for e in read_events(out)] == [("drive", "near_collision")]
