"""Tiny random models of each family, saved and loaded as a user's would be."""

from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.models.encoding import Encoder
from vlm_autodrive.models.loading import LoadedModel, ModelCard, load_model, write_card
from vlm_autodrive.models.prompts import SYSTEM_PROMPT, reasoning_prompt, verdict_prompt
from vlm_autodrive.models.tiny import tiny_processor, tiny_qwen2_5_vl, tiny_qwen3_vl, train_tokenizer
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.video.frames import SamplingSettings

_SMALL = {"hidden": 96, "layers": 2, "vision_hidden": 64, "vision_depth": 2}
FAMILIES = {"qwen3_vl": (partial(tiny_qwen3_vl, **_SMALL), 21), "qwen2_5_vl": (tiny_qwen2_5_vl, 14)}
TEXTS = (
    verdict_prompt(DEFAULT_TAXONOMY).text,
    reasoning_prompt(DEFAULT_TAXONOMY).text,
    SYSTEM_PROMPT,
    "<0.2 seconds>",
    "A car ahead brakes hard. Contact at [t=2.4].",
)


@cache
def saved_tiny_model(model_type: str) -> Path:
    """A folder with a tiny model of the family; its frames are 4 x 6 patches."""
    build, patch = FAMILIES[model_type]
    tokenizer = train_tokenizer(TEXTS * 20, vocabulary=600)
    folder = Path(mkdtemp(prefix=f"tiny-{model_type}-"))
    build(tokenizer).save_pretrained(folder)
    tiny_processor(tokenizer, model_type, patch).save_pretrained(folder)
    sampling = SamplingSettings(fps=10 / 3, max_frames=16, height=4 * patch, width=6 * patch)
    write_card(folder, ModelCard(name=f"tiny-{model_type}", sampling=sampling))
    return folder


def load_tiny(model_type: str) -> tuple[LoadedModel, Encoder]:
    """A fresh copy of the tiny model with its encoder."""
    loaded = load_model(str(saved_tiny_model(model_type)), device=torch.device("cpu"))
    return loaded, Encoder(loaded)


def random_pixels(model_type: str, frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise in the size that the tiny model of the family takes."""
    patch = FAMILIES[model_type][1]
    return np.random.default_rng(seed).integers(0, 256, (frames, 4 * patch, 6 * patch, 3), dtype=np.uint8)
