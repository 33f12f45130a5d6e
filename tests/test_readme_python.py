"""The Python in README.md runs as files, as a reader would run it, and explains a script without a main guard."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
GUARD = 'if __name__ == "__main__":\n'
RECIPE = """
name: mini
simulate: {seed: 7, triplets: 2, singles: 0}
clips: {window_s: 4.8, split: {train: 0.5, validation: 0, test: 0.5}, split_by: count}
supervise: {types: [verdict]}
train: {model: tiny-base}
evaluate: {controls: [], prompt_variants: [], reasoning: false}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small recipe for the demo's, and a trip."""
    pytest.importorskip("panda3d")
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "mini.yaml").write_text(RECIPE)
    with av.open(str(folder / "trip.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=5, width=160, height=96, pix_fmt="yuv420p")
        for frame in np.random.default_rng(0).integers(0, 255, (30, 96, 160, 3), np.uint8):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        file.mux(stream.encode())
    return folder


def run(folder, text):
    (folder / "script.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "script.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def snippet(word):
    """The one that uses a function, on the small recipe and its results."""
    (text,) = (text for text in SNIPPETS if word in text)
    return text.replace('"demo"', '"mini.yaml"').replace("runs/demo", "runs/longer")


@pytest.fixture(scope="module")
def whole_run(folder):
    return run(folder, snippet("run_recipe("))


def test_a_run_prints_its_result_as_a_sentence_and_shows_progress(whole_run):
    assert whole_run.returncode == 0, whole_run.stderr
    told = r"These results mean nothing: 3 clips [^\n]* On 3 simulated test clips [^\n]*\.\nmacro-F1 \d\.\d\d\n"
    assert re.fullmatch(told, whole_run.stdout), whole_run.stdout
    assert "train: done in" in whole_run.stderr


@pytest.mark.parametrize(("word", "shown"), [("detect(", "Detecting"), (" train(", "training: 2 of 2")])
def test_a_stage_runs_on_what_the_run_made(whole_run, folder, word, shown):
    assert whole_run.returncode == 0, whole_run.stderr
    result = run(folder, snippet(word))
    assert result.returncode == 0, result.stderr
    assert shown in result.stderr


@pytest.mark.parametrize("word", ["run_recipe(", " train("])
def test_without_a_main_guard_one_sentence_says_so(whole_run, folder, word):
    assert whole_run.returncode == 0, whole_run.stderr
    before, guarded = snippet(word).split(GUARD)
    result = run(
        folder,
        (before + textwrap.dedent(guarded))
        .replace('runs/longer")', 'runs/other")')
        .replace("runs/trained", "runs/trained-again")
        .replace("train.epochs=2", "train.processes=2"),
    )
    assert result.returncode == 1
    assert result.stderr.count("Traceback") == 1
    assert 'with its calls under `if __name__ == "__main__":`.' in result.stderr.splitlines()[-1]
