"""A recipe's training is started in several processes with the run's own settings, and the run takes what they make."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.artifacts import PROVENANCE
from vlm_autodrive.cli.main import app
from vlm_autodrive.cli.options import settings_from
from vlm_autodrive.progress import SILENT
from vlm_autodrive.runs import load_recipe, slurm_script, start_training, train_command
from vlm_autodrive.training import TrainSettings, train

OVERRIDES = ["train.epochs=1", "clips.seed=3", "train.lora={r: 4}", "train={save_steps: 7}"]


def said(*arguments: str) -> str:
    return CliRunner().invoke(app, ["run", *arguments]).output


def test_the_command_holds_the_training_settings_of_the_run():
    command = train_command("nexar-full", OVERRIDES, Path("runs/x"), 8)
    assert command[:4] == ["torchrun", "--standalone", "--nproc_per_node=8", "-m"]
    handed = [text for text in command if "=" in text and not text.startswith("--")]
    assert settings_from(TrainSettings, "train", "nexar-full", handed) == load_recipe("nexar-full", OVERRIDES).train
    printed = said("nexar-full", *OVERRIDES, "--run-dir", "runs/x", "--on", "torchrun", "--processes", "8", "--dry-run")
    assert shlex.split(printed) == command


def test_a_slurm_script_does_the_run_in_three_commands(tmp_path):
    """Run by bash, with programs in place of Slurm's and ours that write down how they were called."""
    for name in ("autodrive", "srun", "hostname"):
        answer = "echo node1" if name == "hostname" else f'echo {name} "$(printf "[%s]" "$@")"'
        (tmp_path / name).write_text(f"#!/bin/bash\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    script = slurm_script("nexar-full", OVERRIDES, Path("my runs/x"), "nexar-full", 2, 8)
    arguments = ["nexar-full", *OVERRIDES, "--run-dir", "my runs/x", "--on", "slurm", "--processes", "8"]
    assert said(*arguments, "--nodes", "2") == script + "\n"
    assert {"#SBATCH --nodes=2", "#SBATCH --gpus-per-node=8", "#SBATCH --ntasks-per-node=1"} <= set(script.splitlines())
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=True)
    before, training, run = (line.partition("[")[2].rstrip("]").split("][") for line in done.stdout.splitlines())
    assert run == ["run", "nexar-full", *OVERRIDES, "--run-dir", "my runs/x"]
    assert before == [*run, "--before-training"]
    assert training[:3] == ["torchrun", "--nnodes=2", "--nproc_per_node=8"]
    assert "--rdzv_endpoint=node1:29500" in training
    assert training[5:] == train_command("nexar-full", OVERRIDES, Path("my runs/x"), 8)[3:]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--dry-run"], "go with --on"),
        (["--processes", "2"], "go with --on"),
        (["--on", "torchrun", "--processes", "2", "--nodes", "2"], "--nodes goes with --on slurm"),
    ],
)
def test_options_that_would_do_nothing_are_refused(arguments, expected):
    assert expected in " ".join(said("smoke", *arguments).split())


@pytest.mark.slow
def test_what_the_processes_train_is_what_the_run_wants(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    supervision = make_supervision(tmp_path / "run", count=3)
    values = {
        "name": "mine",
        "import": {"path": "videos"},
        "train": {"model": str(saved_tiny_model("qwen3_vl")), "batch_size": 2, "precision": "fp32"},
    }
    recipe, overrides = tmp_path / "mine.yaml", ["train.epochs=2", "train.shard=full"]
    recipe.write_text(yaml.safe_dump(values))
    start_training(train_command(str(recipe), overrides, tmp_path / "run", 2))
    checkpoint = tmp_path / "run" / "checkpoint"
    made = (checkpoint / PROVENANCE).read_text()
    train(supervision, checkpoint, load_recipe(str(recipe), overrides).train, SILENT)  # nothing is left to do
    assert (checkpoint / PROVENANCE).read_text() == made
