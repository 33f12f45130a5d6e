"""A model trained on frames with drawn times is shown them in evaluation and detection, without being told again."""

import shutil

import pytest

from tests.evaluation.builders import make_clip, write_clip_set
from tests.tiny_models import MODELS, saved_tiny_model
from tests.training.supervision_set import make_supervision
from tests.video.test_timestamps import times_shown
from vlm_autodrive.artifacts import read_provenance
from vlm_autodrive.detection import DetectSettings, detect
from vlm_autodrive.engines import LocalEngine
from vlm_autodrive.evaluation import EvaluateSettings, evaluate
from vlm_autodrive.models import read_card
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.video import SamplingSettings


@pytest.mark.parametrize("model_type", ["qwen3_vl", "qwen2_5_vl"])
def test_evaluation_and_detection_follow_the_checkpoint(make_video, tmp_path, monkeypatch, model_type):
    side = 2 * MODELS[model_type][1]
    sampling = SamplingSettings(
        fps=2, max_frames=4, height=-(-84 // side) * side, width=4 * side, token_pixels=side, draw_timestamps=True
    )
    supervision = make_supervision(tmp_path / "data", count=3)
    settings = TrainSettings(
        model=str(saved_tiny_model(model_type)), epochs=1, batch_size=3, precision="fp32", sampling=sampling
    )
    checkpoint = str(train(supervision, tmp_path / "checkpoint", settings))
    assert read_card(checkpoint).sampling == sampling
    shutil.rmtree(supervision)  # it was made without a clip set, so nothing can be said of an overlap with it

    seen = []
    generate = LocalEngine.generate

    def noted(engine, clips, *requests):
        seen.extend(clips)
        return generate(engine, clips, *requests)

    monkeypatch.setattr(LocalEngine, "generate", noted)
    video = make_video("clock.mp4", fps=10, count=60, size=(256, 64))
    clip_set = write_clip_set(tmp_path / "clips", [make_clip("c", "collision", path=str(video), end_s=4.0)])
    quick = EvaluateSettings(reasoning=False, prompt_variants=(), controls=("black", "no_video"))
    predictions = evaluate(clip_set, checkpoint, tmp_path / "predictions", quick)
    assert read_provenance(predictions).facts["sampling"]["draw_timestamps"] is True
    assert [len(frames.times_s) for frames in seen] == [4, 4, 0]
    detect([video], checkpoint, tmp_path / "detections", DetectSettings(window_s=2.0, stride_s=1.5, reasoning=False))
    assert len(seen) > 5
    for frames in seen:
        assert times_shown(frames.pixels, sampling.band_height, 10) == pytest.approx(frames.times_s)
