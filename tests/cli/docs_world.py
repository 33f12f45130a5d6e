"""A small world in which the commands of the documents can be typed: its data, its model, its endpoint."""

import csv
import json
import math
import os
import shutil
from pathlib import Path

import yaml
from starlette.responses import JSONResponse
from typer.testing import CliRunner

from tests.fake_endpoint import completion
from tests.supervision.teachers.served_world import honest
from vlm_autodrive.artifacts import read_clips, read_events, read_videos
from vlm_autodrive.cli.main import app
from vlm_autodrive.review.decisions import DecisionRequest

TINY_TRAINING = {"model": "tiny-base", "epochs": 0.1, "batch_size": 4, "micro_batch_size": None, "processes": 1,
                 "sampling": None, "lora": {"r": 4, "lora_alpha": 8}, "gradient_checkpointing": False, "save_steps": 1,
                 "precision": "fp32", "optimizer": "adamw", "token_loss_weights": {}}  # fmt: skip
LITTLE = {
    "simulate": {"seed": 7, "triplets": 6, "singles": 1, "long_videos": 0, "train_only_videos": 0, "workers": 1},
    "clips": {"window_s": 2.4, "split": {"train": 0.5, "validation": 0.2, "test": 0.3}, "split_by": "count",
              "windows_per_event": 1, "windows_per_normal": 1, "normal_windows_per_minute": 0},
    "train": TINY_TRAINING,
    "evaluate": {"max_new_tokens": 64, "prompt_variants": [], "controls": ["black"], "questions_per_clip": 1,
                 "cache_workers": 0, "sampling": None},
    "baselines": {"training_clips": 10, "workers": 0},
    "compare": {"resamples": 200},
}  # fmt: skip
"""What a recipe needs otherwise, to be run in seconds."""


def autodrive(*words):
    """Type a command; it must succeed."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, f"autodrive {' '.join(map(str, words))}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


def make_little(recipe, **more):
    """Let a recipe's file need seconds: other sizes, another model, nothing else."""
    values = yaml.safe_load(recipe.read_text())
    for section, changes in {**LITTLE, **more}.items():
        if section != "simulate" or "simulate" in values:
            values[section] = {**(values.get(section) or {}), **changes}
    recipe.write_text(yaml.safe_dump(values))


def copy(source, target):
    """A copy whose files are the same on the disk, but for databases: nothing else is changed in place."""
    shutil.copytree(source, target, copy_function=_share, dirs_exist_ok=True)


def _share(source, target):
    (shutil.copy if ".sqlite3" in str(source) else os.link)(source, target)


def write_manifest(folder, catalog):
    """A manifest of one's own beside the simulated videos."""
    events = {event.video_id: event for event in read_events(catalog)}
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("video", "class", "event_time_s", "alert_time_s", "drive"))
        for video in read_videos(catalog):
            path = "/".join(Path(video.path).parts[-2:])
            event = events.get(video.video_id)
            row = (event.event_class, event.time_s, event.alert_time_s) if event else ("normal", "", "")
            writer.writerow((path, *row, video.group_id))


def make_world(folder):
    """All folders that the documents name; it is the working directory."""
    (folder / "demo.yaml").write_text(
        yaml.safe_dump({"name": "demo", "like": "smoke", "simulate": {}, "anticipation": {}})
    )
    long_videos = {"long_videos": 2, "long_video_duration_s": 40, "long_video_events": 1}
    make_little(
        folder / "demo.yaml",
        simulate=LITTLE["simulate"] | long_videos,
        detect={"max_new_tokens": 16, "tuning_videos": 1},
        report={"errors_shown": 1},
    )
    autodrive("run", "demo.yaml")
    demo = Path("runs/demo")
    for name in ("s", "runs/mine", "runs/nexar", "runs/own"):
        copy(demo, folder / name)
    copy("s/catalog", folder / "s/more")
    copy(demo / "comparison", folder / "comparison")
    copy(demo / "simulated", folder / "data/nexar")
    shutil.copy("data/nexar/overlay.csv", "data/labels.csv")
    copy(demo / "simulated/train", folder / "my-drives")
    write_manifest(folder / "my-drives", demo / "catalog")
    copy("my-drives", folder / "drives")
    drives = sorted((demo / "simulated/long_videos").glob("*.mp4"))
    for name in ("trips", "incoming", "known", "other", "quiet", "trucks"):
        (folder / name).mkdir()
        os.link(drives[0], folder / name / drives[0].name)
        shutil.copy(demo / "simulated/long_videos/manifest.csv", name)
        lines = (folder / name / "manifest.csv").read_text().splitlines(keepends=True)
        (folder / name / "manifest.csv").write_text("".join(lines[:2]))
    os.link(drives[0], folder / "trip.mp4")
    autodrive("export", "model", "s/checkpoint", "--to", "merged", "--out", "s/exported")
    autodrive(
        "detect", "incoming", "--model", "runs/demo/checkpoint", "--out", "found", "threshold=1.0e-9", "reasoning=false"
    )
    clips = [clip.clip_id for clip in read_clips(Path("s/predictions/tuned"))]
    (folder / "grades.csv").write_text("clip_id,grade\n" + "".join(f"{clip},3\n" for clip in clips))


def decide(review, **_):
    """In place of the review page, which is served until somebody ends it: confirm or accept the first item."""
    item = review.source.items[0]
    kind = "accept" if item.sample is not None else "confirm"
    if review.current(item.item_id) is not None or kind == "accept":
        etag = review.store.etag(item.item_id)
        review.decide(item.item_id, DecisionRequest(decision=kind), etag)
    review.close()


def answer(asked):
    """What the endpoint says: a teacher's texts, a judge's grade, a verdict with probabilities, or a few words."""
    if "<trace>" in asked.text:
        return completion(json.dumps({"why": "It fits.", "grade": 3}))
    if "<data>" in asked.text:
        return honest(asked)
    if asked.body.get("logprobs"):
        rows = [{"token": code, "logprob": math.log(p)} for code, p in zip("ABC", (0.5, 0.3, 0.2), strict=True)]
        choice = {"message": {"content": "A"}, "finish_reason": "stop"}
        return JSONResponse({"choices": [choice | {"logprobs": {"content": [rows[0] | {"top_logprobs": rows}]}}]})
    return completion("<think>\n[t=0.5] near\n</think>\n\nA")
