"""Precision, readers and bases of what is exported, on models in the layout of the published ones."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.adapters import write_adapter_checkpoint as adapted
from tests.fake_hub import COMMIT, fake_hub, use_hub
from tests.real_models import write_published_layout
from tests.tiny_models import saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import (
    cast,
    load_model,
    locate_model,
    read_card,
    stored_dtype,
)
from vlm_autodrive.training import ExportModelSettings, TrainSettings, export_model, train

CPU = torch.device("cpu")


def tensors(file: Path) -> dict[str, tuple[torch.dtype, int]]:
    with safe_open(file, "pt") as opened:
        return {name: ((value := opened.get_tensor(name)).dtype, value.nbytes) for name in opened.keys()}  # noqa: SIM118


@pytest.mark.fixtures
@pytest.mark.parametrize(("name", "tied"), [("qwen2.5-vl", False), ("qwen3-vl-instruct", True)])
def test_merged_weights_keep_the_precision_of_the_published_base(fixtures_dir, real_model, tmp_path, name, tied):
    base = write_published_layout(fixtures_dir, name, real_model(name), tmp_path / "base", tied=tied)
    assert stored_dtype(locate_model(str(base))) == torch.bfloat16
    checkpoint = adapted(str(base), tmp_path / "checkpoint")
    out = tmp_path / "merged"
    export_model(checkpoint, out, ExportModelSettings(check=0))
    written, before = tensors(out / "model.safetensors"), tensors(base / "model.safetensors")
    assert {dtype for dtype, _ in written.values()} == {torch.bfloat16}
    assert sum(size for _, size in written.values()) == sum(size for _, size in before.values())
    assert ("lm_head.weight" in written) is not tied
    config = json.loads((out / "config.json").read_text())
    assert [part["dtype"] for part in (config, config["text_config"], config["vision_config"])] == ["bfloat16"] * 3
    generation = json.loads((base / "generation_config.json").read_text())
    assert generation["do_sample"] and generation["repetition_penalty"] >= 1 and generation["temperature"] > 0
    exported = json.loads((out / "generation_config.json").read_text())
    assert {name: value for name, value in exported.items() if name != "transformers_version"} == {
        "do_sample": False,
        **{name: generation[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")},
    }
    assert exported["eos_token_id"] == [151645, 151643]
    assert "`generation_config.json` is greedy" in (out / "README.md").read_text()
    export_model(checkpoint, tmp_path / "whole", ExportModelSettings(check=0, dtype="float32"))
    doubled = tensors(tmp_path / "whole" / "model.safetensors")
    assert sum(size for _, size in doubled.values()) == 2 * sum(size for _, size in before.values())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"torch_dtype": "bfloat16"}, torch.bfloat16),
        ({"dtype": "float16", "text_config": {"dtype": "bfloat16"}}, torch.float16),
        ({"text_config": {"torch_dtype": "bfloat16"}}, torch.bfloat16),
        ({"text_config": {}}, torch.bfloat16),  # by the weights
    ],
)
def test_where_the_precision_of_a_model_stands(config, expected, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"norm": torch.zeros(2), "layer": torch.zeros(2, 2).bfloat16()}, tmp_path / "model.safetensors")
    assert stored_dtype(locate_model(str(tmp_path))) == expected


def test_everybody_can_read_all_files(tmp_path):
    checkpoint = adapted(str(saved_tiny_model("qwen3_vl")), tmp_path / "checkpoint")
    plain = tmp_path / "plain"
    plain.touch()
    for to in ("merged", "adapter"):
        export_model(checkpoint, tmp_path / to, ExportModelSettings(to=to, check=0))
        files = [file for file in (tmp_path / to).rglob("*") if file.is_file()]
        assert any(file.suffix == ".safetensors" for file in files)
        assert {file.stat().st_mode for file in files} == {plain.stat().st_mode}


PLAIN = """
import sys
import torch
from peft import PeftConfig, PeftModel
from transformers import AutoModelForImageTextToText
config = PeftConfig.from_pretrained(sys.argv[1])
base = AutoModelForImageTextToText.from_pretrained(config.base_model_name_or_path, revision=config.revision)
model = PeftModel.from_pretrained(base, sys.argv[1])
with torch.no_grad():
    print(model.eval()(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].double().sum().item())
