"""Exit statuses of ``detect``, by real processes: a search that never took place does not read like "no event"."""

import json
import subprocess
import sys

import pytest

from tests.detection.flashes import write_drive


def detect(folder, *videos, model=("--model", "tiny-base")):
    command = [sys.executable, "-m", "vlm_autodrive", "detect", *videos, *model, "--out", "found", "reasoning=false"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    write_drive(folder / "good.mp4", 6)
    (folder / "torn.mp4").write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.mark.parametrize(
    ("videos", "status", "sentence"),
    [
        (["good.mp4", "torn.mp4"], 0, ""),
        (["torn.mp4"], 1, "autodrive: nothing was searched: no window of 1 videos could be read and judged; torn.mp4:"),
        (["good.mp4", "typo.mp4"], 1, "autodrive: typo.mp4 does not exist;"),
    ],
)
def test_exit_status(folder, videos, status, sentence):
    done = detect(folder, *videos)
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    for name in videos:  # each has its record all the same
        result = folder / "found" / f"{folder.name}_{name.removesuffix('.mp4')}" / "events.json"
        assert json.loads(result.read_text())["video"] == name


def test_no_model_is_taken_that_finds_nothing_by_construction(folder):
    done = detect(folder, "good.mp4", model=())
    assert done.returncode == 1
    assert "tiny-base has never seen an event and finds none" in done.stderr
