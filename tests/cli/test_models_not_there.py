"""A model that cannot be fetched or read is one sentence that says what to do, in every command that takes one."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from tests.fake_hub import REFUSALS, fake_hub, use_hub
from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_clips, make_supervision
from vlm_autodrive.artifacts import write_clips, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.models import ModelCard, load_model, write_card
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

SECONDS = 10
VERBS = (
    "evaluate",
    "detect",
    "train",
    "plan",
    "models check",
    "supervise",
    "supervise, captioner",
    "run",
    "export model",
)
OF_HUB = {
    "org/misspelt": "the hub shows no model of that name; correct the spelling, or if it is private set HF_TOKEN",
    "org/gated": "org/gated is gated and no token is set; accept its licence at {url}/org/gated, and set HF_TOKEN",
    "org/no-revision": "the hub has no revision main of org/no-revision; take one of those at {url}",
    "org/wrong-token": "the hub refuses the token in use for org/wrong-token (HTTP 401); set HF_TOKEN",
    "org/ill": "could not deliver org/ill (HTTP 500); try again later, or fetch it",
}
ELSEWHERE = "fetch it where the hub can be reached, with `hf download org/model --local-dir FOLDER`, and give FOLDER"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Clips, their samples, and an adapter's checkpoint without weights, whose base is filled in by the tests."""
    folder = tmp_path_factory.mktemp("world")
    clips = folder / "clips"
    with writing_artifact(clips, "clips", {}, Settings()) as partial:
        write_clips(partial, clips, DEFAULT_TAXONOMY, make_clips(folder, 1, "test") + make_clips(folder, 1, "train"))
    make_supervision(folder / "data", count=1)
    return folder


