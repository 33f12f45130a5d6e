"""Several processes train the very model that one would, and the loss of one of them is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.training import TrainSettings, train

_SCRIPT = (
    "import sys; from pathlib import Path\n"
    "from vlm_autodrive.errors import UserError\n"
    "from vlm_autodrive.training.stage import train\n"
    "from vlm_autodrive.training.settings import TrainSettings\n"
    "try:\n"
    "    train(Path(sys.argv[1]), Path(sys.argv[2]), TrainSettings.model_validate_json(sys.argv[3]))\n"
    "except UserError as error:\n"
    "    sys.exit(f'told: {error}')\n"
)


def settings(**changes) -> TrainSettings:
    values = {
        "model": str(saved_tiny_model("qwen3_vl")),
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "save_steps": 2,
    }
    return TrainSettings(**{**values, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [4, 1])  # with 1, the second process has nothing to do
def test_two_processes_train_what_one_does(tmp_path, batch_size):
    supervision = make_supervision(tmp_path / "data", count=5)
    one = train(supervision, tmp_path / "one", settings(batch_size=batch_size))
    two = train(supervision, tmp_path / "two", settings(batch_size=batch_size, processes=2))
    first, second = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    start = load_file(Path(saved_tiny_model("qwen3_vl")) / "model.safetensors")
    moved = sum(float((first[name] - start[name]).norm()) for name in first)
    apart = sum(float((first[name] - second[name]).norm()) for name in first)
    assert moved > 0
    assert apart < 1e-3 * moved
    losses = [[json.loads(line)["loss"] for line in (out / "log.jsonl").open()] for out in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert torch.distributed.is_initialized() is False


@pytest.mark.slow
def test_a_lost_process_is_told_and_the_run_goes_on_from_its_checkpoint(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=8)
    wanted = settings(processes=2, epochs=12)
    whole = train(supervision, tmp_path / "whole", wanted)
    out = tmp_path / "lost"
    command = [sys.executable, "-c", _SCRIPT, str(supervision), str(out), wanted.model_dump_json()]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(".lost.partial-*/states/state-*.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(_further(process.pid), signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "told: another training process has ended" in told
    assert not out.exists()
    train(supervision, out, wanted)
    first, second = load_file(whole / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def _further(parent: int) -> int:
    """The process id of the further training process."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    spawned = [pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(spawned) == 1
    return int(spawned[0])
