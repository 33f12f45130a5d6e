"""Checkpoints of adapters without a training."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from vlm_autodrive.models import ModelCard, lasting_name, load_model
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.training.checkpoints import save_model


def write_adapter_checkpoint(base: str, out: Path) -> Path:
    """A checkpoint of an adapter with random weights, written as training writes it."""
    loaded = load_model(base, torch.device("cpu"))
    torch.manual_seed(0)
    lora = LoraConfig(r=2, target_modules=loaded.family.lora_targets, init_lora_weights=False)
    name, revision = lasting_name(base)
    card = ModelCard(name="tuned", base=name, base_revision=revision, sampling=loaded.card.sampling)
    out.mkdir()
    save_model(out, loaded, get_peft_model(loaded.model, lora), card, DEFAULT_TAXONOMY, torch.float32)
    return out