def command(verb, model, world, out):
    """The arguments of a verb with this model."""
    if verb == "export model":
        checkpoint = out / "checkpoint"
        (checkpoint / "adapter").mkdir(parents=True)
        write_card(checkpoint, ModelCard(name="tuned", base=model, sampling=SamplingSettings()))
        shutil.copy(saved_tiny_model("qwen3_vl") / "tokenizer.json", checkpoint)
        (checkpoint / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": model}))
        (checkpoint / "adapter" / "adapter_model.safetensors").write_bytes(b"")
        return ["export", "model", str(checkpoint), "--to", "merged", "--out", str(out / "export")]
    supervision = str(world / "data" / "supervision")
    return {
        "evaluate": ["evaluate", str(world / "clips"), "--model", model, "--out", str(out / "o")],
        "detect": ["detect", str(world / "test0.mp4"), "--model", model, "--out", str(out / "o")],
        "train": ["train", supervision, "--model", model, "--out", str(out / "o")],
        "plan": ["plan", supervision, "--model", model],
        "models check": ["models", "check", model],
        "supervise": [
            "supervise", str(world / "clips"), "--out", str(out / "o"), "teacher=local", f"local.model={model}"
        ],
        "supervise, captioner": [
            "supervise", str(world / "clips"), "--out", str(out / "o"), "teacher=local", "local.model=tiny-base",
            "captioner.teacher=local", f"captioner.local.model={model}",
        ],
        "run": ["run", "demo", f"train.model={model}", "--run-dir", str(out / "run")],
    }[verb]  # fmt: skip


def told(verb, model, world, out, capfd):
    """What the verb says on stderr; it must be one sentence, and soon."""
    begun = time.monotonic()
    result = CliRunner().invoke(app, command(verb, model, world, out))
    assert time.monotonic() - begun < SECONDS
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("autodrive: ")]
    assert len(lines) == 1 and result.stderr.rstrip().endswith(lines[0])
    assert "Traceback" not in result.stderr
    noise = capfd.readouterr().err  # what libraries write past the command's own streams
    assert "Fetching" not in noise and "Warning" not in noise
    return lines[0]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_hub_refuses(verb, name, world, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with fake_hub({}) as url:
        use_hub(monkeypatch, url, tmp_path / "cache")
        assert OF_HUB[name].format(url=url) in told(verb, name, world, tmp_path, capfd)


@pytest.mark.parametrize("verb", VERBS)
def test_a_hub_that_cannot_be_reached(verb, world, tmp_path, monkeypatch, capfd):
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")  # nothing listens there
    said = told(verb, "org/model", world, tmp_path, capfd)
    assert "there is no folder org/model, it is not complete in this machine's cache" in said
    assert "http://127.0.0.1:9 cannot be reached" in said and ELSEWHERE in said


@pytest.mark.parametrize("verb", VERBS)
def test_a_hub_that_may_not_be_asked(verb, world, tmp_path, monkeypatch, capfd):
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = told(verb, "org/model", world, tmp_path, capfd)
    assert "HF_HUB_OFFLINE forbids to fetch it; unset that, or " + ELSEWHERE in said


def broken_folder(kind, folder):
    """A model's folder with one fault, and what is said of it."""
    shutil.copytree(saved_tiny_model("qwen3_vl"), folder)
    weights = folder / "model.safetensors"
    if kind == "absent":
        shutil.rmtree(folder)
        return f"there is no folder {folder}; give tiny-base, a checkpoint, a model's folder, or a name on the hub"
    if kind == "config":
        (folder / "config.json").unlink()
        return f"{folder} has no configuration (config.json); copy what is missing"
    if kind == "tokenizer":
        (folder / "tokenizer.json").unlink()
        return f"{folder} has no tokenizer (tokenizer.json or vocab.json or tokenizer.model); copy what is missing"
    if kind == "processor":
        (folder / "processor_config.json").unlink()
        return f"{folder} has no processor (processor_config.json or preprocessor_config.json); copy what is missing"
    if kind == "weights":
        weights.unlink()
        return f"{folder} has no weights (model.safetensors); copy what is missing"
    if kind == "shard":
        weights.rename(folder / "model-00001-of-00002.safetensors")
        index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}  # fmt: skip  # noqa: E501
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return f"{folder} has no model-00002-of-00002.safetensors, which model.safetensors.index.json names; copy"
    if kind == "cut off":
        weights.write_bytes(weights.read_bytes()[:-1000])
        return f"{weights} is damaged or cut off; copy or download that file again."
    if kind == "no JSON":
        (folder / "config.json").write_text('{"model_type":')
        return f"the files in {folder} could not be read ("
    if kind == "no card":
        (folder / "autodrive.json").write_text('{"name":')
        return f"the files in {folder} could not be read ("
    if kind == "no index":
        (folder / "model.safetensors.index.json").write_text('{"weight_map":')
        return f"the files in {folder} could not be read ("
    if kind == "no adapter":
        shutil.copy(weights, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text('{"base_model_name_or_path":')
        return f"the files in {folder} could not be read ("
    assert kind == "no vocabulary"
    (folder / "tokenizer.json").write_text("{}")
    return f"the files in {folder} could not be read ("


KINDS = ("absent", "config", "tokenizer", "processor", "weights", "shard", "cut off", "no JSON", "no vocabulary")
NOT_READ = {
    "plan": ("tokenizer", "processor", "weights", "shard", "cut off"),  # the configuration is enough
    "models check": ("weights", "shard"),  # random weights do
    "run": ("cut off", "no JSON", "no vocabulary"),  # these stop its training, later
}


@pytest.mark.parametrize(
    ("verb", "kind"), [(verb, kind) for verb in VERBS for kind in KINDS if kind not in NOT_READ.get(verb, ())]
)
def test_a_folder_with_a_fault(verb, kind, world, tmp_path, capfd):
    sentence = broken_folder(kind, tmp_path / "model")
    assert sentence in told(verb, str(tmp_path / "model"), world, tmp_path, capfd)


@pytest.mark.parametrize("kind", ["no card", "no index", "no adapter"])
def test_a_folder_with_a_file_that_is_no_json(kind, world, tmp_path, capfd):
    sentence = broken_folder(kind, tmp_path / "model")
    for number, verb in enumerate(("evaluate", "train")):
        (tmp_path / str(number)).mkdir()
        assert sentence in told(verb, str(tmp_path / "model"), world, tmp_path / str(number), capfd)


@pytest.mark.parametrize("name", ["org/model.git", "org--model", "org/model-", "a..b", "a/b/c"])
def test_a_name_that_cannot_be_on_the_hub(name, world, tmp_path, capfd):
    assert f"there is no folder {name}; give tiny-base" in told("plan", name, world, tmp_path, capfd)


@pytest.mark.parametrize("verb", VERBS)
def test_an_adapter_whose_base_is_gone(verb, world, tmp_path, capfd):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "moved")}))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    said = told(verb, str(folder), world, tmp_path, capfd)
    assert f"(there is no folder {tmp_path / 'moved'}; give" in said
    assert f"set base_model_name_or_path in {folder / 'adapter_config.json'} to the folder or hub name" in said


def test_the_real_hub_is_asked_by_its_own_settings_and_weights_are_fetched(tmp_path, monkeypatch):
    with fake_hub({"org/good": saved_tiny_model("qwen3_vl")}) as url:
        environment = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_TOKEN": "mine"}
        gated = subprocess.run(
            [sys.executable, "-m", "vlm_autodrive", "models", "check", "org/gated"],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        assert (gated.returncode, gated.stderr) == (
            1,
            f"autodrive: org/gated is gated and the token in use has no access; accept its licence at {url}/org/gated, "
            "and set HF_TOKEN to a token of that account that may read it.\n",
        )
        use_hub(monkeypatch, url, tmp_path / "cache")
        assert load_model("org/good").family.model_type == "qwen3_vl"
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")
    assert load_model("org/good").family.model_type == "qwen3_vl"  # from the cache, with no hub


def stderr_of_check(folder):
    done = subprocess.run(
        [sys.executable, "-m", "vlm_autodrive", "models", "check", str(folder), "--random-layers", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.fixtures
def test_remarks_about_pixels_that_do_not_apply_are_not_shown(real_model):
    assert stderr_of_check(real_model("qwen2.5-vl")) == ""


def test_remarks_about_gpu_kernels_are_not_shown_on_a_cpu():
    assert stderr_of_check(saved_tiny_model("qwen3_5")) == ""
