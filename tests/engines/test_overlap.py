"""Overlapping windows: each temporal patch is seen once, and the model's answers are those of the naive way."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from tests.tiny_models import MODELS, load_tiny, random_pixels
from vlm_autodrive.engines import InferenceRequest, LocalEngine, OverlapEngine
from vlm_autodrive.video import Frames

ASKED = [InferenceRequest("What happens?", codes=("A", "B", "C")), InferenceRequest("Describe.", max_new_tokens=3)]
STEP_S, LENGTH, STRIDE = 0.3, 8, 2  # frames; 75 % overlap


def windows_of(model_type, first_frames, length=LENGTH):
    """Windows of one video, by the number of their first frame."""
    pixels = random_pixels(model_type, max(first_frames) + length)
    times_s = tuple(round(i * STEP_S, 6) for i in range(length))
    starts_s = [round(first * STEP_S, 6) for first in first_frames]
    return [Frames(pixels[first : first + length], times_s) for first in first_frames], starts_s


class Watched:
    """An engine whose logits and looks are written down."""

    def __init__(self, model_type):
        loaded, _ = load_tiny(model_type)
        self.engine = LocalEngine(loaded)
        self.logits, self.patches = [], 0
        loaded.model.lm_head.register_forward_hook(lambda _, __, output: self.logits.append(output.detach().clone()))
        tower = loaded.model.get_submodule(loaded.family.vision_tower)
        tower.register_forward_pre_hook(self._look, with_kwargs=True)

    def _look(self, _, positional, named):
        grids = named.get("grid_thw")
        self.patches += len(named["pixel_values"]) if grids is None else int(grids[:, 0].sum())


def compare(model_type, clips, starts_s, calls):
    """The shared way, in several calls, and the naive way; returns the patches that each saw."""
    naive, shared, seen = Watched(model_type), Watched(model_type), {}
    bounds = [round(i * len(clips) / calls) for i in range(calls + 1)]
    for begin, end in pairwise(bounds):
        expected = naive.engine.generate(clips[begin:end], ASKED)
        found = shared.engine.generate_windows(clips[begin:end], starts_s[begin:end], ASKED, seen)
        for (verdict, text), (expected_verdict, expected_text) in zip(found, expected, strict=True):
            assert verdict.probabilities == pytest.approx(expected_verdict.probabilities, abs=1e-5)
            assert verdict.code_mass == pytest.approx(expected_verdict.code_mass, abs=1e-5)
            assert text == expected_text
        assert all(key[0] >= round(starts_s[end - 1] * 1e6) for key in seen)
        assert len(seen) <= LENGTH
    for one, other in zip(shared.logits, naive.logits, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    return shared.patches, naive.patches


@pytest.mark.parametrize("model_type", MODELS)
def test_each_patch_is_seen_once_with_the_answers_of_the_naive_way(model_type):
    clips, starts_s = windows_of(model_type, range(0, 14, STRIDE))
    shared, naive = compare(model_type, clips, starts_s, calls=3)
    together = load_tiny(model_type)[1].patch_frames
    assert naive == 7 * LENGTH // together
    assert shared == (6 * STRIDE + LENGTH) // together


@pytest.mark.parametrize("model_type", MODELS)
def test_windows_off_the_grid_or_with_another_frame_are_seen_as_they_are(model_type):
    # The second window begins between two pairs; the third has another first frame and the last an odd one.
    clips, starts_s = windows_of(model_type, [0, 1, 2, 4])
    other = clips[2].pixels.copy()
    other[0] = 255 - other[0]
    clips[2] = replace(clips[2], pixels=other, times_s=(0.1, *clips[2].times_s[1:]))
    clips[3] = Frames(clips[3].pixels[:7], clips[3].times_s[:7])
    shared, naive = compare(model_type, clips, starts_s, calls=2)
    paired = load_tiny(model_type)[1].patch_frames == 2
    assert naive == (16 if paired else 31)
    # Pairs: 4, 4 others, 1 changed and 1 more, 0 + the odd frame paired with itself. Frames: 8, 1, 1 + 1, 1.
    assert shared == (4 + 4 + 2 + 1 if paired else 8 + 1 + 2 + 1)


def test_frames_with_drawn_times_are_not_shared():
    clips, starts_s = windows_of("qwen3_vl", [0, 2])
    drawn = [replace(clip, timestamps_drawn=True) for clip in clips]
    watched = Watched("qwen3_vl")
    seen = {}
    assert watched.engine.generate_windows(drawn, starts_s, ASKED, seen) == watched.engine.generate(drawn, ASKED)
    assert not seen


def test_the_local_engine_offers_it():
    assert isinstance(LocalEngine(load_tiny("internvl")[0]), OverlapEngine)
