"""A model without its weights, on torch's meta device: shapes and names, from the configuration alone.

The configurations of published models are shipped, so that a run can be planned before anything is downloaded.
Their numbers are those of each hub repository's ``config.json`` as of 2025-12, as far as shapes and positions depend
on them; built from them, each model has exactly as many weights as the hub's page of its repository says. NVIDIA's
model cards state that Cosmos-Reason1-7B is Qwen2.5-VL-7B-Instruct post-trained, and Cosmos-Reason2-2B and -8B are
Qwen3-VL-2B-Instruct and -8B-Instruct post-trained, with the same architecture.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.families import find_family
from vlm_autodrive.models.loading import ADAPTER_FOLDER, TINY_BASE, LoadedModel, read_card, resolve_model

_PUBLISHED_CONFIGS = Path(__file__).parent / "published"


@dataclass(frozen=True)
class PublishedModel:
    """A model on the hub.

    Attributes:
        name: Its hub name.
        config: The file of its configuration.
        weights: How many weights the hub says that it has.
        licence: The ``license`` field of its model card, or its ``license_name`` where that says ``other``.
    """

    name: str
    config: str
    weights: int
    licence: str

    @property
    def path(self) -> Path:
        """Where the configuration lies."""
        return _PUBLISHED_CONFIGS / self.config


PUBLISHED = (
    PublishedModel("nvidia/Cosmos-Reason1-7B", "qwen2.5-vl-7b.json", 8_292_166_656, "nvidia-open-model-license"),
    PublishedModel("nvidia/Cosmos-Reason2-2B", "qwen3-vl-2b.json", 2_127_532_032, "nvidia-open-model-license"),
    PublishedModel("nvidia/Cosmos-Reason2-8B", "qwen3-vl-8b.json", 8_767_123_696, "nvidia-open-model-license"),
    PublishedModel("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl-3b.json", 3_754_622_976, "qwen-research"),
    PublishedModel("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl-7b.json", 8_292_166_656, "apache-2.0"),
    PublishedModel("Qwen/Qwen3-VL-2B-Instruct", "qwen3-vl-2b.json", 2_127_532_032, "apache-2.0"),
    PublishedModel("Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl-4b.json", 4_437_815_808, "apache-2.0"),
    PublishedModel("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl-8b.json", 8_767_123_696, "apache-2.0"),
)


def find_published(name: str) -> PublishedModel | None:
    """The published model of a hub name, if it is written down here."""
    return next((published for published in PUBLISHED if published.name == name), None)


def load_meta_model(model: str, *, download: bool = False) -> LoadedModel:
    """A model on torch's ``meta`` device, which holds shapes and takes no memory.

    A configuration is enough. Of the published models it is shipped with us, and their processor is looked
    for on this machine alone unless ``download`` is set.

    Args:
        model: ``tiny-base``, a folder with a ``config.json``, or a hub name.
        download: Whether a published model's processor is fetched from the hub if it is not here.

    Returns:
        The model without weights; its ``processor`` is None where there is none at hand.

    Raises:
        UserError: If there is no configuration, or its family is not supported.
    """
    from transformers import AutoModelForImageTextToText

    card = read_card(model)
    folder = resolve_model(model)
    adapter = (Path(folder) / ADAPTER_FOLDER).is_dir()
    config = _config(resolve_model(card.base) if adapter and card.base else folder)
    family = find_family(config.model_type)
    with torch.device("meta"):
        built = AutoModelForImageTextToText.from_config(config)
    return LoadedModel(built, _processor(folder, download=download), family, card, torch.device("meta"))


def _config(model: str) -> Any:
    from transformers import AutoConfig

    published = find_published(model)
    try:
        if published is not None and not Path(model).is_dir():
            return AutoConfig.for_model(**json.loads(published.path.read_text(encoding="utf-8")))
        return AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise UserError(
            f"the configuration of {model} could not be read ({first_line}); give {TINY_BASE}, a folder with a "
            f"config.json, or a hub name such as {', '.join(each.name for each in PUBLISHED[:3])}."
        ) from None


def _processor(model: str, *, download: bool) -> Any | None:
    from transformers import AutoProcessor

    is_here = Path(model).is_dir() or (find_published(model) is not None and not download)
    try:
        return AutoProcessor.from_pretrained(model, local_files_only=is_here)
    except (OSError, ValueError):
        return None
