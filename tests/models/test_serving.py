"""An export's processor makes, in stock software and with its own settings, what training made."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from tests.tiny_models import MODELS, frame_size, load_tiny, saved_tiny_model
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import SYSTEM_PROMPT, TINY_BASE, Encoder, export_processor, find_chat_template, load_model
from vlm_autodrive.video import SamplingSettings

REAL = ("qwen2.5-vl", "qwen3-vl-instruct")


def stock(processor, messages, pixels, times_s):
    """What stock software makes of a conversation about sampled frames; every other setting is the processor's."""
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    video = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    indices = [round(1000 * time_s) for time_s in times_s]
    metadata = {"fps": 1000.0, "frames_indices": indices, "total_num_frames": indices[-1] + 1}
    return processor(
        text=[text], videos=[video], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt"
    )


def check(loaded, height, width, out, count=4):
    sampling = SamplingSettings(fps=2, max_frames=6, height=height, width=width)
    export_processor(loaded.processor, loaded.family, sampling).save_pretrained(out)
    processor, encoder = AutoProcessor.from_pretrained(out), Encoder(loaded)
    pixels = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    times_s = tuple(0.5 * number for number in range(count))
    before = encoder._video.before_video(times_s)
    content = [{"type": "text", "text": before}] if before else []
    content += [{"type": "video"}, {"type": "text", "text": "What happens?"}]
    messages = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM_PROMPT}]},
        {"role": "user", "content": content},
    ]
    made = stock(processor, messages, pixels, times_s)
    prefix = encoder.prefix(times_s, height, width)
    assert made["input_ids"][0].tolist() == [*prefix.input_ids.tolist(), *encoder.question("What happens?")]
    values, expected = next(made[name] for name in made if name.startswith("pixel")), encoder.pixel_values(pixels)
    assert torch.allclose(values.reshape(expected.shape), expected, atol=1e-6)
    assert processor.image_processor.image_mean == processor.video_processor.image_mean
    assert processor.image_processor.image_std == processor.video_processor.image_std
    again = Encoder(replace(loaded, processor=processor))
    assert torch.equal(again.prefix(times_s, height, width).input_ids, prefix.input_ids)
    return json.loads((out / "processor_config.json").read_text())["video_processor"]


@pytest.mark.parametrize("model_type", MODELS)
@pytest.mark.parametrize("count", [2, 6])
def test_stock_software_makes_the_tokens_and_pixels_of_training(model_type, count, tmp_path):
    loaded = load_tiny(model_type)[0]
    check(loaded, *frame_size(model_type), tmp_path, count)


def test_the_shipped_base_normalises_images_otherwise_than_videos_and_its_export_does_not(tmp_path):
    loaded = load_model(TINY_BASE)
    assert loaded.processor.image_processor.image_mean != loaded.processor.video_processor.image_mean
    written = check(loaded, 84, 126, tmp_path)
    assert (written["fps"], written["min_frames"], written["max_frames"]) == (2.0, 2, 6)
    assert written["size"]["longest_edge"] == 6 * 84 * 126


@pytest.mark.fixtures
@pytest.mark.parametrize("name", REAL)
def test_published_templates_and_settings(name, real_model, tmp_path):
    loaded = load_model(str(real_model(name)))
    encoder = Encoder(loaded)
    check(loaded, *encoder.nearest_size(60, 90), tmp_path)
    assert find_chat_template(str(tmp_path)).takes_images


def test_larger_videos_from_elsewhere_are_brought_to_the_size_of_training(tmp_path):
    loaded = load_tiny("qwen3_vl")[0]
    height, width = frame_size("qwen3_vl")
    sampling = SamplingSettings(fps=2, max_frames=6, height=height, width=width)
    processor = export_processor(loaded.processor, loaded.family, sampling)
    pixels = np.zeros((6, 4 * height, 4 * width, 3), np.uint8)
    text = [{"role": "user", "content": [{"type": "video"}]}]
    grid = stock(processor, text, pixels, tuple(0.5 * number for number in range(6)))["video_grid_thw"][0]
    patch = processor.video_processor.patch_size
    assert (grid * torch.tensor([2, patch, patch])).tolist() == [6, height, width]


def test_a_template_with_other_marks_is_refused():
    loaded = load_tiny("qwen3_vl")[0]
    loaded.processor.chat_template = "{{ messages }}<video>"
    with pytest.raises(UserError, match="its maker's template"):
        export_processor(loaded.processor, loaded.family, SamplingSettings())


def test_whether_a_template_takes_images():
    assert not find_chat_template(TINY_BASE).takes_images
    assert not find_chat_template(str(saved_tiny_model("qwen3_vl"))).takes_images
    assert find_chat_template("someone/a-model-that-is-not-here") is None
