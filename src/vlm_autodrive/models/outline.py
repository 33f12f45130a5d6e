"""A model without its weights: shapes and names, from the configuration alone."""

import json
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.families import find_family
from vlm_autodrive.models.loading import ADAPTER_FOLDER, TINY_BASE, LoadedModel, read_card, resolve_model
from vlm_autodrive.models.published import PUBLISHED, find_published


def load_outline(model: str, *, download: bool = False) -> LoadedModel:
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
