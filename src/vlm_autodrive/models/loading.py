"""Loading a model: the shipped tiny one, a checkpoint folder of ours, or anything from a hub."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.artifacts import input_key, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import cpu_speed
from vlm_autodrive.models.families import Family, find_family
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

TINY_BASE = "tiny-base"
CARD_FILE = "autodrive.json"
ADAPTER_FOLDER = "adapter"
_ASSETS = Path(__file__).parent / "assets"


class ModelCard(Settings):
    """What a checkpoint of ours says of itself.

    Attributes:
        name: The model's name in records and tables.
        base: What it was trained from: a hub name, a folder or ``tiny-base``; None if from nothing.
        sampling: How its frames are taken. Evaluation and detection follow it.
        window_s: Length of the clips that it was trained on, the median; None if unknown.
        steps: How many steps its weights were trained for; None if unknown.
        validation_macro_f1: Of the direct verdict, where the weights were chosen by it; else None.
    """

    name: str
    base: str | None = None
    sampling: SamplingSettings
    window_s: float | None = None
    steps: int | None = None
    validation_macro_f1: float | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A model, ready to train or to answer."""

    model: Any
    processor: Any
    family: Family
    card: ModelCard
    device: torch.device


def resolve_model(model: str) -> str:
    """The folder of the shipped model for ``tiny-base``; anything else as it is."""
    return str(_ASSETS / TINY_BASE) if model == TINY_BASE else model


def model_key(model: str) -> str:
    """What identifies a model's weights in artefact keys: the hash of its folder, or of its hub name."""
    folder = Path(resolve_model(model))
    if folder.is_dir():
        return input_key(folder)
    return hashlib.sha256(model.encode()).hexdigest()[:16]


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def read_card(model: str) -> ModelCard:
    """The model's card; a hub model or plain folder without one gets the default sampling."""
    path = Path(resolve_model(model)) / CARD_FILE
    if path.is_file():
        return ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
    return ModelCard(name=model.rstrip("/").split("/")[-1], sampling=SamplingSettings())


def write_card(folder: Path, card: ModelCard) -> None:
    """Keep the card in a checkpoint folder."""
    write_text(folder / CARD_FILE, card.model_dump_json(indent=1) + "\n")


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
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, logging

    logging.disable_progress_bar()
    device = device or default_device()
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    folder, card = resolve_model(model), read_card(model)
    adapter = Path(folder) / ADAPTER_FOLDER
    weights = resolve_model(card.base) if adapter.is_dir() and card.base else folder
    try:
        config = AutoConfig.from_pretrained(weights)
        family = find_family(config.model_type)
        loaded = AutoModelForImageTextToText.from_pretrained(weights, dtype=dtype, attn_implementation="sdpa")
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise UserError(
            f"the model {model} could not be loaded ({first_line}); "
            f"give {TINY_BASE}, a checkpoint folder or a hub name."
        ) from None
    if adapter.is_dir():
        from peft import PeftModel

        with quiet_renames():
            loaded = PeftModel.from_pretrained(loaded, str(adapter)).merge_and_unload()
    if device.type == "cpu":
        cpu_speed.prefer_cpu_speed(loaded, family)
    return LoadedModel(loaded.to(device).eval(), processor, family, card, device)


@contextmanager
def quiet_renames() -> Iterator[None]:
    """Without the warnings that transformers is going to rename what peft, or every version so far, calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.* is deprecated", category=FutureWarning)
        yield
