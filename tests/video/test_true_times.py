"""A clip with its time burned in: what the model is told and shown agree, in training as in inference.

The pictures are read back from the very patches that the model is given, and the times from the very
tokens and positions; nothing between the file and the model is taken on trust.
"""

import re
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.clocks import numbers_shown
from tests.tiny_models import MODELS, load_tiny
from tests.video.test_timestamps import times_shown
from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.records import Clip, Outcome, SFTSample, StudentPrompt
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.packing import Packing, build_batches
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.video import FrameCache, SamplingSettings, read_windows

EVEN = [i / 10 for i in range(60)]
UNEVEN = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3, 3.31, 3.9, 4.4, 4.6, 5.0, 5.7]
WAYS = {
    "fps": {"fps": 4},
    "n_frames": {"n_frames": 6},
    "token_budget": {"fps": 8, "token_budget": 40},
}
tiny = cache(load_tiny)


def sampling(model_type, how):
    grid = 2 * MODELS[model_type][1]
    tokens = {"token_pixels": grid} if "token_budget" in how else {}
    return SamplingSettings(height=2 * grid, width=4 * grid, **tokens, **how)


def clip_of(path, start_s, end_s):
    return Clip(
        clip_id="c", video_id="v", path=str(path), start_s=start_s, end_s=end_s, split="train", event_class="normal",
        event_time_s=None, alert_time_s=None, ego_involved=None, group_id="v", triplet_id=None, metadata={},
    )  # fmt: skip


ITEM = SFTSample(
    sample_id="i", clip_id="c", type="verdict", topic="verdict", prompt=StudentPrompt(text="Which?", version="1"),
    target="C", mirror_target="C", teacher="rules", teacher_prompt_version="1", outcome=Outcome.OK, checks=(),
)  # fmt: skip


def given_in_training(model_type, clip, sampled, folder):
    """What a training batch holds: the tokens and positions of the clip's row, and its patches."""
    _, encoder = tiny(model_type)
    visits, settings = [TrainExample(clip, (ITEM,))], TrainSettings(model="tiny-base")
    [batch] = build_batches(encoder, FrameCache(folder, sampled), visits, settings, Packing())
    vision = batch.vision
    grid = tuple(vision["video_grid_thw"][0].tolist())
    return batch.packed.input_ids[0], batch.packed.position_ids[:, 0], vision["pixel_values_videos"], grid


def given_in_inference(model_type, clip, sampled):
    """What the model itself is called with, when the engine answers about a window of a longer video."""
    loaded, _ = tiny(model_type)
    ((_, frames),) = read_windows(Path(clip.path), [(clip.start_s, clip.end_s)], sampled)
    calls = []
    hook = loaded.model.model.register_forward_pre_hook(
        lambda _, args, kwargs: calls.append(kwargs) if kwargs.get("pixel_values_videos") is not None else None,
        with_kwargs=True,
    )
    try:
        LocalEngine(loaded).generate([frames], [InferenceRequest("Which?", max_new_tokens=1)])
    finally:
        hook.remove()
    (call,) = calls
    grid = tuple(call["video_grid_thw"][0].tolist())
    return call["input_ids"][0], call["position_ids"][-3:, 0], call["pixel_values_videos"], grid


def pictures(processor, patches, grid):
    """Undo normalising and cutting into patches: uint8 pictures [frames, height, width, 3]."""
    side, merge, depth = processor.patch_size, processor.merge_size, processor.temporal_patch_size
    pairs, rows, columns = grid
    cut = patches.view(pairs, rows // merge, columns // merge, merge, merge, 3, depth, side, side)
    video = cut.permute(0, 6, 1, 3, 7, 2, 4, 8, 5).reshape(pairs * depth, rows * side, columns * side, 3)
    video = video * torch.tensor(processor.image_std) + torch.tensor(processor.image_mean)
    return (255 * video).round().clamp(0, 255).byte().numpy()


@pytest.mark.parametrize("model_type", ["qwen3_vl", "qwen2_5_vl"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times_s", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("window", [(0.0, 5.7), (1.45, 4.5)])
def test_the_times_in_the_prompt_are_those_in_the_pictures(make_video, tmp_path, model_type, way, times_s, window):
    path = make_video("clock.mp4", times_s=times_s, size=(256, 64), options={"preset": "medium", "bf": "2"})
    loaded, encoder = tiny(model_type)
    sampled, clip = sampling(model_type, WAYS[way]), clip_of(path, *window)
    ids, positions, patches, grid = given_in_training(model_type, clip, sampled, tmp_path / "frames")
    asked_ids, asked_positions, asked_patches, asked_grid = given_in_inference(model_type, clip, sampled)
    assert asked_grid == grid
    assert torch.equal(asked_patches, patches)
    assert torch.equal(asked_ids, ids[: len(asked_ids)])
    assert torch.equal(asked_positions, positions[:, : len(asked_ids)])

    shown = numbers_shown(pictures(loaded.processor.video_processor, patches, grid))
    shown_s = [times_s[number] - window[0] for number in shown]
    assert all(-1e-3 <= time_s < window[1] - window[0] for time_s in shown_s)
    if way == "token_budget":
        assert grid[0] * 8 <= 40  # 2 x 4 tokens a pair
    if loaded.family.text_timestamps:
        told = [float(text) for text in re.findall(r"<([\d.]+) seconds>", encoder.decode(asked_ids.tolist()))]
        assert told == pytest.approx([sum(shown_s[i : i + 2]) / 2 for i in range(0, len(shown), 2)], abs=0.0511)
    else:
        video = loaded.model.config.video_token_id
        temporal = asked_positions[0][asked_ids == video].unique()
        frames = len(shown) - (shown[-1] == shown[-2])  # the processor pairs a last odd frame with itself
        interval_s = (shown_s[frames - 1] - shown_s[0]) / (frames - 1)
        nominal_s = {
            "fps": 1 / 4,
            "n_frames": (window[1] - window[0]) / 6,
            "token_budget": (window[1] - window[0]) / 10,
        }
        if (
            2 * (grid[0] - 1) * abs(nominal_s[way] - interval_s) < 0.25
        ):  # the last pair moves by less than half a position
            interval_s = nominal_s[way]
        per_second = loaded.model.config.vision_config.tokens_per_second
        expected = [int(per_second * 2 * interval_s * pair + 1e-3) for pair in range(grid[0])]
        assert (temporal - temporal[0]).tolist() == sorted(set(expected))


@pytest.mark.parametrize("model_type", ["qwen3_vl", "qwen2_5_vl"])
def test_drawn_times_are_the_same_in_training_and_in_inference(make_video, tmp_path, model_type):
    path = make_video("clock.mp4", times_s=UNEVEN, size=(256, 64))
    loaded, _ = tiny(model_type)
    grid = 2 * MODELS[model_type][1]
    height, width = -(-84 // grid) * grid, 5 * grid
    sampled = SamplingSettings(fps=4, height=height, width=width, draw_timestamps=True)
    clip = clip_of(path, 1.45, 4.5)
    _, _, patches, shape = given_in_training(model_type, clip, sampled, tmp_path / "frames")
    _, _, asked_patches, asked_shape = given_in_inference(model_type, clip, sampled)
    assert asked_shape == shape
    assert torch.equal(asked_patches, patches)
    frames = FrameCache(tmp_path / "frames", sampled).get(clip)
    given = pictures(loaded.processor.video_processor, patches, shape)[: len(frames.times_s)]
    rows = sampled.band_height
    assert (given == frames.pixels).all()
    assert times_shown(given, rows, 10) == pytest.approx([round(time_s, 2) for time_s in frames.times_s])
