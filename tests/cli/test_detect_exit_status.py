"""Exit statuses of ``detect``: a search that never took place does not read like "no event"."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tests.detection.flashes import write_drive
from vlm_autodrive.cli.main import app

TORN = "autodrive: nothing was searched: no window of 1 videos could be read and judged; torn.mp4:"


def arguments(*videos, out="found", model=("--model", "tiny-base")):
    return ["detect", *videos, *model, "--out", out, "reasoning=false"]


def detect(*videos, **how):
    """Exit status and stderr."""
    done = CliRunner().invoke(app, arguments(*videos, **how))
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    write_drive(folder / "good.mp4", 6)
    (folder / "torn.mp4").write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("videos", "status", "sentence"),
    [
        (["good.mp4", "torn.mp4"], 0, ""),
        (["torn.mp4"], 1, TORN),
        (["good.mp4", "typo.mp4"], 1, "autodrive: typo.mp4 does not exist;"),
    ],
)
def test_exit_status(folder, videos, status, sentence):
    ended, told = detect(*videos)
    assert ended == status, told
    assert sentence in told
    for name in videos:  # each has its record all the same
        result = folder / "found" / f"{folder.name}_{name.removesuffix('.mp4')}" / "events.json"
        assert json.loads(result.read_text())["video"] == name


def test_where_no_path_exists_nothing_else_is_said_or_made(folder):
    ended, told = detect("typo.mp4", out="nothing")
    assert (ended, told) == (1, "autodrive: typo.mp4 does not exist.\n")
    assert not (folder / "nothing").exists()


def test_no_model_is_taken_that_finds_nothing_by_construction():
    ended, told = detect("good.mp4", model=())
    assert ended == 1
    assert "tiny-base has never seen an event and finds none" in told


@pytest.mark.slow
def test_exit_status_of_a_real_process(folder):
    command = [sys.executable, "-m", "vlm_autodrive", *arguments("torn.mp4", out="alone")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert TORN in done.stderr
    assert "Traceback" not in done.stderr
