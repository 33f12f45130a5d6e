"""The folder of a run tells how long the whole run still takes."""

import pytest

from tests.listening import Listens
from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.runs import folder, load_recipe
from vlm_autodrive.runs.folder import RunFolder
from vlm_autodrive.settings import Settings

KNOWN = {"simulate": 120.0, "train": 480.0, "report": 20.0}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Does a stage of the name that takes so many seconds by the clock; gives what was said."""
    clock, reporter = [0.0], Listens()
    monkeypatch.setattr(folder.time, "monotonic", lambda: clock[0])
    run_folder = RunFolder(tmp_path, reporter, KNOWN)

    def do(name, seconds):
        def stage(out, told):
            told.say("at work")
            with writing_artifact(out, name, {}, Settings()) as made:
                clock[0] += seconds if made is not None else 0
            return out

        reporter.said.clear()
        run_folder.run_stage(name, name, stage)
        return reporter.said[0]

    return do


def test_the_time_left_is_as_much_longer_as_the_stages_so_far_took(run):
    assert run("simulate", 180.0) == "simulate (whole run: about 10 min left):"  # 620 s on two idle cores
    assert run("train", 480.0) == "train (whole run: about 12 min left):"  # 1.5 times 500 s
    assert run("report", 5.0) == "report (whole run: less than 1 min left):"
    assert run("extra", 5.0) == "extra:"


def test_neither_a_stage_that_was_done_nor_one_that_was_begun_tells_how_fast_it_is(run, tmp_path):
    run("simulate", 60.0)
    (tmp_path / ".train.partial-of-before").mkdir()
    assert run("train", 1.0) == "train (whole run: about 4 min left):"
    run("train", 1.0)
    assert run("report", 1.0) == "report (whole run: less than 1 min left):"


def test_only_the_demo_as_it_stands_knows_its_times():
    known = load_recipe("demo").stage_seconds
    assert list(known)[:2] == ["simulate", "import"] and known["train"] > 60
    assert not load_recipe("demo", ["train.epochs=5"]).stage_seconds
    assert not load_recipe("paper-ablation-simulated").stage_seconds
