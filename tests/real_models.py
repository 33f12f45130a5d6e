"""Models with the real tokenizer, chat template and processor settings of published ones, and few, random weights.

The files lie in the fixtures, which are no part of this project: tests that use them carry the marker ``fixtures``.
"""

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
