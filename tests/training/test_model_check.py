"""``autodrive models check`` says the truth of every family, and of a model that cannot be trained."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from tests.tiny_models import FAMILIES, HYBRID, MODELS, frame_size, load_tiny, saved_tiny_model
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, load_model, short_model
from vlm_autodrive.training import check_model, model_check
from vlm_autodrive.training.model_check import _compare_frames
from vlm_autodrive.training.parity import rounding_tolerance
from vlm_autodrive.training.position_check import compare_positions
from vlm_autodrive.video import SamplingSettings


def without_weights(model_type, folder):
    """What can be fetched of a large model in a moment: configuration and processor."""
    shutil.copytree(saved_tiny_model(model_type), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return str(folder)


@pytest.mark.parametrize("model_type", MODELS)
def test_every_family_can_be_trained_and_only_the_hybrid_not_share(model_type):
    found = check_model(str(saved_tiny_model(model_type)))
    assert found.can_be_trained
    assert found.shares == (model_type in FAMILIES)
    checked = "4 of its 4" if model_type == HYBRID else "2 of its 2"  # the hybrid's last layer is of another kind
    assert found.weights == f"its own weights in {checked} layers"
    layers = 4 if model_type == HYBRID else 2
    assert found.lora["mlp.down_proj"] == layers and found.lora["self_attn.q_proj"] == (
        1 if model_type == HYBRID else 2
    )
    said = "sequence of its own" if model_type == HYBRID else "share one encoded video"
    assert any(said in line for line in found.lines())


@pytest.mark.parametrize("model_type", MODELS)
def test_positions_are_compared_with_the_stock_ones(model_type, monkeypatch):
    loaded, encoder = load_tiny(model_type)
    height, width = frame_size(model_type)
    sampling = SamplingSettings(height=height, width=width)
    found = compare_positions(loaded, encoder, sampling)
    assert not found.fault
    assert ("begins text on top of a video of more than 1.5 s" in found.line()) == (model_type == "qwen2_5_vl")
    right = encoder.conversation

    def one_late(*arguments):
        whole = right(*arguments)
        positions = whole.position_ids.clone()
        positions[0, len(positions[0]) // 2 :] += 1
        return replace(whole, position_ids=positions)

    monkeypatch.setattr(encoder, "conversation", one_late)
    assert "they are not" in compare_positions(loaded, encoder, sampling).fault


@pytest.mark.fixtures
def test_the_check_says_where_stock_positions_overlap(real_model):
    found = check_model(str(real_model("qwen2.5-vl")))
    [line] = [line for line in found.lines() if line.startswith("positions: ")]
    assert "as vLLM places them" in line and "on top of a video of more than 8 s" in line  # 16 columns, 2 a second
    assert found.can_be_trained


@pytest.mark.fixtures
def test_an_interval_that_training_alone_knows_fails_the_check(real_model, monkeypatch):
    loaded = load_model(str(real_model("qwen2.5-vl")))
    encoder, sampling = Encoder(loaded), SamplingSettings(height=56, width=56)
    assert not _compare_frames(loaded, encoder, sampling)
    windows = model_check.read_windows
    monkeypatch.setattr(
        model_check,
        "read_windows",
        lambda *given: [(window, replace(frames, nominal_interval_s=None)) for window, frames in windows(*given)],
    )
    assert _compare_frames(loaded, encoder, sampling) == "the positions of the video differ"


@pytest.mark.parametrize("model_type", MODELS)
def test_the_architecture_alone_gives_the_same_verdict(model_type, tmp_path):
    found = check_model(without_weights(model_type, tmp_path / "bare"))
    assert found.weights.startswith("random weights in ")
    assert found.can_be_trained and found.shares == (model_type in FAMILIES)


def test_random_layers_keep_one_of_each_kind():
    loaded = short_model(str(saved_tiny_model(HYBRID)), layers=1)
    assert loaded.model.config.text_config.layer_types == ["linear_attention", "full_attention"]
    assert len(loaded.model.model.language_model.layers) == 2


def test_the_command_prints_json_and_its_figures():
    result = CliRunner().invoke(app, ["models", "check", str(saved_tiny_model("internvl")), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["loss_shared"] == pytest.approx(found["loss_separate"], rel=1e-5)
    assert found["shares"]
    assert 0 < found["largest_ratio"] <= found["tolerance"] <= 1e-4


def test_codes_of_two_tokens_end_in_status_1(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(saved_tiny_model("qwen3_vl"), folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "A"}, "content": "Aa"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    result = CliRunner().invoke(app, ["models", "check", str(folder)])
    assert result.exit_code == 1
    assert "not one token each" in result.stdout and "it cannot be trained" in result.stdout


def test_a_family_that_is_not_known_is_refused_in_one_sentence(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(UserError, match="models of type llava are not supported yet"):
        check_model(str(folder))


@pytest.mark.parametrize("model_type", MODELS)
def test_lora_targets_the_language_model_alone(model_type):
    found = check_model(str(saved_tiny_model(model_type)), random_layers=1)
    assert found.lora and not found.lora_astray
    linear = {"linear_attn.in_proj_qkv", "linear_attn.out_proj"}
    assert (linear <= found.lora.keys()) == (model_type == HYBRID)
    assert torch.is_grad_enabled()


def test_a_deep_models_own_first_layers_are_checked_and_its_memory_is_bounded(tmp_path):
    from transformers import AutoModelForImageTextToText

    folder = tmp_path / "deep"
    shutil.copytree(saved_tiny_model("qwen3_vl"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= {"num_hidden_layers": 24, "layer_types": ["full_attention"] * 24}
    (folder / "config.json").write_text(json.dumps(config))
    deep = AutoModelForImageTextToText.from_pretrained(folder)
    deep.save_pretrained(folder)
    short = short_model(str(folder), 2, own_weights=True).model
    name = "model.language_model.layers.1.mlp.up_proj.weight"
    assert torch.equal(short.state_dict()[name], deep.state_dict()[name])
    assert len(short.model.language_model.layers) == 2
    found = check_model(str(folder))
    assert found.weights == "its own weights in 2 of its 24 layers" and found.shares
    assert found.lora["mlp.up_proj"] == 24  # where adapters go is counted in all of them


def test_the_tolerance_grows_with_the_depth():
    few, many = (short_model(str(saved_tiny_model("qwen3_vl")), layers).model.config for layers in (1, 2))
    assert rounding_tolerance(few) == pytest.approx(1e-5 * 3**0.5)  # one layer of the language model, two of the tower
    assert rounding_tolerance(many) == pytest.approx(1e-5 * 2)
