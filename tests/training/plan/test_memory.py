"""The plan's memory: weights counted to the last one, the peak against a real run, and ways out that are ways out."""

import json
import re
import subprocess
import sys

import pytest
import torch
import yaml
from typer.testing import CliRunner

from tests.clocks import write_clock
from tests.tiny_families import tiny_processor, tiny_qwen3_vl, train_tokenizer
from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_samples, make_supervision
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, load_meta_model, load_model
from vlm_autodrive.models.meta_model import PUBLISHED
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, write_jsonl
from vlm_autodrive.runs import load_recipe, shipped_recipes
from vlm_autodrive.settings import Settings, merge_values, parse_overrides
from vlm_autodrive.training import TrainSettings, machine_of, plan
from vlm_autodrive.training.plan.clip_costs import ClipCost, largest_pass, new_places, supervised_places
from vlm_autodrive.training.plan.counting import SampleLength
from vlm_autodrive.training.plan.machines import GB, Machine

ON_NEXAR = [name for name in shipped_recipes() if name.startswith("nexar")]
H100 = 80 * GB


@pytest.fixture(scope="module")
def nexar(tmp_path_factory):
    """Windows of 10 s with texts as long as the teachers', as the recipes for Nexar make them."""
    folder = tmp_path_factory.mktemp("nexar")
    samples, clips = [], []
    for number in range(2):
        clip = Clip(
            clip_id=f"v{number}-w0",
            video_id=f"v{number}",
            path=str(write_clock(folder / f"v{number}.mp4", count=100)),
            start_s=0.0,
            end_s=10.0,
            split="train",
            event_class="collision",
            event_time_s=5.0,
            alert_time_s=None,
            ego_involved=None,
            group_id=f"v{number}",
            triplet_id=None,
            metadata={},
        )
        verdict, reasoning, caption = make_samples(clip)
        long = "A silver car brakes hard ahead of us and the gap closes within two seconds. " * 12
        samples += [verdict, reasoning.model_copy(update={"target": long})]
        samples += [caption.model_copy(update={"sample_id": f"{clip.clip_id}-{k}", "target": long}) for k in range(10)]
        clips.append(clip)
    out = folder / "supervision"
    with writing_artifact(out, "supervision", {}, Settings()) as partial:
        write_jsonl(partial / SAMPLES_FILE, samples)
        write_clips(partial, out, DEFAULT_TAXONOMY, clips)
    return out


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.name)
def test_a_published_configuration_makes_as_many_weights_as_the_hub_says(published):
    meta_model = load_meta_model(published.name)
    assert sum(parameter.numel() for parameter in meta_model.model.parameters()) == published.weights
    assert all(parameter.is_meta for parameter in meta_model.model.parameters())


def test_a_meta_model_encodes_as_the_loaded_model_does():
    times = (0.0, 0.3, 0.6, 0.9)
    for model_type in ("qwen3_vl", "qwen2_5_vl"):
        model = str(saved_tiny_model(model_type))
        sampling = load_model(model).card.sampling
        one = Encoder(load_meta_model(model)).prefix(times, sampling.height, sampling.width)
        other = Encoder(load_model(model)).prefix(times, sampling.height, sampling.width)
        assert torch.equal(one.input_ids, other.input_ids) and torch.equal(one.position_ids, other.position_ids)


def test_there_is_a_recipe_for_every_model_with_adapters_and_with_all_weights():
    trained = {(load_recipe(name).train.model, load_recipe(name).train.lora is None) for name in ON_NEXAR}
    assert trained == {(published.name, full) for published in PUBLISHED for full in (False, True)}


