"""A run and an ablation take their stages from one list, so both call them alike."""

from pathlib import Path

import pytest

from tests.listening import Listens
from vlm_autodrive.runs import load_recipe, run_recipe, stages
from vlm_autodrive.runs.ablation.cell_stages import CellStages
from vlm_autodrive.runs.ablation.cells import cells_of
from vlm_autodrive.runs.folder import RunFolder


class Evaluated(Exception):
    """The base model was about to be evaluated."""


@pytest.fixture
def calls(monkeypatch):
    """Notes how the base model is evaluated, and stops there; the stages before it do nothing."""
    noted = []

    def evaluate(clips, model, out, settings, reporter, *, questions, validation, executor, overwrite):
        assert validation is None and settings.choose_prompt is False  # there are no validation clips
        noted.append((clips, model, settings, questions, overwrite))
        raise Evaluated

    for name, place in (("simulate", 0), ("import_dataset", 2), ("build_clips", 1), ("supervise", 1), ("train", 1)):
        monkeypatch.setattr(stages, name, lambda *inputs, place=place, **options: inputs[place])
    monkeypatch.setattr(stages, "evaluate", evaluate)
    monkeypatch.setattr(stages, "has_validation", lambda clips: False)
    return noted


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["train.sampling={fps: 2, max_frames: 12, height: 126, width: 210}"],
        ["train.sampling={fps: 2, max_frames: 12, height: 126, width: 210}", "evaluate.sampling={max_frames: 6}"],
        ["evaluate.sampling={max_frames: 6}", "evaluate.frame_cache=/kept"],
    ],
)
def test_the_base_model_is_evaluated_alike_in_a_run_and_in_an_ablation(calls, tmp_path, changes):
    recipe = load_recipe("ablation-smoke", ["ablate.grids=[{types: [all]}]", *changes])
    with pytest.raises(Evaluated):
        run_recipe(recipe, tmp_path)
    with pytest.raises(Evaluated):
        CellStages(RunFolder(tmp_path, Listens())).base(cells_of(recipe)[0])
    (_, model, settings, questions, overwrite), in_ablation = calls
    assert in_ablation == (tmp_path / "clips", model, settings, tmp_path / "supervision", overwrite)
    assert questions == tmp_path / "supervision"
    assert model == recipe.train.model
    assert Path(settings.frame_cache) == Path(recipe.evaluate.frame_cache or tmp_path / ".cache" / "frames")
