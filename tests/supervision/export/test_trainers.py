"""What each trainer gets of an export, by the rules that its documentation gives for a data set."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import yaml
from trl.data_utils import is_conversational

from tests.clocks import numbers_shown
from tests.supervision.export.export_world import Expected, make_world
from tests.tiny_models import load_tiny, saved_tiny_model
from vlm_autodrive.supervision import ExportSettings, export_supervision
from vlm_autodrive.video import SamplingSettings, probe, read_frames

DOCUMENT = Path(__file__).parents[3] / "docs" / "export.md"
ALL = SamplingSettings(n_frames=1000, max_frames=1000, height=64, width=128)


def documented(language, section):
    """The block of a section of docs/export.md."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"### {section}\n")[2]
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Both exports, each in another place than where it was made; and what must be read from them."""
    folder = tmp_path_factory.mktemp("world")
    supervision, expected = make_world(folder)
    for form in ("messages", "hf-parquet"):
        export_supervision(supervision, folder / form, ExportSettings(to=form), workers=1)
        shutil.move(folder / form, folder / "moved" / form)
    shutil.rmtree(folder / "videos")  # nobody reads the sources
    return folder / "moved", expected


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def watched(path):
    """Numbers of the frames in a file, all of them."""
    return tuple(numbers_shown(read_frames(Path(path), 0, probe(Path(path)).duration_s, ALL).pixels))


def as_llama_factory(folder, name):
    """LLaMA-Factory: data/README.md of its repository.

    dataset_info.json names the file and its formatting; `columns` say where messages and videos stand, `tags` what
    the keys and roles are called. The first message may be the system prompt; then user and assistant take turns, and
    the last one is learnt. As many `<video>` as videos; these lie under media_dir, by default the data set's folder.
    """
    about = json.loads((folder / "dataset_info.json").read_text())[name]
    columns, tags = about["columns"], about["tags"]
    assert about["formatting"] == "sharegpt"
    for line in (folder / about["file_name"]).read_bytes().split(b"\n")[:-1]:
        row = json.loads(line)
        turns = [(m[tags["role_tag"]], m[tags["content_tag"]]) for m in row[columns["messages"]]]
        assert [role for role, _ in turns] == [tags["system_tag"], tags["user_tag"], tags["assistant_tag"]]
        system, question, answer = (content for _, content in turns)
        assert len(row[columns["videos"]]) == (system + question + answer).count("<video>") == 1
        yield system, question.replace("<video>", ""), answer, folder / row[columns["videos"]][0]


def as_ms_swift(folder, file):
    """ms-swift: Custom-dataset.md of its documentation.

    A line is an object with `messages` of `role` and `content`, the first of which may be the system prompt, and
    `videos`, a list of paths that replace the `<video>` tags in their order. Other keys are dropped. Relative paths
    are looked for from where it is started (its issue 7887).
    """
    rows = datasets.load_dataset("json", data_files=str(folder / file), split="train")
    for row in rows:
        system, user, assistant = row["messages"]
        assert (system["role"], user["role"], assistant["role"]) == ("system", "user", "assistant")
        before, *after = user["content"].split("<video>")
        assert len(after) == len(row["videos"]) == 1
        yield system["content"], before + after[0], assistant["content"], folder / row["videos"][0]


def as_cosmos_rl(folder, config):
    """cosmos-rl: examples/cosmos_rl/scripts/llava_sft.py of cosmos-reason2, and LLaVA's Finetune_Custom_Data.md.

    The annotation file is one JSON list. `conversations` has the question's and the answer's `value`; `video` is a
    path under media_path; tags of media, with a line's end on either side, are taken out of the question and the video
    is put before it. The system prompt comes from the configuration.
    """
    custom = config["custom"]["dataset"]
    for row in json.loads((folder / Path(custom["annotation_path"]).name).read_text(encoding="utf-8")):
        question, answer = (turn["value"] for turn in row["conversations"])
        assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
        question = re.sub(r"(\n)?</?(image|video)>(\n)?", "", question)
        yield custom["system_prompt"], question, answer, folder / row["video"]


def as_trl(folder, split):
    """TRL: dataset_formats.md, "conversational": `messages` of `role` and `content`. Video is left to a collator."""
    for row in datasets.load_dataset(str(folder))[split]:
        assert is_conversational(row)
        system, user, assistant = (message["content"] for message in row["messages"])
        yield system, user.removeprefix("<video>"), assistant, folder / row["videos"][0]


def told(rows):
    """What rows tell, with the frames of their videos."""
    seen = {}
    return [
        Expected(system, prompt, target, seen.setdefault(str(path), watched(path)))
        for system, prompt, target, path in rows
    ]


def test_llama_factory_gets_every_item(world):
    folder, expected = world
    config = yaml.safe_load(documented("yaml", "LLaMA-Factory"))
    assert told(as_llama_factory(folder / "messages", config["dataset"])) == expected["train"]
    assert told(as_llama_factory(folder / "messages", config["eval_dataset"])) == expected["validation"]


def test_ms_swift_gets_every_item(world, own_cache):
    folder, expected = world
    train, validation = re.search(r"--dataset (\S+) --val_dataset (\S+)", documented("bash", "ms-swift")).groups()
    assert told(as_ms_swift(folder / "messages", train)) == expected["train"]
    assert told(as_ms_swift(folder / "messages", validation)) == expected["validation"]


def test_cosmos_rl_gets_every_item(world):
    folder, expected = world
    config = tomllib.loads(documented("toml", "cosmos-rl"))
    assert told(as_cosmos_rl(folder / "messages", config)) == expected["train"]
    config["custom"]["dataset"]["annotation_path"] = "validation_llava.json"
    assert told(as_cosmos_rl(folder / "messages", config)) == expected["validation"]


def test_trl_gets_every_item(world, own_cache):
    folder, expected = world
    assert told(as_trl(folder / "hf-parquet", "train")) == expected["train"]
    assert told(as_trl(folder / "hf-parquet", "validation")) == expected["validation"]


def test_the_card_tells_the_features_of_the_parquet_files(world, own_cache):
    folder = world[0] / "hf-parquet"
    loaded = datasets.load_dataset(str(folder))
    card = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    declared = datasets.Features._from_yaml_list(card["dataset_info"]["features"])
    assert declared == loaded["train"].features == loaded["validation"].features
    assert datasets.Dataset.from_parquet(str(folder / "data" / "train.parquet")).features == declared
    lines = datasets.load_dataset("json", data_files={"train": str(world[0] / "messages" / "train.jsonl")})["train"]
    assert lines.to_list() == loaded["train"].to_list()


def test_the_documented_settings_are_our_defaults():
    ours = SamplingSettings()
    pixels = ours.height * ours.width
    llama = yaml.safe_load(documented("yaml", "LLaMA-Factory"))
    assert (llama["video_fps"], llama["video_maxlen"], llama["video_max_pixels"]) == (4, ours.max_frames, pixels)
    assert f"FPS=4 FPS_MAX_FRAMES={ours.max_frames} VIDEO_MAX_PIXELS={pixels}" in documented("bash", "ms-swift")
    assert f"VIDEO_MAX_TOKEN_NUM={pixels // 32**2}" in DOCUMENT.read_text()
    vision = tomllib.loads(documented("toml", "cosmos-rl"))["custom"]["vision"]
    assert vision == {
        "fps": 4,
        "max_frames": ours.max_frames,
        "resized_height": ours.height,
        "resized_width": ours.width,
    }
    assert f"FPS, MOST_FRAMES, SIZE = 4, {ours.max_frames}, [{ours.height}, {ours.width}]" in documented(
        "python", "TRL"
    )


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl"])
def test_the_documented_code_trains_with_trl_on_the_very_tokens_of_ours(world, own_cache, tmp_path, family):
    folder, expected = world
    loaded, encoder = load_tiny(family)
    sampling = loaded.card.sampling
    code = documented("python", "TRL")
    for documented_value, here in (
        ('Path("s/parquet")', f"Path({str(folder / 'hf-parquet')!r})"),
        ('"nvidia/Cosmos-Reason2-2B"', repr(str(saved_tiny_model(family)))),
        ('"s/trl"', repr(str(tmp_path / "trl"))),
        ("= 4, 32, [224, 448]", f"= {sampling.fps}, {sampling.max_frames}, [{sampling.height}, {sampling.width}]"),
        ("max_length=None,", "max_length=None, max_steps=2, report_to='none', bf16=False, use_cpu=True,"),
    ):
        assert code.count(documented_value) == 1
        code = code.replace(documented_value, here)
    names: dict = {}
    exec(compile(code, str(DOCUMENT), "exec"), names)
    assert np.isfinite(names["trainer"].state.log_history[-1]["train_loss"])
    rows = [names["data"]["train"][number] for number in (0, 1, 2)]
    batch = names["collate"](rows)
    marks = set(loaded.processor.tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"]))
    for number, one in enumerate(expected["train"][:3]):
        real = batch["attention_mask"][number].bool()
        ids, labels = batch["input_ids"][number][real], batch["labels"][number][real]
        frames = read_frames(folder / "hf-parquet" / rows[number]["videos"][0], 0, 2.4, sampling)
        prefix = encoder.prefix(frames.times_s, sampling.height, sampling.width).input_ids.tolist()
        ours = [*prefix, *encoder.question(one.prompt), *encoder.target(one.target)]
        assert [i for i in ids.tolist() if i not in marks] == [i for i in ours if i not in marks]
        assert labels[labels != -100].tolist() == encoder.target(one.target)
        assert torch.equal(labels[-1:], ids[-1:])
        if family == "qwen2_5_vl":  # this one takes a single interval, that of pairs of frames
            step_s = (frames.times_s[-1] - frames.times_s[0]) / (len(frames.times_s) - 1)
            assert float(batch["second_per_grid_ts"][number]) == pytest.approx(2 * step_s)
