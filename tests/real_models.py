"""Models with the real tokenizer, chat template and processor settings of published ones, and few, random weights.

The files lie in the fixtures, which are no part of this project: tests that use them carry the marker ``fixtures``.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

REAL_MODELS = ("qwen2.5-vl", "qwen3-vl-instruct", "qwen3-vl-thinking")


def write_real_model(fixtures: Path, name: str, out: Path, *, seed: int = 0) -> Path:
    """Write a model folder as a hub would hold it, in float32.

    Args:
        fixtures: The folder of real material.
        name: One of :data:`REAL_MODELS`.
        out: The new folder.
        seed: Of the random weights.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer

    source = fixtures / "models"
    out.mkdir(parents=True)
    for file in (*(source / name).iterdir(), source / "vocab.json", source / "merges.txt"):
        shutil.copyfile(file, out / file.name)
    tokenizer: Any = AutoTokenizer.from_pretrained(out)
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    config = AutoConfig.from_pretrained(out)
    torch.manual_seed(seed)
    model: Any = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    generation = (out / "generation_config.json").read_text()
    model.save_pretrained(out)
    (out / "generation_config.json").write_text(generation)
    return out


def write_published_layout(fixtures: Path, name: str, real: Path, out: Path, *, tied: bool) -> Path:
    """Write a real model in bfloat16 under the configuration as it was published, with or without an output layer.

    Args:
        fixtures: The folder of real material.
        name: One of :data:`REAL_MODELS`.
        real: What :func:`write_real_model` wrote of it.
        out: The new folder.
        tied: Whether input and output embedding are one, as in the smaller models of both families.
    """
    from safetensors.torch import load_file, save_file

    shutil.copytree(real, out)
    config = json.loads((fixtures / "models" / name / "config.json").read_text())
    config["tie_word_embeddings"] = tied
    if "text_config" in config:
        config["text_config"]["tie_word_embeddings"] = tied
    (out / "config.json").write_text(json.dumps(config))
    weights = {key: value.bfloat16() for key, value in load_file(out / "model.safetensors").items()}
    embedding = next(value for key, value in weights.items() if key.endswith("embed_tokens.weight"))
    weights.pop("lm_head.weight", None)
    if not tied:
        weights["lm_head.weight"] = embedding.clone()
    save_file(weights, out / "model.safetensors", {"format": "pt"})
    return out