@pytest.mark.parametrize("name", ON_NEXAR)
def test_a_recipe_fits_the_gpus_that_it_is_for(nexar, name):
    settings = load_recipe(name).train
    full = settings.lora is None
    planned = plan(nexar, settings, machine=Machine("cuda", 8 if full else 1, H100))
    assert planned.fits, planned.refusal()
    assert planned.clips[0].frames == 40
    side = 28 if "2.5" in settings.model or "Reason1" in settings.model else 32
    assert planned.clips[0].video_tokens == 20 * (settings.sampling.height // side) * (448 // side)
    assert any("are an estimate" in line for line in planned.lines())
    assert planned.memory.processes == (8 if full else 1)


def test_eight_billion_weights_are_too_many_for_one_gpu_and_each_way_out_is_one(nexar):
    settings = load_recipe("nexar-qwen3-vl-8b-full", ["train.shard=auto"]).train
    planned = plan(nexar, settings, machine=Machine("cuda", 1, H100))
    assert not planned.fits
    assert "on 4 such GPUs" in planned.refusal() or "on 2 such GPUs" in planned.refusal()
    assert_every_way_fits(nexar, settings, planned.refusal(), Machine("cuda", 1, H100))


@pytest.mark.parametrize(
    ("memory_gb", "changes", "expected"),
    [
        (30.0, {}, ("max_frames=", "height=", "samples_per_clip=")),
        (80.0, {"micro_batch_size": None, "gradient_checkpointing": False}, ("micro_batch_size=",)),
        (40.0, {"gradient_checkpointing": False}, ("gradient_checkpointing=true",)),
        (80.0, {"max_length": 4000}, ("max_length=", "max_frames=", "height=", "samples_per_clip=")),
    ],
)
def test_every_setting_that_is_named_would_make_it_fit(nexar, memory_gb, changes, expected):
    settings = TrainSettings(**{**load_recipe("nexar").train.model_dump(), "samples_per_clip": 9, **changes})
    machine = Machine("cuda", 1, memory_gb * GB)
    planned = plan(nexar, settings, machine=machine)
    assert not planned.fits
    for words in expected:
        assert words in planned.refusal()
    assert_every_way_fits(nexar, settings, planned.refusal(), machine)


def test_a_plan_for_a_cpu_names_the_smallest_gpu_that_would_do(nexar):
    settings = load_recipe("nexar").train
    refusal = plan(nexar, settings, machine=Machine("cpu", 1, 8 * GB)).refusal()
    size = int(re.search(r"No settings make it fit here: on one GPU of \d+ GB .*--gpus 1 --memory (\d+)", refusal)[1])
    assert plan(nexar, settings, machine=Machine("cuda", 1, size * GB)).fits
    assert not plan(nexar, settings, machine=Machine("cuda", 1, size / 2 * GB)).fits


@pytest.mark.parametrize("drawn", [False, True])
def test_no_frames_too_small_for_drawn_times_are_named(nexar, drawn):
    sampling = {"fps": 4, "max_frames": 40, "height": 84, "width": 140, "draw_timestamps": drawn}
    fitting = TrainSettings(**{**load_recipe("nexar").train.model_dump(), "sampling": sampling})
    longest = max(clip.sequence_tokens for clip in plan(nexar, fitting, machine=Machine("cuda", 1, H100)).clips)
    settings = fitting.model_copy(update={"max_length": longest - 10})
    refusal = plan(nexar, settings, machine=Machine("cuda", 1, H100)).refusal()
    assert "max_frames=" in refusal
    assert ("sampling.height=56" in refusal) is not drawn


def assert_every_way_fits(supervision, settings, refusal, machine):
    ways = refusal.partition("Any of these makes it fit: ")[2].rstrip(".").split("; ")
    assert ways != [""]
    for way in ways:
        if "such GPUs" in way:
            continue
        words = way.replace("'", "").split(" train.")
        overrides = [word if word.startswith("train.") else f"train.{word}" for word in words]
        changed = merge_values(settings.model_dump(), parse_overrides(overrides)["train"])
        replanned = plan(supervision, TrainSettings(**changed), machine=machine)
        assert replanned.fits, (way, replanned.refusal())


def test_the_verb_plans_by_a_configuration_alone(nexar, tmp_path):
    folder = tmp_path / "shape"
    folder.mkdir()
    (folder / "config.json").write_text(next(p for p in PUBLISHED if "Qwen3-VL-2B" in p.name).path.read_text())
    size = ["sampling.height=256", "sampling.width=448", "gradient_checkpointing=true", "micro_batch_size=1"]
    command = ["plan", str(nexar), "--model", str(folder), *size, "lora={r: 16}", "--gpus", "1", "--memory"]
    good = CliRunner().invoke(app, [*command, "80", "--json"])
    assert good.exit_code == 0, good.output
    said = json.loads(good.stdout)
    assert (said["exact"], said["refused"], said["steps_per_epoch"]) == (False, "", 1)
    assert said["memory"]["unmeasured"] == "unmeasured on a GPU"
    bad = CliRunner().invoke(app, [*command, "2"])
    assert (bad.exit_code, "does not fit into memory; estimated (unmeasured on a GPU): " in bad.stdout) == (1, True)
    here = CliRunner().invoke(app, [*command[:-3], "--gpus", "0"])
    assert "memory, estimated: " in here.stdout and "unmeasured" not in here.stdout


def test_logits_are_counted_where_places_of_a_pass_coincide():
    one = supervised_places(10, [SampleLength(5, 2), SampleLength(4, 1)])
    assert one == {13, 14, 18}
    assert new_places([one]) == 0.0
    assert new_places([one, one, one]) == 0.0
    assert new_places([one, {13, 14, 19}, {14, 20}]) == pytest.approx(2 / 6)
    clip = ClipCost(clip_id="a", frames=4, seconds=1, prefix_tokens=10, sample_tokens=9, supervised_tokens=3, samples=2)
    counted = [largest_pass([clip] * 3, TrainSettings(batch_size=3), 1, 1, share).logits for share in (0.0, 1 / 3, 1.0)]
    assert counted == [9, 15, 27]


def test_gpus_that_are_not_here_need_their_memory_told():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UserError, match="--memory 80"):
        machine_of(TrainSettings(), 8, None)
    assert machine_of(TrainSettings(), None, 80).kind == "cuda"
    assert machine_of(TrainSettings(processes=2), 0, 8) == Machine("cpu", 2, 4 * GB)


