"""Whole ablations from the command line: the shipped grid, one that is killed, and the one for Nexar on a stand-in."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from tests.runs.ablation.footage import write_footage, write_recipe
from vlm_autodrive.cli.main import app


def start(*arguments):
    program = "from vlm_autodrive.cli.main import main; main()"
    command = [sys.executable, "-c", program, "ablate", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_the_shipped_grid_of_six_cells(tmp_path):
    process = start("ablation-smoke", "--out", tmp_path, "ablate.seeds=[0]", "train.epochs=1", "--json")
    printed, said = process.communicate(timeout=550)
    assert process.returncode == 0, said
    table = json.loads(printed)
    cells = [row for row in table["rows"] if row["role"] == "cell"]
    assert len(cells) == 6
    assert all(row["scores"]["n"] == 13 and row["seeds"] == [0] and not row["failures"] for row in cells)
    assert all(set(row["scores"]["f1"]) == {"collision", "near_collision", "normal"} for row in cells)
    assert {row["values"]["max_frames"] for row in cells} == {"16", "8"}
    frames = {row["values"]["max_frames"]: row["budget"]["frames"] for row in cells}
    assert frames == {"16": 16, "8": 8}
    seen = [
        len(json.loads(line)["frame_times_s"])
        for line in (tmp_path / "predictions" / "cells" / "types=verdict, max_frames=8, seed=0" / "predictions.jsonl")
        .read_text()
        .splitlines()
    ]
    assert set(seen) == {8}  # the evaluation follows the card of what was trained
    assert "All held-out clips are simulated. The metrics say nothing about real footage." in table["notes"]
    assert any("intervals are over the clips alone" in note for note in table["notes"])


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_as_if_nothing_had_been(tmp_path):
    footage = write_footage(tmp_path / "footage")
    recipe = write_recipe(tmp_path / "r.yaml", footage, "{seeds: [0, 1], grids: [{types: [all, none]}]}", ", epochs: 4")
    whole = start(recipe, "--out", tmp_path / "whole")
    assert whole.wait(timeout=300) == 0, whole.stderr.read()

    killed = tmp_path / "killed"
    process = start(recipe, "--out", killed)
    give_up = time.monotonic() + 200
    while not _in_the_middle(killed):
        assert process.poll() is None, f"it ended before it could be killed: {process.stderr.read()}"
        assert time.monotonic() < give_up
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in _finished(killed)}
    assert 1 <= len(done) < 4
    waiting = json.loads((killed / "ablation.json").read_text())["rows"]
    assert sum(row["waiting"] for row in waiting) == 3

    process = start(recipe, "--out", killed)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "going on at" in said
    assert {name: (killed / "checkpoints" / name).stat().st_mtime_ns for name in done} == done
    for path in _finished(tmp_path / "whole"):
        weights = path / "model.safetensors"
        assert (killed / "checkpoints" / path.name / weights.name).read_bytes() == weights.read_bytes()
    assert (killed / "ablation.json").read_text() == (tmp_path / "whole" / "ablation.json").read_text()
    assert list(killed.rglob("*.partial-*")) == []


def _finished(out):
    return [path for path in (out / "checkpoints").glob("*") if not path.name.startswith(".")]


def _in_the_middle(out):
    """One cell is in the table, and the second one's training has something to go on from."""
    second = any((out / "checkpoints").glob(".*seed=0.partial-*/states/state-*.safetensors"))
    return second and any((out / "predictions" / "cells").glob("types=*")) and (out / "ablation.json").is_file()


@pytest.mark.slow
def test_the_ablation_for_nexar_is_counted_on_a_stand_in(tmp_path):
    footage = write_footage(tmp_path / "nexar", seconds=12, each=3)
    arguments = ["nexar-ablation", "--out", tmp_path / "out", "--dry-run", "--gpus", 1, "--memory", 80, "--json"]
    done = CliRunner().invoke(app, ["ablate", *map(str, arguments), f"import.path={footage}", "clips.split_by=count"])
    assert done.exit_code == 0, done.stderr
    seen = json.loads(done.stdout)
    rows = {row["name"]: row for row in seen["rows"]}
    assert (len(rows), seen["trainings"]) == (20, 60)
    assert all(row["budget"] is not None and not row["failures"] for row in rows.values())
    shared = {each["stage"]: each["times"] for each in seen["shared"]}
    assert (shared["catalog"], shared["clips"], shared["supervision"]) == (1, 2, 2)
    # The base model is shown the frames that a cell trains with: the recipe's own, and eight other choices of frames
    # and window.
    assert (shared["chosen"], shared["checkpoints"], shared["predictions/base"]) == (11, 60, 9)

    def tokens(**wanted):
        [row] = [row for row in rows.values() if wanted.items() <= row["values"].items()]
        return row["budget"]["sequence_tokens"]

    types = "verdict+caption+description+vqa+reasoning_vqa+reasoning"
    plain = {"types": types, "fps": "4", "max_frames": "40", "height": "252", "width": "448", "window_s": "10"}
    assert tokens(**plain) - tokens(**plain | {"max_frames": "8"}) == 16 * 144  # pairs of frames, tokens of each
    assert tokens(**plain) - tokens(**plain | {"height": "140", "width": "252"}) == 20 * (144 - 45)
