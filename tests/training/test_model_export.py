"""Exported models load without our code, and answer as the checkpoint does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_clips, make_supervision
from vlm_autodrive.artifacts import read_predictions, write_catalog, write_clips, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import SYSTEM_PROMPT, load_model, read_card, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, DataSet
from vlm_autodrive.settings import Settings
from vlm_autodrive.training import ExportModelSettings, TrainSettings, export_model, train
from vlm_autodrive.training.model_card import ModelExport, model_card

_PLAIN = """
import json, sys
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
folder, base = sys.argv[1], sys.argv[2]
if base:
    from peft import PeftModel
    model = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base), folder)
else:
    model = AutoModelForImageTextToText.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
assert not any(name.startswith("vlm_autodrive") for name in sys.modules)
ids = processor.tokenizer("A car ahead brakes hard.", return_tensors="pt").input_ids
with torch.no_grad():
    print(json.dumps(model.eval()(input_ids=ids).logits[0, -1].float().tolist()))
"""


def logits_of_plain(folder: Path, base: str = "") -> list[float]:
    """What transformers and peft alone make of an export."""
    command = [sys.executable, "-c", _PLAIN, str(folder), base]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def logits_of_ours(checkpoint: Path) -> list[float]:
    loaded = load_model(str(checkpoint))
    ids = loaded.processor.tokenizer("A car ahead brakes hard.", return_tensors="pt").input_ids
    return loaded.model(input_ids=ids).logits[0, -1].float().tolist()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A supervision set below a catalog, and two checkpoints: all weights, and an adapter."""
    folder = tmp_path_factory.mktemp("run")
    with writing_artifact(folder / "catalog", "catalog", {}, Settings()) as partial:
        data_set = DataSet(name="clocks", licence="MIT", videos=0, rows=0, imported=0, rejected=0)
        write_catalog(partial, folder / "catalog", DEFAULT_TAXONOMY, [], [], [], [], data_sets=[data_set])
    supervision = make_supervision(folder / "data", count=3)
    provenance = supervision / "provenance.json"
    values = json.loads(provenance.read_text())
    values["inputs"] = {"clips": {"path": "../../catalog", "key": "0"}}
    provenance.write_text(json.dumps(values))
    settings = TrainSettings(
        model=str(saved_tiny_model("qwen3_vl")), batch_size=3, epochs=2, learning_rate=1e-2, precision="fp32"
    )
    whole = train(supervision, folder / "whole", settings)
    adapter = train(supervision, folder / "adapter", settings.model_copy(update={"lora": {"r": 4}}))
    return {"whole": whole, "adapter": adapter}


