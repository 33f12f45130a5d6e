"""What training computes in, with and without a CPU's instructions for bfloat16."""

import pytest
import torch

from tests.listening import Listens
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.models import load_model
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.float32_muon import Float32Muon
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.optimizers import build_optimizers
from vlm_autodrive.training.precision import computes_in_bf16


@pytest.fixture(params=[True, False], ids=["with instructions", "without"])
def able(request, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": request.param, "amx_bf16": False})
    return request.param


def test_auto_takes_what_the_device_is_fast_at(able):
    assert computes_in_bf16("auto", "cuda")
    assert computes_in_bf16("auto", "cpu") == able
    assert computes_in_bf16("bf16", "cpu")
    assert not computes_in_bf16("fp32", "cuda")


def test_a_slow_choice_is_told(able):
    loaded = load_model(str(saved_tiny_model("qwen3_vl")))
    reporter = Listens()
    prepare_model(loaded, TrainSettings(precision="bf16"), reporter)
    assert "computing in bf16" in reporter.said[-1]
    assert any("train.precision=auto" in line for line in reporter.said) == (not able)


def test_the_matrices_of_a_cpu_without_instructions_get_muon_in_float32(able):
    loaded = load_model(str(saved_tiny_model("qwen3_vl")))
    muon = build_optimizers(loaded.model, loaded.family, TrainSettings(optimizer="muon"))[0]
    assert isinstance(muon, Float32Muon) == (not able)


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_muon_in_float32_steps_as_torch_does_in_bfloat16(shape):
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(shape, generator=generator)
    gradients = [torch.randn(shape, generator=generator) for _ in range(4)]
    ends = []
    for kind in (torch.optim.Muon, Float32Muon):
        weight = torch.nn.Parameter(start.clone())
        optimizer = kind([weight], lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        ends.append(weight.detach())
    moved = (ends[0] - start).norm()
    assert (ends[0] - ends[1]).norm() < 0.05 * moved  # what bfloat16 rounds off in five iterations
    assert moved > 1


def test_a_run_goes_on_with_the_other_muon():
    weight = torch.nn.Parameter(torch.eye(8))
    first = torch.optim.Muon([weight], adjust_lr_fn="match_rms_adamw")
    weight.grad = torch.ones(8, 8)
    first.step()
    second = Float32Muon([weight], adjust_lr_fn="match_rms_adamw")
    second.load_state_dict(first.state_dict())
    before = second.state[weight]["momentum_buffer"].clone()
    second.step()
    assert torch.equal(second.state[weight]["momentum_buffer"], before.lerp(weight.grad, 0.05))
