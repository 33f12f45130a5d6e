"""An ablation on real files: shared stages are made once, figures are those of the predictions, failures are rows."""

import json
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score
from typer.testing import CliRunner

from tests.runs.ablation.footage import write_footage, write_recipe
from vlm_autodrive.artifacts import read_clips, read_predictions, read_provenance, read_samples
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.runs import ablate, load_recipe, preview

CLASSES = ["collision", "near_collision", "normal"]
TWO_BY_TWO = "{seeds: [0, 1], grids: [{types: [all, none]}]}"


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    return write_footage(tmp_path_factory.mktemp("footage"))


@pytest.fixture(scope="module")
def finished(footage, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    recipe = load_recipe(str(write_recipe(folder / "two.yaml", footage, TWO_BY_TWO)))
    return recipe, folder / "out", ablate(recipe, folder / "out")


def row(table, name):
    return next(each for each in table.rows if each.name == name)


def kinds_in(folder):
    return {item.type for item in read_samples(folder)}


def test_each_row_is_scored_from_its_predictions_over_both_seeds(finished):
    _, out, table = finished
    assert [each.name for each in table.rows] == [
        "before training", "majority class", "camera shake",
        "types=verdict+caption+description+vqa+reasoning_vqa+reasoning", "types=verdict",
    ]  # fmt: skip
    for each in table.rows[3:]:
        scores = [_by_sklearn(out / "predictions" / "cells" / f"{each.name}, seed={seed}") for seed in (0, 1)]
        accuracy, f1 = (np.mean([score[place] for score in scores], axis=0) for place in (0, 1))
        assert each.seeds == (0, 1)
        assert each.scores.n == 6
        assert each.scores.accuracy.value == pytest.approx(accuracy)
        assert [each.scores.f1[name].value for name in CLASSES] == pytest.approx(list(f1))
        assert each.scores.macro_f1.value == pytest.approx(f1.mean())
    first, second = table.rows[3:]
    assert first.scores.gains == {}
    gained = second.scores.macro_f1.value - first.scores.macro_f1.value
    assert second.scores.gains["macro_f1"].difference.value == pytest.approx(gained)
    assert row(table, "before training").scores.accuracy.value == pytest.approx(
        _by_sklearn(out / "predictions" / "base")[0]
    )


def _by_sklearn(predictions):
    said = {each.clip_id: each.verdict.event_class or "none" for each in read_predictions(predictions)}
    clips = read_clips(predictions)
    truths, answers = [clip.event_class for clip in clips], [said[clip.clip_id] for clip in clips]
    f1 = f1_score(truths, answers, labels=CLASSES, average=None, zero_division=0)
    return accuracy_score(truths, answers), f1


def test_what_cells_share_is_made_once_and_types_are_chosen_from_it(finished):
    _, out, _ = finished
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == [
        "types=verdict+caption+description+vqa+reasoning_vqa+reasoning, seed=0",
        "types=verdict+caption+description+vqa+reasoning_vqa+reasoning, seed=1",
        "types=verdict, seed=0",
        "types=verdict, seed=1",
    ]
    every, few = out / "supervision", out / "chosen" / "types=verdict"
    # Nothing of an incident is recorded of this footage, so that no goal or intention is known.
    assert kinds_in(every) == {"verdict", "caption", "description", "vqa", "reasoning"}
    assert [item for item in read_samples(every) if item.type == "verdict"] == read_samples(few)
    assert read_clips(every) == read_clips(few)
    for name, source in (("verdict", few), ("verdict+caption+description+vqa+reasoning_vqa+reasoning", every)):
        teacher_inputs = read_provenance(out / "checkpoints" / f"types={name}, seed=1").inputs["supervision"]
        assert teacher_inputs.key == read_provenance(source).key
    cached = [path for path in (out / ".cache" / "frames").rglob("*") if path.is_file()]
    assert len(list(out.rglob("frames"))) == 1
    assert cached


def test_done_again_it_makes_nothing_and_writes_the_same(finished):
    recipe, out, table = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("provenance.json")}
    files = {name: (out / f"ablation.{name}").read_bytes() for name in ("json", "md", "html")}
    assert ablate(recipe, out) == table
    assert {path: path.stat().st_mtime_ns for path in out.rglob("provenance.json")} == before
    assert {name: (out / f"ablation.{name}").read_bytes() for name in files} == files


def test_the_page_and_the_markdown_say_what_the_record_says(finished):
    _, out, table = finished
    markdown, page = (out / "ablation.md").read_text(), (out / "ablation.html").read_text()
    lines = [line.split("|")[1:-1] for line in markdown.splitlines() if line.startswith("|")]
    assert all(len(first) == len(second) for first, second in pairwise(lines))
    assert [line[0] for line in lines[2:]] == [
        "before training", "majority class", "camera shake", "all types", "verdict alone",
    ]  # fmt: skip
    used = [line[lines[0].index("caption")] for line in lines[2:]]
    assert used == ["", "", "", "✓", ""]
    accuracy = row(table, "types=verdict").scores.accuracy
    assert f"{accuracy.value:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}]" in lines[-1]
    for note in table.notes:
        assert note in markdown
    assert page.count("<svg") == len(table.rows) + 1
    assert page.count('class="seed"') == 2 * 2
    assert "://" not in page
    assert any("6 clips are too few" in note for note in table.notes)
    assert any("2 seeds say little" in note for note in table.notes)


