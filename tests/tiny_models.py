"""Tiny random models of each family, saved and loaded as a user's would be."""

from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from numpy.typing import NDArray

from tests.tiny_families import (
    tiny_internvl,
    tiny_processor,
    tiny_qwen2_5_vl,
    tiny_qwen3_5,
    tiny_qwen3_vl,
    train_tokenizer,
)
from vlm_autodrive.models import (
    SYSTEM_PROMPT,
    Encoder,
    LoadedModel,
    ModelCard,
    load_model,
    reasoning_prompt,
    verdict_prompt,
    write_card,
)
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.video import SamplingSettings

_SMALL = {"hidden": 96, "layers": 2, "vision_hidden": 64, "vision_depth": 2}
MODELS = {
    "qwen3_vl": (partial(tiny_qwen3_vl, **_SMALL), 21, (4, 6)),
    "qwen2_5_vl": (tiny_qwen2_5_vl, 14, (4, 6)),
    "internvl": (tiny_internvl, 14, (4, 4)),
    "qwen3_5": (tiny_qwen3_5, 14, (4, 6)),
}
"""How each is built, the side of its patches, and the rows and columns of patches in its frames."""
HYBRID = "qwen3_5"
FAMILIES = tuple(name for name in MODELS if name != HYBRID)
"""Those whose tokens meet in attention only, so that their items can share a prefix."""
TEXTS = (
    verdict_prompt(DEFAULT_TAXONOMY).text,
    reasoning_prompt(DEFAULT_TAXONOMY).text,
    SYSTEM_PROMPT,
    "<0.2 seconds>",
    "A car ahead brakes hard. Contact at [t=2.4].",
)


@cache
def saved_tiny_model(model_type: str) -> Path:
    """A folder with a tiny model of the family."""
    build, patch, _ = MODELS[model_type]
    tokenizer = train_tokenizer(TEXTS * 20, 600, model_type)
    folder = Path(mkdtemp(prefix=f"tiny-{model_type}-"))
    build(tokenizer).save_pretrained(folder)
    tiny_processor(tokenizer, model_type, patch).save_pretrained(folder)
    height, width = frame_size(model_type)
    sampling = SamplingSettings(fps=10 / 3, max_frames=16, height=height, width=width)
    write_card(folder, ModelCard(name=f"tiny-{model_type}", sampling=sampling))
    return folder


def frame_size(model_type: str) -> tuple[int, int]:
    """Height and width of the frames that the tiny model of the family takes."""
    _, patch, (rows, columns) = MODELS[model_type]
    return rows * patch, columns * patch


def load_tiny(model_type: str) -> tuple[LoadedModel, Encoder]:
    """A fresh copy of the tiny model with its encoder."""
    loaded = load_model(str(saved_tiny_model(model_type)), device=torch.device("cpu"))
    return loaded, Encoder(loaded)


def random_pixels(model_type: str, frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise in the size that the tiny model of the family takes."""
    shape = (frames, *frame_size(model_type), 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
