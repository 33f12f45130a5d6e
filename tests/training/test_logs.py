"""What is logged, shown and told when a step goes wrong."""

import json
from contextlib import contextmanager

import pytest
import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from tensorboardX.proto.event_pb2 import Event

from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.artifacts import read_clips
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.training.guards import out_of_memory_guard
from vlm_autodrive.training.logs import StepRecord, Throughput, check_trackers


class Showing(SilentReporter):
    """Keeps what stands beside the bar of training."""

    def __init__(self):
        self.shown = []

    @contextmanager
    def task(self, description, total, done=0):
        with super().task(description, total, done) as silent:
            yield self if description == "training" else silent

    def advance(self, steps=1, status=""):
        self.shown.append(status)


def settings(**changes) -> TrainSettings:
    values = {
        "model": str(saved_tiny_model("qwen3_vl")),
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "lr_scheduler_type": "constant",
        "warmup_steps": 0.0,
    }
    return TrainSettings(**{**values, **changes})


@pytest.fixture
def supervision(tmp_path):
    return make_supervision(tmp_path / "data", count=2)


def scalars(folder):
    """What tensorboard's files hold: (name, step) to value; each record has its length, two checksums and an event."""
    found = {}
    for path in folder.rglob("events.out.*"):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + length])
            content = content[12 + length + 4 :]
            found.update({(value.tag, event.step): value.simple_value for value in event.summary.value})
    return found


def test_every_step_is_a_line_and_goes_to_the_tracker_and_beside_the_bar(supervision, tmp_path):
    reporter = Showing()
    out = train(supervision, tmp_path / "out", settings(report_to=["tensorboard"]), reporter)
    lines = [json.loads(line) for line in (out / "log.jsonl").open()]
    assert [line["step"] for line in lines] == [0, 1]
    assert [line["samples"] for line in lines] == [6, 6]
    assert {line["learning_rate"] for line in lines} == {1e-3}
    assert all(line["tokens"] > 100 and line["data_wait_s"] >= 0 for line in lines)
    tracked = scalars(out / "trackers" / "out")
    for line in lines:
        assert tracked["loss", line["step"]] == pytest.approx(line["loss"], rel=1e-6)
        assert tracked["samples", line["step"]] == 6
    assert reporter.shown[0].startswith(f"loss {lines[0]['loss']:.3f}, lr 1.0e-03, ")


def test_the_line_beside_the_bar_counts_over_all_steps():
    throughput = Throughput()
    values = {"loss": 1.0, "learning_rate": 2e-5, "grad_norm": 1.0, "samples": 10, "tokens": 3000}
    throughput.status(StepRecord(step=0, step_s=1.0, data_wait_s=1.0, **values))
    told = throughput.status(StepRecord(step=1, step_s=2.0, data_wait_s=0.0, validation_macro_f1=0.5, **values))
    assert told == "loss 1.000, lr 2.0e-05, 5.0 samples/s, 1,500 tokens/s, data wait 25 %, validation macro-F1 0.500"


def test_trackers_that_do_not_exist_or_are_missing_are_refused_before_anything_is_read(supervision, tmp_path):
    with pytest.raises(UserError, match=r"there is no tracker tensorbord; take .*tensorboard"):
        train(supervision, tmp_path / "out", settings(report_to=["tensorbord"]))
    assert not (tmp_path / ".frames").exists()
    missing = next(name for name in LOGGER_TYPE_TO_CLASS if name not in {str(n) for n in get_available_trackers()})
    with pytest.raises(UserError, match=f"the package of {missing} is missing; install it: pip install"):
        check_trackers(settings(report_to=[missing]))


def test_a_loss_that_is_not_finite_stops_with_the_ids_of_the_step(supervision, tmp_path):
    with pytest.raises(
        UserError, match=r"of step 1 is not finite; its clips and samples are named in (.*)\. Look"
    ) as told:
        train(supervision, tmp_path / "out", settings(learning_rate=1e30))  # its first step throws the weights away
    path = next(tmp_path.glob(".out.partial-*/non-finite-step-00000001.json"))
    assert str(path) in str(told.value)
    bad = json.loads(path.read_text())
    assert {clip["clip_id"] for clip in bad["clips"]} == {clip.clip_id for clip in read_clips(supervision)}
    assert f"{bad['clips'][0]['clip_id']}-verdict" in bad["clips"][0]["sample_ids"]


def test_exhausted_memory_is_told_with_the_plan_and_the_settings_to_change():
    told = r"ran out at step 7, whose largest forward pass has 9,000 tokens \(the plan\). Set micro_batch_size lower, "
    with (
        pytest.raises(UserError, match=told + "gradient_checkpointing=true, or sampling"),
        out_of_memory_guard(7, [100, 9000], "the plan"),
    ):
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="must match"), out_of_memory_guard(7, [], "the plan"):
        torch.zeros(2) + torch.zeros(3)