FAILING = "{unfit: %s, grids: [{axes: {train.max_length: [16384, 64], train.report_to: [[], [no-such]]}}]}"


def test_what_does_not_fit_is_said_all_at_once_before_anything_is_trained(footage, tmp_path):
    recipe = load_recipe(str(write_recipe(tmp_path / "unfit.yaml", footage, FAILING % "refuse")))
    with pytest.raises(UserError) as caught:
        ablate(recipe, tmp_path / "out")
    said = str(caught.value)
    assert "2 of 4 cells cannot be trained, and nothing was" in said
    assert said.count("do not fit into max_length=64") == 2
    assert not (tmp_path / "out" / "checkpoints").exists()
    assert not (tmp_path / "out" / "predictions").exists()


def test_a_cell_that_fails_is_a_row_with_its_reason_and_the_others_go_on(footage, tmp_path):
    write_recipe(tmp_path / "r.yaml", footage, FAILING % "leave_out")
    done = CliRunner().invoke(app, ["ablate", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 1, done.stderr
    table = json.loads(done.stdout)
    rows = {each["name"]: each for each in table["rows"] if each["role"] == "cell"}
    good, untracked, *unfit = rows.values()
    assert good["scores"]["n"] == 6
    assert good["failures"] == []
    assert untracked["scores"] is None
    assert "there is no tracker no-such" in untracked["failures"][0]["reason"]
    assert untracked["failures"][0]["seed"] == 0
    assert all("do not fit into max_length=64" in each["failures"][0]["reason"] for each in unfit)
    assert "there is no tracker no-such" in (tmp_path / "out" / "ablation.md").read_text()
    assert json.loads((tmp_path / "out" / "ablation.json").read_text()) == table


def test_if_the_data_cannot_be_made_that_is_the_message(footage, tmp_path):
    recipe = load_recipe(str(write_recipe(tmp_path / "r.yaml", tmp_path / "gone", TWO_BY_TWO)))
    with pytest.raises(UserError) as caught:
        ablate(recipe, tmp_path / "out")
    assert "gone" in str(caught.value)
    assert "cells cannot be trained" not in str(caught.value)


def test_under_torchrun_it_refuses(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="without torchrun"):
        ablate(load_recipe("ablation-smoke"), tmp_path)


def test_a_preview_counts_and_trains_nothing(footage, tmp_path):
    write_recipe(tmp_path / "r.yaml", footage, TWO_BY_TWO)
    run, out = CliRunner().invoke, str(tmp_path / "out")
    done = run(app, ["ablate", str(tmp_path / "r.yaml"), "-o", out, "--dry-run"])
    assert done.exit_code == 0, done.stderr
    assert "2 cells, 4 trainings: 8 steps" in done.stdout
    assert not (tmp_path / "out" / "checkpoints").exists()
    assert not (tmp_path / "out" / "predictions").exists()
    seen = json.loads(run(app, ["ablate", str(tmp_path / "r.yaml"), "-o", out, "--dry-run", "--json"]).stdout)
    assert {each["stage"]: (each["times"], each["there"]) for each in seen["shared"]} == {
        "catalog": (1, 1), "clips": (1, 1), "supervision": (1, 1), "chosen": (1, 1), "plans": (2, 2),
        "checkpoints": (4, 0), "predictions/cells": (4, 0), "validation/base": (1, 0), "predictions/base": (1, 0),
        "predictions/majority": (1, 0), "predictions/camera_shake": (1, 0),
    }  # fmt: skip
    full, verdict = (each["budget"] for each in seen["rows"])
    assert (full["clips"], full["steps"], verdict["samples"]) == (6, 2, 6)
    assert full["tokens"] > verdict["tokens"] > 6 * verdict["sequence_tokens"] - 1
    assert seen["tokens"] == 2 * (full["tokens"] + verdict["tokens"])


def test_a_preview_never_asks_a_model_for_texts(footage, tmp_path):
    """Nobody listens at the port, so asking would fail."""
    recipe = load_recipe(
        str(write_recipe(tmp_path / "r.yaml", footage, TWO_BY_TWO)),
        ["supervise.teacher=served", "supervise.served.model=m", "supervise.served.base_url=http://127.0.0.1:9/v1"],
    )
    seen = preview(recipe, tmp_path / "out")
    assert all(each.budget is not None and not each.budget.exact for each in seen.rows)
    assert not (tmp_path / "out" / "supervision").exists()


def test_a_machine_to_count_for_needs_a_dry_run(tmp_path):
    done = CliRunner().invoke(app, ["ablate", "ablation-smoke", "-o", str(tmp_path / "o"), "--gpus", "1"])
    assert done.exit_code == 1
    assert "give --dry-run" in done.stderr
