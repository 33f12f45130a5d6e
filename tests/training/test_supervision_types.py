"""The ablation switches: the supervision types that a recipe names are made, planned and trained on, no others."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_clips
from vlm_autodrive.artifacts import read_samples, write_clips, writing_artifact
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.training import TrainSettings, plan, train


@pytest.fixture
def clips(tmp_path):
    seen = {"weather": "Rain", "light_conditions": "Dark", "scene": "Urban"}
    made = [clip.model_copy(update={"metadata": seen}) for clip in make_clips(tmp_path)]
    folder = tmp_path / "clips"
    with writing_artifact(folder, "clips", {}, Settings()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, made)
    return folder


@pytest.mark.parametrize(
    "types",
    [("caption", "reasoning"), ("description", "vqa"), ("verdict",), ("caption", "description", "vqa", "reasoning")],
    ids="+".join,
)
def test_any_subset_of_the_types_trains(clips, tmp_path, types):
    supervision = supervise(clips, tmp_path / "supervision", SuperviseSettings(types=types))
    samples = [sample for sample in read_samples(supervision) if sample.accepted]
    assert {sample.type for sample in samples} == set(types)
    settings = TrainSettings(
        model=str(saved_tiny_model("qwen3_vl")), batch_size=3, samples_per_clip=20, precision="fp32", mirror=False
    )
    planned = plan(supervision, settings)
    assert sum(clip.samples for clip in planned.clips) == len(samples)
    checkpoint = train(supervision, tmp_path / "checkpoint", settings)
    losses = [json.loads(line)["loss"] for line in (checkpoint / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 2
    assert all(loss > 0 for loss in losses)
    before = load_file(saved_tiny_model("qwen3_vl") / "model.safetensors")
    after = load_file(checkpoint / "model.safetensors")
    assert any(not torch.equal(after[name], before[name]) for name in before)
