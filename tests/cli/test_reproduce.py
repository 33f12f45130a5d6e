"""Every command of docs/reproduce.md is typed as it stands, on a simulated stand-in for Nexar and with a tiny model."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from vlm_autodrive.cli.main import app

DOCUMENT = Path(__file__).parents[2] / "docs" / "reproduce.md"
BASE_MODEL = "nvidia/Cosmos-Reason1-7B"
# What the stand-in needs otherwise than Nexar and a model of 7 billion weights.
STAND_IN = {
    "clips": {"window_s": 4.8, "split": {"train": 0.5, "validation": 0.1, "test": 0.4}, "split_by": "count"},
    "train": {"model": "tiny-base", "batch_size": 8, "micro_batch_size": None, "sampling": None, "lora": None,
              "gradient_checkpointing": False},
    "evaluate": {"max_new_tokens": 24},
}  # fmt: skip


def commands():
    """The commands of the document's console blocks, in order."""
    for block in re.findall(r"^```console\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


def autodrive(*words):
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, f"autodrive {' '.join(words)}\n{done.stderr[-3000:]}"


def make_like_stand_in(recipe):
    """Make the copied recipe one for the stand-in: other windows, another model, nothing else."""
    values = yaml.safe_load(recipe.read_text())
    for section, changes in STAND_IN.items():
        values[section] = {**values.get(section, {}), **changes}
    recipe.write_text(yaml.safe_dump(values))


def test_the_document_names_the_steps():
    verbs = [words[1] for words in commands() if words[0] == "autodrive"]
    assert verbs[:6] == ["recipes", "import", "validate", "clips", "audit", "inspect"]
    assert {"supervise", "plan", "train", "evaluate", "compare", "report"} <= set(verbs)


@pytest.mark.slow
def test_from_the_download_to_the_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = []
    # The review page is served until somebody ends it.
    monkeypatch.setattr("vlm_autodrive.review.serve", lambda review, **_: opened.append(len(review.source.items)))
    autodrive("simulate", "--out", "data/nexar", "triplets=10", "singles=2", "long_videos=0", "seed=5")
    for program, *words in commands():
        if program != "autodrive":  # the download, whose place the stand-in takes
            assert program == "hf"
            continue
        typed = ["tiny-base" if word == BASE_MODEL else word for word in words]
        autodrive(*typed)
        if words[:2] == ["recipes", "copy"]:
            make_like_stand_in(tmp_path / "mine.yaml")
    assert opened and all(opened)
    report = json.loads((tmp_path / "r/report/report.json").read_text())
    assert set(report["models"]) == {"base", "tuned", "majority", "camera_shake"}
    tuned = report["models"]["tuned"]
    assert tuned["calibration"]["temperature"] is not None
    assert set(tuned["anticipation"]["average_precision"]) == {"0.5", "1", "1.5"}
    assert {"black", "shuffled", "no_video"} <= set(tuned["controls"])
    assert set(tuned["prompt_variants"]) == {"main", "short", "checklist", "expert"}
    base = report["models"]["base"]
    assert set(base["prompt_choice"]["macro_f1"]) == {"main", "short", "checklist", "expert", "paper", "own"}
    assert base["prompt"] == base["prompt_choice"]["prompt"]
    assert "Collision F1" in (tmp_path / "r/report/report.md").read_text()
