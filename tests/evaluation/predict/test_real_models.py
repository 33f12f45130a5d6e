"""Evaluation with real models on real videos: batches, kills, and models without a card of ours."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.evaluation.builders import make_clip, write_clip_set, write_video
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.artifacts import read_predictions
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import EvaluateSettings, evaluate
from vlm_autodrive.models import CARD_FILE
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome


@pytest.fixture(scope="module")
def clip_set(tmp_path_factory):
    """Nine clips of unequal lengths, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("real")
    clips = []
    for index in range(9):
        length_s = (2.0, 2.5, 1.7)[index % 3]
        path = write_video(folder / f"{index}.mp4", shake_at=1.0 if index % 2 else None, seconds=length_s, seed=index)
        name = DEFAULT_TAXONOMY.names[index % 3]
        clips.append(make_clip(f"clip-{index}", name, path=str(path), end_s=length_s))
    (folder / "4.mp4").write_bytes(b"no video")
    return write_clip_set(folder / "clips", clips)


def without_latency(lines):
    return [json.loads(line) | {"latency_s": 0} for line in lines]


def verdicts_of(prediction):
    return [prediction.verdict, *prediction.prompt_variants.values(), *prediction.controls.values()]


def test_the_batch_does_not_change_a_clips_answers(clip_set, tmp_path):
    one, many = (
        read_predictions(
            evaluate(
                clip_set, "tiny-base", tmp_path / str(batch), EvaluateSettings(eval_batch_size=batch, max_new_tokens=24)
            )
        )
        for batch in (1, 5)
    )
    assert len(one) == 9
    for alone, beside in zip(one, many, strict=True):
        assert alone.reasoning == beside.reasoning
        assert alone.frame_times_s == beside.frame_times_s
        assert list(alone.controls) == list(beside.controls)
        for first, second in zip(verdicts_of(alone), verdicts_of(beside), strict=True):
            assert (first.outcome, first.event_class, first.prompt) == (
                second.outcome,
                second.event_class,
                second.prompt,
            )
            assert first.probabilities == pytest.approx(second.probabilities, abs=1e-4)
    assert one[4].verdict.outcome is Outcome.ERROR
    without_video = {json.dumps(p.controls["no_video"].probabilities) for p in one if p.clip_id != "clip-4"}
    assert len(without_video) == 1


def test_killed_in_the_middle_it_ends_with_the_same_records(clip_set, tmp_path):
    settings = {"eval_batch_size": 2, "max_new_tokens": 24, "frame_cache": str(clip_set.parent / "cache")}
    whole, out = tmp_path / "whole", tmp_path / "killed"
    evaluate(clip_set, "tiny-base", whole, EvaluateSettings(**settings))
    command = ["evaluate", str(clip_set), "--model", "tiny-base", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "vlm_autodrive", *command, *(f"{key}={value}" for key, value in settings.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    saved = []
    while not saved and process.poll() is None:
        saved = [path for path in tmp_path.glob(".killed.partial-*/answered.jsonl") if path.stat().st_size]
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists(), "it ended before it could be killed"
    kept = saved[0].read_text().splitlines()
    with saved[0].open("a") as stream:
        stream.write('{"clip_id": "clip-7", "torn')
    evaluate(clip_set, "tiny-base", out, EvaluateSettings(**settings))
    expected, resumed = ((folder / "predictions.jsonl").read_text().splitlines() for folder in (whole, out))
    whole_batches = len(kept) // 2 * 2
    assert 0 < whole_batches < 9
    assert resumed[:whole_batches] == kept[:whole_batches]  # to the byte
    assert without_latency(resumed) == without_latency(expected)
    assert [json.loads(line)["clip_id"] for line in resumed] == [f"clip-{i}" for i in range(9)]


def plain_hub_folder(tmp_path, model_type):
    """A model as it comes from a hub, without a card of ours."""
    folder = tmp_path / f"Some-{model_type}"
    folder.mkdir()
    for path in saved_tiny_model(model_type).iterdir():
        if path.name != CARD_FILE:
            (folder / path.name).write_bytes(path.read_bytes())
    return str(folder)


def test_a_hub_model_is_shown_frames_by_the_default_or_by_the_settings(clip_set, tmp_path):
    model = plain_hub_folder(tmp_path, "qwen2_5_vl")
    quick = {"reasoning": False, "controls": ("no_video",), "prompt_variants": ("short",)}
    made = read_predictions(evaluate(clip_set, model, tmp_path / "default", EvaluateSettings(**quick)))
    assert len(made[0].frame_times_s) == 8  # two seconds at 4 frames a second
    assert made[0].model == "Some-qwen2_5_vl"
    assert [p.verdict.outcome for p in made].count(Outcome.OK) == 8
    settings = EvaluateSettings(**quick, sampling={"fps": 2, "height": 56, "width": 84})
    made = read_predictions(evaluate(clip_set, model, tmp_path / "thin", settings))
    assert len(made[0].frame_times_s) == 4
    assert set(made[0].controls["no_video"].probabilities) == set(DEFAULT_TAXONOMY.names)


def test_a_size_that_the_model_cannot_take_is_told_and_not_counted_as_wrong(clip_set, tmp_path):
    model = plain_hub_folder(tmp_path, "internvl")
    with pytest.raises(UserError, match=r"set sampling.height=56 and sampling.width=56"):
        evaluate(clip_set, model, tmp_path / "out", EvaluateSettings(reasoning=False))
    settings = EvaluateSettings(reasoning=False, controls=("black", "no_video"), sampling={"height": 56, "width": 56})
    made = read_predictions(evaluate(clip_set, model, tmp_path / "out", settings))
    assert [p.verdict.outcome for p in made].count(Outcome.OK) == 8
