"""A clip whose pictures turn out to be damaged while training is under way is named and passed over, and no other."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.remuxing import spoil_pictures
from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.models import read_card
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.training import TrainSettings, plan, train
from vlm_autodrive.training.sampler import clips_by_first_use, join_samples
from vlm_autodrive.video import damaged_clips


def settings(**changes) -> TrainSettings:
    values = {
        "model": str(saved_tiny_model("qwen3_vl")),
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "precision": "fp32",
    }
    return TrainSettings(**{**values, **changes})


@pytest.fixture
def supervision(tmp_path):
    """Three clips, of which the second's packets are sound and its pictures are not."""
    folder = make_supervision(tmp_path / "data", count=3)
    spoil_pictures(Path(read_clips(folder)[1].path), 30)
    return folder


def log(out):
    return [json.loads(line) for line in (out / "log.jsonl").open()]


def test_the_plan_counts_it_and_training_names_it_and_goes_on(supervision, tmp_path):
    planned = plan(supervision, settings())
    assert planned.fits and planned.unreadable == [] and len(planned.clips) == 3
    assert not list((supervision.parent / ".frames").glob("*.frames"))  # nothing was decoded
    said = []
    reporter = SilentReporter()
    reporter.say = said.append
    out = train(supervision, tmp_path / "out", settings(batch_size=3), reporter)
    assert [record["damaged_clips"] for record in log(out)] == [["train1-w0"]] * 2
    [line] = [line for line in said if "cannot be decoded: train1-w0: damaged" in line]
    assert line.startswith("left out at step 0")
    assert any("1 clips could not be decoded" in line for line in said)
    assert list(damaged_clips(out)) == ["train1-w0"]
    learnt = [clip for clip in read_clips(supervision) if clip.clip_id != "train1-w0"]
    trained_on = read_card(str(out)).trained_on
    assert (trained_on.videos, trained_on.clips) == (2, 2)
    assert trained_on.hours == pytest.approx(sum(clip.duration_s for clip in learnt) / 3600, abs=1e-4)


def test_a_step_with_no_other_clip_changes_nothing(supervision, tmp_path):
    records = log(train(supervision, tmp_path / "out", settings(batch_size=1)))
    empty = [record for record in records if "damaged_clips" in record]
    assert len(empty) == 2 and len(records) == 6
    assert all((record["loss"], record["grad_norm"], record["tokens"]) == (0, 0, 0) for record in empty)
    assert all(math.isfinite(record["loss"]) and record["loss"] > 0 for record in records if record not in empty)


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["none", "full"])
def test_processes_pass_over_it_alike(supervision, tmp_path, shard):
    one = log(train(supervision, tmp_path / "one", settings()))
    two = log(train(supervision, tmp_path / "two", settings(processes=2, shard=shard)))
    assert [record.get("damaged_clips") for record in two] == [record.get("damaged_clips") for record in one]
    assert [record["loss"] for record in two] == pytest.approx([record["loss"] for record in one], rel=1e-4)


def test_clips_are_decoded_in_the_order_in_which_they_are_needed(supervision):
    train_clips = join_samples(read_clips(supervision), read_samples(supervision))
    chosen = settings(batch_size=1, seed=4)
    assert len(clips_by_first_use(train_clips, chosen)) == 3
    first = clips_by_first_use(train_clips, settings(batch_size=1, seed=4, epochs=1 / 3))
    assert [clip.clip_id for clip in first] == [clips_by_first_use(train_clips, chosen)[0].clip_id]
    balanced = clips_by_first_use(train_clips, settings(balance="class", epochs=3))
    assert {clip.clip_id for clip in balanced} == {each.clip.clip_id for each in train_clips}


def test_from_standard_input_where_no_worker_can_start_training_is_refused(tmp_path):
    """Workers import the main script anew, and standard input cannot be read twice."""
    supervision = make_supervision(tmp_path / "data", count=2)
    script = (
        "from pathlib import Path\nfrom vlm_autodrive.training import TrainSettings, train\n"
        f"chosen = TrainSettings.model_validate_json({settings().model_dump_json()!r})\n"
        f"train(Path({str(supervision)!r}), Path({str(tmp_path / 'out')!r}), chosen)\n"
    )
    done = subprocess.run([sys.executable], input=script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "worker processes cannot start" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
