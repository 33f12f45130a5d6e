"""The plan says what becomes of clips with fewer frames than asked for, and of budgets for another model."""

import pytest

from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.errors import UserError
from vlm_autodrive.training import TrainSettings, plan
from vlm_autodrive.video import SamplingSettings


def settings(**sampling):
    return TrainSettings(
        model=str(saved_tiny_model("qwen3_vl")), sampling=SamplingSettings(height=84, width=126, **sampling)
    )


def test_the_plan_says_what_it_does_with_too_few_frames_and_an_odd_number(tmp_path):
    supervision = make_supervision(tmp_path, count=2)
    lines = plan(supervision, settings(fps=20, max_frames=48)).lines()  # the videos have 10 frames a second
    short = next(line for line in lines if "fewer frames than asked for" in line)
    assert "give each once at its true time: train0-w0 24 of 48, train1-w0 24 of 48" in short
    assert not any("odd number" in line for line in lines)
    assert not any("fewer frames" in line for line in plan(supervision, settings(fps=5)).lines())
    clips = supervision / "clips.jsonl"
    clips.write_text(clips.read_text().replace('"end_s":2.4', '"end_s":2.5'))
    lines = plan(supervision, settings(fps=20, max_frames=50)).lines()
    assert any("pairs the last with itself: train0-w0 25" in line for line in lines)


def test_a_model_that_takes_frames_one_by_one_pairs_none(tmp_path):
    supervision = make_supervision(tmp_path, count=1)
    clips = supervision / "clips.jsonl"
    clips.write_text(clips.read_text().replace('"end_s":2.4', '"end_s":2.5'))
    chosen = TrainSettings(
        model=str(saved_tiny_model("internvl")), sampling=SamplingSettings(fps=20, max_frames=50, height=56, width=56)
    )
    planned = plan(supervision, chosen)
    assert planned.clips[0].frames == 25 and not any("odd number" in line for line in planned.lines())


def test_a_budget_reckoned_with_another_models_tokens_is_refused(tmp_path):
    supervision = make_supervision(tmp_path, count=1)
    assert plan(supervision, settings(token_budget=30, token_pixels=42)).clips[0].frames == 10  # 6 tokens a pair
    with pytest.raises(UserError, match="token_pixels=42, and not 14"):
        plan(supervision, settings(token_budget=300, token_pixels=14))
