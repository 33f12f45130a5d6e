"""The benchmarks of training run at their tiniest shape, and count operations rightly."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import data_wait, flops, gpu_training, steps, training


@pytest.fixture
def model(tmp_path):
    return training.save_model(tmp_path / "model", layers=2)


@pytest.mark.parametrize("video_tokens", [128, 520])  # windows of one size, and of several
def test_operations_are_those_that_torch_counts(video_tokens, model):
    loaded = training.load_model(str(model), training.CPU, torch.float32)
    loaded.model.get_submodule(loaded.family.language_model).config._attn_implementation = "eager"
    encoder = training.Encoder(loaded)
    example = steps.make_example(encoder, video_tokens, 3)
    ours = training.OurStep(loaded, encoder, example)
    work = flops.work_of(ours.batches)
    tokens = len(example.prefix.input_ids) + 3 * 50
    assert work.tokens == tokens
    assert work.predictions == 3 * 20
    assert work.pairs == int((ours.batches[0].packed.attention_mask == 0).sum())
    with FlopCounterMode(display=False) as counted:
        ours()
    every_pair = replace(work, pairs=tokens**2)  # a dense mask hides pairs, but computes them
    assert flops.training_flops(loaded.model, every_pair) == pytest.approx(counted.get_total_flops(), rel=0.005)


def test_rows_of_their_own_have_the_work_of_the_stock_way(model):
    loaded = training.load_model(str(model), training.CPU, torch.float32)
    encoder = training.Encoder(loaded)
    example = steps.make_example(encoder, 128, 2)
    prefix = len(example.prefix.input_ids)
    alone = flops.work_of(steps.separate_batches(encoder, example))
    packed = flops.work_of(steps.packed_batches(encoder, example, "dense", 4096))
    stock = flops.stock_work(2, prefix + 50, example.prefix.grid_thw)
    assert alone == packed == replace(stock, predictions=2 * 20)


def test_our_step_and_the_trainers_compute_the_same(model):
    cells = [training.measure(model, 128, items, rounds=1) for items in (1, 2)]
    assert all(cell.apart < 1e-5 for cell in cells)  # behind two steps of each
    assert 1 <= cells[0].bound < cells[1].bound < 2
    head, _, *lines = training.table(cells)
    assert [line.count("|") for line in lines] == [head.count("|")] * 2


def test_waits_are_those_of_the_log(model, tmp_path):
    first, second = data_wait.measure_waits(model, tmp_path, clips=3, height=180)
    assert (first.steps, second.steps) == (2, 3)
    assert all(0 <= wait.share < 1 and wait.step_s > 0 for wait in (first, second))


def test_gpu_benchmark_at_the_tiny_shape():
    loaded = gpu_training.build("tiny", torch.device("cpu"))
    cells = gpu_training.measure(loaded, 128, 2, pack_to_tokens=4096, rounds=1)
    assert [cell.way for cell in cells] == ["separate", "packed", "shared"]
    separate, packed, shared = cells
    assert separate.tflops == packed.tflops > shared.tflops > separate.tflops / 2
    head, _, *lines = gpu_training.table([*cells, replace(cells[0], step_s=None)], peak=0.1)
    assert [line.count("|") for line in lines] == [head.count("|")] * 4
    assert "out of memory" in lines[3]
    assert gpu_training.peak_tflops("NVIDIA H200") == 989
    assert gpu_training.peak_tflops("some other") is None


@pytest.mark.parametrize(("shape", "billions"), [("3B", 3.75), ("7B", 8.29)])
def test_gpu_shapes_are_the_published_ones(shape, billions):
    loaded = gpu_training.build(shape, torch.device("meta"))
    assert sum(p.numel() for p in loaded.model.parameters()) == pytest.approx(billions * 1e9, rel=0.005)
    assert loaded.model.dtype == torch.bfloat16
