"""Loading a model: the shipped tiny one, a checkpoint folder of ours, or anything from a hub."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.artifacts import input_key
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import cpu_speed
from vlm_autodrive.models.card import ModelCard, read_card
from vlm_autodrive.models.families import Family, find_family
from vlm_autodrive.models.generation import greedy_generation
from vlm_autodrive.models.missing import TEXT_PARTS, incomplete, lacking, reading
from vlm_autodrive.models.model_files import ModelFiles, locate_model, resolve_model


@dataclass(frozen=True)
class LoadedModel:
    """A model, ready to train or to answer."""

    model: Any
    processor: Any
    family: Family
    card: ModelCard
    device: torch.device


def model_key(model: str) -> str:
    """What identifies a model's weights in artefact keys: the hash of its folder, or of its hub name."""
    folder = Path(resolve_model(model))
    if folder.is_dir():
        return input_key(folder)
    return hashlib.sha256(model.encode()).hexdigest()[:16]


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_model(model: str, device: torch.device | None = None, dtype: torch.dtype | None = None) -> LoadedModel:
    """Load a model with its processor.

    Args:
        model: ``tiny-base``, a checkpoint folder (full or LoRA adapter), a plain Hugging Face folder,
            or a hub name such as ``nvidia/Cosmos-Reason1-7B``.
        device: Where to put it; the first GPU by default.
        dtype: Precision of the weights; float32 on a CPU and bfloat16 on a GPU by default.

    Raises:
        UserError: If it cannot be found or read, or its family is not supported.
    """
    device = device or default_device()
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    files = locate_model(model)
    config, family = load_config(files)
    processor = load_processor(files)
    loaded = _merged(files, config, dtype)
    loaded.generation_config = greedy_generation(loaded.generation_config)
    if device.type == "cpu":
        cpu_speed.prefer_cpu_speed(loaded, family)
    return LoadedModel(loaded.to(device).eval(), processor, family, read_card(model), device)


def load_config(files: ModelFiles) -> tuple[Any, Family]:
    """A model's configuration, and its family.

    Raises:
        UserError: If it cannot be read, or the family is not supported.
    """
    from transformers import AutoConfig

    with reading(files.weights), quiet_libraries():
        config = AutoConfig.from_pretrained(files.weights)
    return config, find_family(config.model_type)


def load_processor(files: ModelFiles) -> Any:
    """A model's processor, with its tokenizer.

    Raises:
        UserError: If it is not there or cannot be read.
    """
    from transformers import AutoProcessor

    what = lacking(files.processor, TEXT_PARTS)
    if what:
        raise incomplete(files.processor, what)
    with reading(files.processor), quiet_libraries():
        processor: Any = AutoProcessor.from_pretrained(files.processor)
    if getattr(getattr(processor, "video_processor", None), "cap_pixels_per_frame", False) is None:
        # Frames come in their final size, where no cap applies; left open, the first use warns of one.
        processor.video_processor.cap_pixels_per_frame = False
    return processor


def load_weights(folder: Path, config: Any, dtype: torch.dtype) -> Any:
    """The model of a configuration with the whole weights of a folder, which may hold more layers.

    Raises:
        UserError: If they cannot be read, or lack some that the configuration has.
    """
    from transformers import AutoModelForImageTextToText

    with reading(folder), quiet_libraries():
        loaded, found = AutoModelForImageTextToText.from_pretrained(
            folder, config=config, dtype=dtype, attn_implementation="sdpa", output_loading_info=True
        )
    absent = sorted(found["missing_keys"])
    if absent:
        raise UserError(
            f"the weights in {folder} lack {len(absent)} tensors of the model, such as {absent[0]}; copy or download "
            "them again."
        )
    return loaded


def _merged(files: ModelFiles, config: Any, dtype: torch.dtype) -> Any:
    """A model with its weights; its adapter, and those below it, are merged into them."""
    if files.base is None:
        return load_weights(files.folder, config, dtype)
    from peft import PeftModel

    loaded = _merged(files.base, config, dtype)
    with reading(files.adapter or files.folder), quiet_libraries():
        return PeftModel.from_pretrained(loaded, str(files.adapter)).merge_and_unload()


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Without the progress bars, remarks and announced renames of transformers and peft.

    What matters of them (weights that are missing, files that are damaged) is checked, and raised as an error.
    """
    from transformers import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*gradient_checkpointing.* is deprecated", category=FutureWarning
            )
            yield
    finally:
        logging.set_verbosity(before)
