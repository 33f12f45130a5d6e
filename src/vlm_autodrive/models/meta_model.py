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

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.card import read_card
from vlm_autodrive.models.families import find_family
from vlm_autodrive.models.loading import LoadedModel, load_config, load_processor
from vlm_autodrive.models.missing import TEXT_PARTS, lacking
from vlm_autodrive.models.model_files import ModelFiles, locate_model

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


def load_meta_model(model: str, *, processor: bool = False) -> LoadedModel:
    """A model on torch's ``meta`` device, which holds shapes and takes no memory.

    A configuration is enough. Of the published models it is shipped with us, and their processor is looked
    for on this machine alone unless ``processor`` is set.

    Args:
        model: ``tiny-base``, a folder with a ``config.json``, or a hub name.
        processor: Whether tokenizer and processor are needed; a published model's are then fetched from the hub.

    Returns:
        The model without weights; its ``processor`` is None where there is none at hand.

    Raises:
        UserError: If there is no configuration, or its family is not supported.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText

    published = None if processor or Path(model).is_dir() else find_published(model)
    files: ModelFiles | None
    if published is not None:
        files = _cached(model)
        config = AutoConfig.for_model(**json.loads(published.path.read_text(encoding="utf-8")))
        family = find_family(config.model_type)
    else:
        files = locate_model(model, ("configuration", *TEXT_PARTS))
        config, family = load_config(files)
    with torch.device("meta"):
        built = AutoModelForImageTextToText.from_config(config)
    found = None
    if files is not None and (processor or not lacking(files.processor, TEXT_PARTS)):
        found = load_processor(files)
    return LoadedModel(built, found, family, read_card(model), torch.device("meta"))


def _cached(model: str) -> ModelFiles | None:
    """The files of a model that are on this machine, if its processor is among them."""
    try:
        return locate_model(model, TEXT_PARTS, fetch=False)
    except UserError:
        return None