"""


def test_an_adapter_of_a_hub_base_keeps_name_and_revision_and_is_evaluated_by_us_and_by_peft(tmp_path, monkeypatch):
    base = tmp_path / "hub"
    shutil.copytree(saved_tiny_model("qwen3_vl"), base)
    with fake_hub({"org/base": base}) as url:
        use_hub(monkeypatch, url, tmp_path / "cache")
        load_model("org/base")
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path / "cache")  # from here on the cache is all there is
    checkpoint = adapted("org/base", tmp_path / "checkpoint")
    out = tmp_path / "adapter"
    export_model(checkpoint, out, ExportModelSettings(to="adapter", check=0))
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/base", COMMIT)
    assert (read_card(str(out)).base, read_card(str(out)).base_revision) == ("org/base", COMMIT)
    card = (out / "README.md").read_text()
    assert f'from_pretrained("org/base", revision="{COMMIT}")' in card
    assert "Generate with `do_sample=False, repetition_penalty=1.0`" in card
    ids = torch.tensor([[5, 6, 7]])
    ours = load_model(str(out), CPU).model(input_ids=ids).logits[0, -1].double().sum().item()
    assert ours == load_model(str(checkpoint), CPU).model(input_ids=ids).logits[0, -1].double().sum().item()
    environment = {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(out)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(ours, abs=1e-3)


def test_an_adapter_whose_local_base_moved_says_what_to_set_or_loads_by_the_name_that_was_told(tmp_path, monkeypatch):
    base = tmp_path / "base"
    shutil.copytree(saved_tiny_model("qwen3_vl"), base)
    checkpoint = adapted(str(base), tmp_path / "checkpoint")
    export_model(checkpoint, tmp_path / "local", ExportModelSettings(to="adapter", check=0))
    export_model(checkpoint, tmp_path / "named", ExportModelSettings(to="adapter", check=0, base=f"org/base@{COMMIT}"))
    moved = base.rename(tmp_path / "moved")
    config = tmp_path / "local" / "adapter_config.json"
    with pytest.raises(UserError, match=f"set base_model_name_or_path in {config} to the folder or hub name"):
        load_model(str(tmp_path / "local"))
    config.write_text(config.read_text().replace(str(base), str(moved)))
    expected = load_model(str(tmp_path / "local"), CPU).model.state_dict()
    with fake_hub({"org/base": moved}) as url:
        use_hub(monkeypatch, url, tmp_path / "cache")
        found = load_model(str(tmp_path / "named"), CPU).model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_an_adapter_on_an_adapter_loads_with_both(tmp_path):
    first = adapted(str(saved_tiny_model("qwen3_vl")), tmp_path / "first")
    second = adapted(str(first), tmp_path / "second")
    name = "model.language_model.layers.0.self_attn.q_proj.weight"
    base, one, two = (load_model(str(m), CPU).model.state_dict()[name] for m in (saved_tiny_model("qwen3_vl"), first, second))  # fmt: skip  # noqa: E501
    assert torch.allclose(two - one, one - base, atol=1e-6) and not torch.equal(one, base)


@pytest.mark.parametrize(("asked", "expected"), [("auto", torch.bfloat16), ("float32", torch.float32)])
def test_whole_weights_are_written_in_the_precision_of_the_base_unless_asked(tmp_path, asked, expected):
    base = tmp_path / "base"
    shutil.copytree(saved_tiny_model("qwen3_vl"), base)
    cast(load_model(str(base), CPU).model, torch.bfloat16).save_pretrained(base)
    settings = TrainSettings(model=str(base), batch_size=1, precision="fp32", save_dtype=asked)
    out = train(make_supervision(tmp_path / "data", count=1), tmp_path / "out", settings)
    assert {dtype for dtype, _ in tensors(out / "model.safetensors").values()} == {expected}
