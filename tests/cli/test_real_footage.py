"""Real dashcam video goes the whole way by the command line, and every video is accounted for at each stage."""

import csv
import json
import re
import shutil
from collections import Counter

import pytest
from typer.testing import CliRunner

from tests.tiny_models import saved_tiny_model
from vlm_autodrive.artifacts import read_samples
from vlm_autodrive.cli.main import app

pytestmark = [pytest.mark.slow, pytest.mark.fixtures]

SPLIT = ("split.train=0.5", "split.validation=0.1", "split.test=0.4", "split_by=count")
SEEN = "Normal,Clear,Urban"  # metadata of Nexar's kind, the same for all, so that it tells no class
CLASSES = {"Collision": "collision", "Normal": "normal"}


def autodrive(*words, status=0):
    """Types a command; returns what it printed and what it said."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == status, f"{words}\n{result.stdout}\n{result.stderr}\n{result.exception!r}"
    return result.stdout, result.stderr


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def labels(fixtures_dir):
    with (fixtures_dir / "videos" / "labels.csv").open(newline="") as stream:
        return [row | {"path": fixtures_dir / "videos" / row["file"]} for row in csv.DictReader(stream)]


@pytest.fixture
def footage(labels, tmp_path):
    """The labelled MP4 files in the layout of Nexar's hub repository, with an overlay."""
    root = tmp_path / "footage"
    taken = [row for row in labels if row["label"] and row["path"].suffix == ".mp4"]
    for folder, label in (("positive", "Collision"), ("negative", "Normal")):
        (root / "train" / folder).mkdir(parents=True)
        lines = ["file_name,time_of_event,time_of_alert,light_conditions,weather,scene,time_to_accident"]
        for row in (row for row in taken if row["label"] == label):
            (root / "train" / folder / row["file"]).symlink_to(row["path"])
            lines.append(f"{row['file']},{row['event_time_s']},,{SEEN},")
        (root / "train" / folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    overlay = ["id,class", *(f"{row['path'].stem},{row['label']}" for row in taken)]
    (root / "overlay.csv").write_text("\n".join(overlay) + "\n")
    return root, {row["path"].stem: row for row in taken}


def test_a_nexar_folder_goes_the_whole_way(footage, tmp_path):
    root, labelled = footage
    model = saved_tiny_model("qwen3_vl")
    at = tmp_path / "run"
    assert Counter(row["label"] for row in labelled.values()) == {"Collision": 8, "Normal": 7}

    _, said = autodrive("import", "nexar", root, "--out", at / "catalog")
    assert "Collision 8" in said
    assert "videos without event: 7" in said
    videos = records(at / "catalog" / "videos.jsonl")
    assert sorted(video["video_id"] for video in videos) == sorted(labelled)
    assert [video["video_id"] for video in videos if video["problem"]] == []
    times = {event["video_id"]: event["time_s"] for event in records(at / "catalog" / "events.jsonl")}
    assert times == {name: float(row["event_time_s"]) for name, row in labelled.items() if row["event_time_s"]}
    assert records(at / "catalog" / "issues.jsonl") == []

    _, said = autodrive("clips", at / "catalog", "--out", at / "clips", *SPLIT)
    assert "The data has no usable clip of Near-Collision: nothing is learnt or measured of that." in said
    clips = {clip["video_id"]: clip for clip in records(at / "clips" / "clips.jsonl")}
    assert len(records(at / "clips" / "clips.jsonl")) == len(clips) == len(labelled)
    for name, row in labelled.items():
        clip = clips[name]
        assert (clip["problem"], clip["event_class"]) == ("", CLASSES[row["label"]])
        if row["event_time_s"]:
            assert clip["start_s"] + clip["event_time_s"] == pytest.approx(float(row["event_time_s"]))
            assert 0 <= clip["event_time_s"] < clip["end_s"] - clip["start_s"]
    split = {part: {c["clip_id"] for c in clips.values() if c["split"] == part} for part in ("train", "test")}
    assert len(split["test"]) == 6

    autodrive("supervise", at / "clips", "--out", at / "supervision")
    items = [item for item in read_samples(at / "supervision") if item.accepted]
    taught = {item.clip_id for item in items}
    assert taught == {clip["clip_id"] for clip in clips.values() if clip["split"] != "test"}
    kinds = {"caption", "description", "vqa", "reasoning", "verdict"}
    assert {item.type for item in items} == kinds
    for clip_id in taught:
        own = [item for item in items if item.clip_id == clip_id]
        assert {item.type for item in own} == kinds
        assert sum(item.type == "vqa" for item in own) >= 6
        (caption,) = [item.target.lower() for item in own if item.type == "caption"]
        assert "clear" in caption and "light" in caption

    printed, _ = autodrive("plan", at / "supervision", "--model", model, "--json", "batch_size=4")
    planned = json.loads(printed)
    assert {clip["clip_id"] for clip in planned["clips"]} == split["train"]
    assert all(clip["prefix_tokens"] > 0 and clip["sample_tokens"] > 0 and clip["frames"] for clip in planned["clips"])
    assert 0 < planned["tokens_shared"] < planned["tokens_separate"]
    assert planned["steps"] == 2

    _, said = autodrive("train", at / "supervision", "--model", model, "--out", at / "checkpoint", "batch_size=4")
    assert "training: 2 of 2" in said
    assert [line["step"] for line in records(at / "checkpoint" / "log.jsonl")] == [0, 1]

    asked = {"base": model, "tuned": at / "checkpoint", "majority": "majority", "camera_shake": "camera_shake"}
    for name, how in asked.items():
        short = ["max_new_tokens=8"] if name in ("base", "tuned") else []
        autodrive("evaluate", at / "clips", "--model", how, "--out", at / "predictions" / name, *short)
        said = records(at / "predictions" / name / "predictions.jsonl")
        assert sorted(one["clip_id"] for one in said) == sorted(split["test"])
        assert [one["verdict"]["outcome"] for one in said] == ["ok"] * len(said)

    autodrive("compare", *(at / "predictions" / name for name in asked), "--out", at / "comparison")
    autodrive("report", at / "comparison", "--out", at / "report", "frame_width=64")
    report = json.loads((at / "report" / "report.json").read_text())
    assert (report["before"], report["after"]) == ("base", "tuned")
    assert {name: scores["n"] for name, scores in report["models"].items()} == dict.fromkeys(asked, 6)
    notes = " ".join(report["notes"])
    assert "All 6 test clips are real footage." in notes
    assert report["headline"].startswith("These results mean nothing: 6 clips are too few")
    assert "There is no near-collision clip" in notes
    html = (at / "report" / "report.html").read_text()
    assert all(note in html for note in report["notes"])
    assert "data:image/jpeg;base64," in html


def test_detect_writes_a_record_for_every_file(labels, tmp_path):
    videos = [row["path"] for row in labels]
    assert Counter(path.suffix for path in videos) == {".mp4": 15, ".avi": 1, ".gif": 1}
    broken, text = tmp_path / "broken.mp4", tmp_path / "text.mp4"
    whole = next(path for path in videos if path.name == "normal_driving.mp4").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    text.write_text("this is no video\n")
    found = tmp_path / "found"
    settings = ("max_new_tokens=16", "stride_s=4.8", "threshold=0.4")
    command = ("detect", *videos, broken, text, "--model", saved_tiny_model("qwen3_vl"), "--out", found)
    _, said = autodrive(*command, *settings)
    assert "in 19 videos." in said
    assert "2 could not be read" in said

    read = [json.loads(path.read_text()) for path in found.glob("*/events.json")]
    results = {each["video"].rpartition("/")[2]: each for each in read}
    assert sorted(results) == sorted(path.name for path in (*videos, broken, text))
    for path in videos:
        result = results[path.name]
        assert (result["outcome"], result["reason"]) == ("ok", ""), path.name
        assert result["duration_s"] > 0
        assert result["windows"]
        assert all(0 <= event["time_s"] <= result["duration_s"] for event in result["events"])
        assert (found / f"{path.parent.name}_{path.stem}" / "timeline.png").is_file()
    assert results["broken.mp4"]["outcome"] == results["text.mp4"]["outcome"] == "error"
    assert re.fullmatch(r"ends after \d\.\d of 12\.\d s", results["broken.mp4"]["reason"])
    assert 0 < results["broken.mp4"]["duration_s"] < 10, "what can be read of it is searched all the same"
    assert "not a video" in results["text.mp4"]["reason"]
    assert (results["text.mp4"]["duration_s"], results["text.mp4"]["events"]) == (None, [])

    shutil.rmtree(found / f"{videos[0].parent.name}_normal_1")
    _, said = autodrive(*command, *settings)
    assert "18 of them had been done before" in said
