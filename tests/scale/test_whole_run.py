"""A whole run whose stages give their work to an executor is the run that one machine makes."""

import pytest

from tests.scale.here import HereExecutor
from vlm_autodrive.artifacts import read_account
from vlm_autodrive.progress import SILENT
from vlm_autodrive.runs import load_recipe, run_recipe

BY_INPUT = ("validated", "clips", "supervision", "predictions/base", "predictions/tuned", "long_videos/found")


@pytest.mark.slow
def test_a_run_on_an_executor(tmp_path):
    recipe = load_recipe("smoke", ["validate={}", "anticipation=null"])
    result = run_recipe(recipe, tmp_path / "run", SILENT, executor=(executor := HereExecutor()))
    assert result.executed[:4] == ("simulate", "import", "validate", "clips")
    for place in BY_INPUT:
        account = read_account(tmp_path / "run" / place)
        assert account is not None and account.inputs == account.records > 0, place
    decoded = [name for name in executor.given if name.endswith(".mp4 stream None")]
    assert decoded and len(decoded) == len(set(decoded))  # for the training, each video once
    assert run_recipe(recipe, tmp_path / "run", SILENT).executed == ()  # the results have the keys of one machine
