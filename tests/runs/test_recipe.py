"""Recipes: the shipped ones, overrides, and what must not be combined."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from vlm_autodrive.cli.main import app
from vlm_autodrive.datasets import ImportSettings
from vlm_autodrive.detection import CalibrateSettings, DetectSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.runs import (
    SECTIONS,
    full_recipe,
    load_recipe,
    recipe_section,
    recipe_text,
    shipped_recipes,
    with_training_frames,
)
from vlm_autodrive.runs.recipe import Recipe
from vlm_autodrive.training import TrainSettings

run = CliRunner().invoke


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_is_sound_and_its_full_form_means_the_same(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    path = tmp_path / "full.yaml"
    path.write_text(full_recipe(recipe))
    assert load_recipe(str(path)) == recipe


def test_the_shipped_recipes():
    assert {"demo", "nexar", "nexar-full", "smoke"} <= set(shipped_recipes())
    assert load_recipe("demo").train.model == "tiny-base"
    assert load_recipe("demo").default_run_dir == Path("runs/demo")
    nexar = load_recipe("nexar")
    assert (nexar.train.model, nexar.clips.window_s) == ("nvidia/Cosmos-Reason1-7B", 10)
    assert nexar.train.sampling.max_frames >= nexar.train.sampling.fps * nexar.clips.window_s


def test_the_papers_recipe_is_that_for_nexar_with_the_papers_question_and_supervision():
    paper, nexar = load_recipe("paper"), load_recipe("nexar")
    assert {c.name: c.code for c in paper.import_.taxonomy.classes} == {
        "collision": "A",
        "normal": "B",
        "near_collision": "C",
    }
    assert (paper.supervise.chain, paper.supervise.context.label) == ("paper", False)
    assert paper.supervise.vqa_per_clip == paper.supervise.understanding_per_clip == 0
    assert set(paper.supervise.teacher_types) == {"description", "vqa", "reasoning_vqa", "reasoning"}
    assert (paper.train, paper.clips) == (nexar.train, nexar.clips)
    other = load_recipe("paper-qwen3-vl-4b")
    assert (other.supervise, other.import_) == (paper.supervise, paper.import_)
    assert other.train == load_recipe("nexar-qwen3-vl-4b").train


def test_every_section_of_a_recipe_is_known_by_its_name():
    named = {field.alias or name for name, field in Recipe.model_fields.items()}
    assert set(SECTIONS) == named - {"name", "description", "run_dir", "stage_seconds"}


def test_overrides_reach_every_depth_and_make_sections():
    recipe = load_recipe("nexar", ["train.lora.r=4", "detect.videos=[a.mp4]", "train.sampling=null"])
    assert recipe.train.lora == {**load_recipe("nexar").train.lora, "r": 4}
    assert recipe.detect.videos == ("a.mp4",)
    assert recipe.train.sampling is None


def test_evaluation_takes_the_frames_of_training_but_for_what_it_sets_itself(tmp_path):
    overrides = ["train.sampling.draw_timestamps=true", "train.sampling.n_frames=8", "evaluate.sampling.n_frames=null"]
    recipe = load_recipe("nexar", [*overrides, "evaluate.sampling.draw_timestamps=false"])
    sampling = with_training_frames(recipe.evaluate, recipe.train).sampling
    assert (sampling.draw_timestamps, sampling.n_frames) == (False, None)
    assert (sampling.fps, sampling.height) == (recipe.train.sampling.fps, recipe.train.sampling.height)
    (tmp_path / "full.yaml").write_text(full_recipe(recipe))
    assert load_recipe(str(tmp_path / "full.yaml")).evaluate.sampling.model_dump()["draw_timestamps"] is False


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: x", "import.path"),
        ("name: x\nsimulate: {}\nimport: {path: y}", "exclude each other"),
        ("name: x\nimport: {path: y}\ndetect: {}", "detect.videos"),
        ("name: ../x\nsimulate: {}", "name: String should match"),
        ("name: x\nsimulate: {}\ntrian: {}", "there is no setting trian; did you mean train?"),
        ("name: x\nsimulate: {}\ntrain: {lora: {lora_alhpa: 1}}", "no field lora_alhpa; did you mean lora_alpha?"),
        ("name: x\nsimulate: {}\nsimulate: {}", "line 3: simulate appears twice"),
        ("- a", "this is no recipe"),
        ("", "this is no recipe"),
        ("a: [", "line"),
    ],
)
def test_a_bad_recipe_says_what_is_wrong(tmp_path, text, sentence):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"recipe .*bad\.yaml") as caught:
        load_recipe(str(path))
    assert sentence in str(caught.value)


def test_a_section_leaves_out_what_its_verb_is_given_as_arguments(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: r\nimport: {format: nexar, path: p, strict: true}\n"
        "detect: {videos: [v], tuning_videos: 0, stride_s: 2, max_false_alarms_per_hour: 3}\n"
    )
    assert recipe_section(str(path), "import", ImportSettings.model_fields) == {"strict": True}
    assert recipe_section(str(path), "detect", DetectSettings.model_fields) == {"stride_s": 2}
    wanted = {"stride_s": 2, "max_false_alarms_per_hour": 3}
    assert recipe_section(str(path), "detect", CalibrateSettings.model_fields) == wanted
    assert recipe_section(str(path), "train", TrainSettings.model_fields) == {}


def test_the_import_section_hands_on_its_settings_alone():
    section = load_recipe("nexar", ["import.strict=true", "import.overlay=o.csv"]).import_
    settings = section.settings()
    assert (settings.strict, settings.overlay) == (True, "o.csv")
    assert not hasattr(settings, "path")


def test_ls_show_copy(tmp_path):
    assert "demo" in run(app, ["recipes", "ls"]).stdout
    assert run(app, ["recipes", "show", "demo"]).stdout.rstrip() == recipe_text("demo").rstrip()
    full = yaml.safe_load(run(app, ["recipes", "show", "demo", "train.epochs=9"]).stdout)
    assert full["train"]["epochs"] == 9
    target = tmp_path / "mine.yaml"
    assert run(app, ["recipes", "copy", "nexar", str(target)]).stdout.strip() == str(target)
    assert target.read_text() == recipe_text("nexar")
    target.write_text("mine now")
    refused = run(app, ["recipes", "copy", "demo", str(target)])
    assert (refused.exit_code, target.read_text()) == (1, "mine now")
    assert run(app, ["recipes", "copy", "demo", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "demo.yaml").read_text() == recipe_text("demo")


def test_keys_tells_the_meaning_of_every_setting():
    result = run(app, ["recipes", "keys", "--json"])
    assert result.exit_code == 0
    rows = yaml.safe_load(result.stdout)
    assert {
        "key": "train.epochs",
        "default": "1.0",
        "meaning": "Passes over the clips of the train split; may be a fraction.",
    } in rows
    unexplained = [row["key"] for row in rows if not row["meaning"] and row["key"].count(".") == 1]
    assert unexplained == []
