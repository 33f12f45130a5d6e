"""From a run to its corrections, and on to the run that learns from them, on simulated drives."""

import json
from datetime import UTC, datetime

import pytest

from tests.tiny_models import saved_tiny_model
from vlm_autodrive.artifacts import read_clips, read_events, read_scenarios
from vlm_autodrive.records import Clip, Correction, CorrectionOutcome, MomentLabel, read_jsonl, write_jsonl
from vlm_autodrive.runs import load_recipe, run_recipe

pytestmark = pytest.mark.slow

SMALL = (
    "train.epochs=1",
    "train.batch_size=4",
    "evaluate={reasoning: false, controls: [], prompt_variants: [], questions_per_clip: 0, choose_prompt: false}",
    "supervise.types=[caption, vqa, verdict]",
    "anticipation=null",
    "detect=null",
)


def seen(clip: Clip) -> MomentLabel:
    """What a reviewer sees of a clip, in the time of its video."""
    at_s = None if clip.event_time_s is None else clip.start_s + clip.event_time_s
    return MomentLabel(event_class=clip.event_class, time_s=at_s)


def corrected(number: int, clip: Clip, after: MomentLabel) -> Correction:
    return Correction(
        correction_id=f"c{number}",
        item_id=f"item {number}",
        decision="change",
        reviewer="ada",
        at=datetime(2026, 1, 1, 0, number, tzinfo=UTC),
        before=seen(clip),
        after=after,
        reason="the cars never touch",
        video=clip.path,
        video_stream=clip.video_stream,
        window_start_s=clip.start_s,
        window_end_s=clip.end_s,
        video_id=clip.video_id,
        clip_id=clip.clip_id,
        split=clip.split,
    )


def test_corrections_of_a_run_are_learnt_by_the_next_and_its_report_names_them(tmp_path):
    model = f"train.model={saved_tiny_model('qwen3_vl')}"
    simulate = ("simulate.triplets=6", "simulate.singles=0", "simulate.long_videos=0")
    first = run_recipe(load_recipe("smoke", [model, *SMALL, *simulate]), tmp_path / "first").run_dir

    collisions = [c for c in read_clips(first / "clips") if c.event_class == "collision"]
    (trained, *_) = (c for c in collisions if c.split == "train")
    (tested, *_) = (c for c in collisions if c.split == "test")
    near = MomentLabel(event_class="near_collision", time_s=seen(trained).time_s)
    frozen = MomentLabel(event_class="normal")
    review = tmp_path / "review.jsonl"
    write_jsonl(review, [corrected(0, trained, near), corrected(1, tested, frozen)])

    changes = (
        "simulate=null",
        f"import={{format: nexar, path: {first / 'simulated'}}}",
        f"corrections={{paths: [{review}], compare_with: {first / 'checkpoint'}}}",
        f"clips.frozen_test={first / 'clips' / 'test_ids.txt'}",
    )
    second = run_recipe(load_recipe("smoke", [model, *SMALL, *changes]), tmp_path / "second")

    outcomes = read_jsonl(second.run_dir / "corrected" / "corrections_outcome.jsonl", CorrectionOutcome)
    assert [each.outcome for each in outcomes] == ["applied", "refused"]
    classes = {event.video_id: event.event_class for event in read_events(second.run_dir / "corrected")}
    assert classes[trained.video_id] == "near_collision"
    assert classes[tested.video_id] == "collision"
    assert read_scenarios(second.run_dir / "catalog").keys() - read_scenarios(second.run_dir / "corrected").keys() == {
        trained.video_id
    }
    clips = {clip.clip_id: clip for clip in read_clips(second.run_dir / "clips")}
    assert clips[trained.clip_id].event_class == "near_collision"
    assert clips[trained.clip_id].split == "train"
    tests = [{c.video_id for c in each if c.split == "test"} for each in (read_clips(first / "clips"), clips.values())]
    assert tests[0] == tests[1]

    report = json.loads(second.report_json.read_text())
    assert [change["video_id"] for change in report["corrections"]["changes"]] == [trained.video_id]
    assert report["corrections"]["outcomes"] == {"applied": 1, "refused": 1}
    assert {"base", "before_corrections", "tuned"} <= set(report["models"])
    page = second.report_html.read_text()
    assert "the cars never touch" in page
    assert trained.video_id in page
    weights = [(folder / "checkpoint" / "model.safetensors").read_bytes() for folder in (first, second.run_dir)]
    assert weights[0] != weights[1]
