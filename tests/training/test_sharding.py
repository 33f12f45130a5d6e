"""Processes that torchrun starts train what one process does, whole or sharded, and save and go on alike."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor

from tests.tiny_models import load_tiny, saved_tiny_model
from tests.training.breaking import break_off
from tests.training.supervision_set import make_supervision
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, SilentReporter
from vlm_autodrive.runs import load_recipe, run_recipe
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.processes import SINGLE_PROCESS, spawned
from vlm_autodrive.training.sharding import is_sharded, shard_model

_LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]

# On a machine without a GPU this one still starts two processes, which then find each other over gloo.
_ACCELERATE = [str(Path(sys.executable).parent / "accelerate"), "launch", "--multi_gpu", "--num_processes", "2"]
_ACCELERATE += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]


def settings(**changes) -> TrainSettings:
    values = {
        "model": str(saved_tiny_model("qwen3_vl")),
        "epochs": 2,
        "batch_size": 2,  # of 3 clips: every second step has one, and a process without any
        "micro_batch_size": 1,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "save_steps": 2,
    }
    return TrainSettings(**{**values, **changes})


def launch(
    supervision: Path, out: Path, wanted: TrainSettings, launcher: list[str] = _LAUNCH
) -> subprocess.CompletedProcess:
    told = [f"{key}={json.dumps(value)}" for key, value in wanted.model_dump(mode="json", exclude_unset=True).items()]
    command = [*launcher, "-m", "vlm_autodrive", "train", str(supervision), "--out", str(out), *told]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)


def log(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").open()]


@pytest.mark.slow
def test_torchrun_trains_what_one_process_does_whole_or_divided(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=3)
    one = log(train(supervision, tmp_path / "one", settings()))
    for shard in ("none", "full"):
        result = launch(supervision, tmp_path / shard, settings(shard=shard))
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{tmp_path / shard}\n"  # the first process alone tells
        many = log(tmp_path / shard)
        for figure in ("loss", "grad_norm"):
            assert [r[figure] for r in many] == pytest.approx([r[figure] for r in one], rel=1e-4)
        assert [r["tokens"] for r in many] == [r["tokens"] for r in one]
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "none", "full")]
    assert weights[0].keys() == weights[1].keys() == weights[2].keys()
    again = launch(supervision, tmp_path / "full", settings(shard="full"))
    assert (again.returncode, again.stdout) == (0, f"{tmp_path / 'full'}\n")


@pytest.mark.slow
def test_accelerate_launch_trains_what_one_process_does(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=3)
    one = log(train(supervision, tmp_path / "one", settings()))
    result = launch(supervision, tmp_path / "two", settings(), _ACCELERATE)
    assert result.returncode == 0, result.stderr
    assert [r["loss"] for r in log(tmp_path / "two")] == pytest.approx([r["loss"] for r in one], rel=1e-4)


@pytest.mark.slow
def test_a_refusal_ends_all_processes(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=2)
    result = launch(supervision, tmp_path / "out", settings(max_length=64))
    assert result.returncode != 0
    assert len(re.findall("do not fit into max_length=64", result.stderr)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_divided_model_goes_on_from_its_checkpoint_in_as_many_processes_or_in_one(tmp_path, optimizer):
    supervision = make_supervision(tmp_path / "data", count=3)
    wanted = settings(shard="full", processes=2, optimizer=optimizer, save_steps=3)
    frames = tmp_path / "frames"
    whole = train(supervision, tmp_path / "whole", wanted, frame_cache=frames)
    broken = tmp_path / "broken"
    assert break_off(supervision, broken, wanted, frames, 4, "kill") == -signal.SIGKILL
    [left] = tmp_path.glob(".broken.partial-*")
    assert [path.name for path in left.glob("states/state-*")] == ["state-00000003.safetensors"]
    alone = tmp_path / "alone"
    shutil.copytree(left, tmp_path / left.name.replace("broken", "alone"))
    train(supervision, broken, wanted, frame_cache=frames)
    first, second = load_file(whole / "model.safetensors"), load_file(broken / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    train(supervision, alone, settings(optimizer=optimizer, save_steps=3), frame_cache=frames)
    assert_equal_but_for_rounding(whole, alone)


class BrokenOff(Exception):
    """Stands for whatever ends a training."""


class BreaksOff(SilentReporter):
    """Ends a training in this process behind its third step."""

    @contextmanager
    def task(self, description, total, done=0):
        with super().task(description, total, done) as silent:
            yield self if description == "training" else silent

    def advance(self, steps=1, status=""):
        self.steps = getattr(self, "steps", 0) + steps
        if self.steps == 4:
            raise BrokenOff


@pytest.mark.slow
def test_a_training_in_one_process_goes_on_in_two_that_divide_the_model(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=3)
    frames = tmp_path / "frames"
    whole = train(supervision, tmp_path / "whole", settings(save_steps=3), frame_cache=frames)
    broken = tmp_path / "broken"
    with pytest.raises(BrokenOff):
        train(supervision, broken, settings(save_steps=3), BreaksOff(), frame_cache=frames)
    [state] = tmp_path.glob(".broken.partial-*/states/state-*")
    assert state.name == "state-00000003.safetensors"
    train(supervision, broken, settings(save_steps=3, shard="full", processes=2), SILENT, frame_cache=frames)
    assert_equal_but_for_rounding(whole, broken)


def assert_equal_but_for_rounding(one: Path, other: Path) -> None:
    """The weights moved alike, and the log is that of one training: gradients are summed in another order alone."""
    start = load_file(saved_tiny_model("qwen3_vl") / "model.safetensors")
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    moved = sum(float((first[name] - start[name]).norm()) for name in first)
    apart = sum(float((first[name] - second[name]).norm()) for name in first)
    assert 0 < apart < 5e-3 * moved  # not 0, since some steps were made otherwise; Muon magnifies rounding errors
    assert [r["step"] for r in log(other)] == [r["step"] for r in log(one)]
    assert [r["loss"] for r in log(other)] == pytest.approx([r["loss"] for r in log(one)], rel=1e-4)


def _divide(rank, wanted, gathered):
    loaded, _ = load_tiny("qwen3_vl")
    model = prepare_model(loaded, wanted, SILENT)
    shard_model(model, loaded, wanted, rank)
    sizes = {name: (p.to_local().numel(), p.numel()) for name, p in model.named_parameters() if isinstance(p, DTensor)}
    if gathered is not None:
        gathered.update(sizes)
        gathered["all"] = len(list(model.parameters()))


@pytest.mark.slow
def test_every_weight_is_divided():
    gathered: dict = {}
    with spawned(2, _divide, (settings(), None)) as rank:
        _divide(rank, settings(), gathered)
    count = gathered.pop("all")
    assert len(gathered) == count
    assert sum(local for local, _ in gathered.values()) == pytest.approx(
        sum(n for _, n in gathered.values()) / 2, rel=0.05
    )


def test_a_whole_recipe_is_not_for_several_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="start only its training with them"):
        run_recipe(load_recipe("smoke"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_process_divides_nothing():
    device = torch.device("cpu")
    assert not is_sharded(TrainSettings(), SINGLE_PROCESS, device)
    with pytest.raises(UserError, match="there is one; start several with torchrun"):
        is_sharded(TrainSettings(shard="full"), SINGLE_PROCESS, device)