_MEASURED = """
import sys
from pathlib import Path
import torch
from vlm_autodrive.training import TrainSettings, train

torch.set_num_threads(1)
train(Path(sys.argv[1]), Path(sys.argv[2]), TrainSettings.model_validate_json(sys.argv[3]))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"gradient_checkpointing": True}, {"lora": {"r": 8}}], ids=["full", "checkpointed", "adapters"]
)
def test_the_estimate_is_near_the_peak_that_a_run_really_has(tmp_path, changes):
    """Within a factor of 1.5 either way, on a model of 20 million weights whose activations are larger than it."""
    tokenizer = train_tokenizer(["The car ahead brakes. <0.2 seconds>"] * 20, vocabulary=600)
    model = tmp_path / "model"
    tiny_qwen3_vl(tokenizer, hidden=384, layers=8, vision_hidden=256, vision_depth=4).save_pretrained(model)
    tiny_processor(tokenizer).save_pretrained(model)
    supervision = make_supervision(tmp_path / "data", count=4)
    settings = TrainSettings(
        model=str(model),
        sampling={"fps": 10, "max_frames": 24, "height": 168, "width": 252},
        batch_size=4,
        micro_batch_size=2,
        epochs=2,
        **changes,
    )
    estimated = plan(supervision, settings).memory.peak
    command = [sys.executable, "-c", _MEASURED, str(supervision), str(tmp_path / "out"), settings.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = int(done.stdout.splitlines()[-1])
    assert 1 / 1.5 < estimated / measured < 1.5, f"estimated {estimated / 1e6:.0f} MB, measured {measured / 1e6:.0f} MB"


def test_a_recipe_that_is_like_another_holds_what_is_different(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nlike: nexar-qwen3-vl-2b-full\ntrain: {epochs: 3}\n")
    mine, like = load_recipe(str(path)), load_recipe("nexar-qwen3-vl-2b-full")
    assert mine.train == like.train.model_copy(update={"epochs": 3.0})
    assert (mine.name, mine.clips) == ("mine", like.clips)
    path.write_text(yaml.safe_dump({"name": "mine", "like": str(path)}))
    with pytest.raises(UserError, match="like must name another recipe"):
        load_recipe(str(path))