@pytest.mark.parametrize("kind", ["whole", "adapter"])
def test_merged_weights_load_in_plain_transformers_and_answer_as_the_checkpoint(trained, tmp_path, kind):
    out = tmp_path / "merged"
    result = CliRunner().invoke(app, ["export", "model", str(trained[kind]), "--to", "merged", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert not (out / "adapter").exists()
    assert logits_of_plain(out) == pytest.approx(logits_of_ours(trained[kind]), abs=1e-4)
    checked = json.loads((out / "check.json").read_text())
    assert (checked["clips"], checked["split"]) == (3, "train")
    assert checked["difference"] < 1e-5


def test_an_adapter_loads_in_plain_peft_on_its_base(trained, tmp_path):
    out = tmp_path / "adapter"
    checked = export_model(trained["adapter"], out, ExportModelSettings(to="adapter", check=2))
    assert checked.clips == 2 and checked.difference < 1e-5
    base = str(saved_tiny_model("qwen3_vl"))
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == base
    assert logits_of_plain(out, base) == pytest.approx(logits_of_ours(trained["adapter"]), abs=1e-4)
    with pytest.raises(UserError, match="--to merged"):
        export_model(trained["whole"], tmp_path / "none", ExportModelSettings(to="adapter"))


def test_an_exported_adapter_is_evaluated_as_its_checkpoint_is(trained, tmp_path):
    export_model(trained["adapter"], tmp_path / "adapter", ExportModelSettings(to="adapter", check=0))
    clips = tmp_path / "clips"
    with writing_artifact(clips, "clips", {}, Settings()) as partial:
        write_clips(partial, clips, DEFAULT_TAXONOMY, make_clips(tmp_path, 1, "test"))
    found = []
    for model in (trained["adapter"], tmp_path / "adapter"):
        out = tmp_path / f"of-{model.name}-{len(found)}"
        options = ["--model", str(model), "--out", str(out), "reasoning=false"]
        result = CliRunner().invoke(app, ["evaluate", str(clips), *options])
        assert result.exit_code == 0, result.output
        found += [prediction.verdict.probabilities for prediction in read_predictions(out)]
    assert found[0] == found[1]


def test_the_card_tells_data_licences_settings_figures_and_the_check(trained, tmp_path):
    report = tmp_path / "report"
    report.mkdir()
    figure = {"value": 0.75, "low": 0.5, "high": 0.875, "n": 8, "method": "wilson"}
    scores = {
        "n": 8,
        "accuracy": figure,
        "balanced_accuracy": figure,
        "macro_f1": {**figure, "low": None, "high": None},
    }
    (report / "report.json").write_text(json.dumps({"models": {"tuned": scores}}))
    export_model(trained["whole"], tmp_path / "out", ExportModelSettings(), report=report)
    text = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["library_name"] == "transformers"
    assert head["base_model"] == str(saved_tiny_model("qwen3_vl"))
    assert "| clocks | 3 | MIT |" in text
    assert "Fine-tuned on video of which it is not known whether it is real or simulated: 3 clips of 3 videos" in text
    assert read_card(str(tmp_path / "out")).trained_on == read_card(str(trained["whole"])).trained_on
    assert "  learning_rate: 0.01" in text
    assert f"\n{SYSTEM_PROMPT}\n" in text and f"\n{verdict_prompt(DEFAULT_TAXONOMY).text}\n" in text
    assert "| tuned | 8 | 0.750 [0.500, 0.875] | 0.750 [0.500, 0.875] | 0.750 |" in text
    assert "On 3 train clips, no probability of a direct verdict differs by more than" in text


def test_the_card_names_the_licence_of_a_published_base(trained, tmp_path):
    moved = tmp_path / "cosmos"
    moved.mkdir()
    for file in trained["adapter"].glob("*.json"):
        (moved / file.name).write_bytes(file.read_bytes())
    values = json.loads((moved / "autodrive.json").read_text())
    (moved / "autodrive.json").write_text(json.dumps({**values, "base": "nvidia/Cosmos-Reason1-7B"}))
    head = yaml.safe_load(
        model_card(ModelExport(moved, read_card(str(moved)), "adapter", "mine", "", None)).split("---")[1]
    )
    assert (head["license"], head["license_name"]) == ("other", "nvidia-open-model-license")
    assert (head["base_model"], head["library_name"]) == ("nvidia/Cosmos-Reason1-7B", "peft")


def test_without_the_supervision_set_the_card_says_that_nothing_was_compared(trained, tmp_path):
    moved = tmp_path / "elsewhere" / "checkpoint"
    moved.parent.mkdir()
    moved.mkdir()
    for file in trained["whole"].iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    checked = export_model(moved, tmp_path / "out", ExportModelSettings())
    assert checked.clips == 0
    assert "was not compared" in (tmp_path / "out" / "README.md").read_text()


def test_an_export_that_answers_otherwise_is_refused(trained, tmp_path, monkeypatch):
    import vlm_autodrive.training.model_export as model_export

    write = model_export._write_merged

    def spoil(checkpoint, folder, settings):
        write(checkpoint, folder, settings)
        weights = load_file(folder / "model.safetensors")
        save_file({name: -value for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})

    monkeypatch.setattr(model_export, "_write_merged", spoil)
    with pytest.raises(UserError, match="does not answer as"):
        export_model(trained["whole"], tmp_path / "out", ExportModelSettings())
    assert not (tmp_path / "out").exists()
