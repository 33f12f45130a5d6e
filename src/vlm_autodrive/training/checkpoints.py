"""Saving: the state to resume from, and the finished model."""

import os
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.loading import ADAPTER_FOLDER, LoadedModel, ModelCard, write_card
from vlm_autodrive.records import Taxonomy
from vlm_autodrive.stores import write_taxonomy

STATE_FILE = "state.pt"


def save_state(folder: Path, step: int, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    """Write all that a resumed run needs, atomically and durably. Only trained weights are kept."""
    state = {
        "step": step,
        "weights": {name: p.detach() for name, p in model.named_parameters() if p.requires_grad},
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    partial = folder / f"{STATE_FILE}.partial"
    with partial.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / STATE_FILE)


def restore_state(folder: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> int:
    """Go on from a saved state. Returns how many steps are done; 0 if there is none."""
    path = folder / STATE_FILE
    if not path.is_file():
        return 0
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it to train from the beginning.") from None
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(state["weights"][name])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])


def save_model(folder: Path, loaded: LoadedModel, model: Any, card: ModelCard, taxonomy: Taxonomy) -> None:
    """Write the finished model as a folder that Hugging Face, vLLM and we can load.

    Args:
        folder: Where to.
        loaded: The model as it was loaded, for its processor.
        model: The trained model: the same, or peft's wrapper, of which the adapter alone is kept.
        card: Its card.
        taxonomy: The classes that it was trained for.
    """
    is_adapter = hasattr(model, "peft_config")
    model.save_pretrained(folder / ADAPTER_FOLDER if is_adapter else folder)
    loaded.processor.save_pretrained(folder)
    write_card(folder, card)
    write_taxonomy(folder, taxonomy)
    (folder / STATE_FILE).unlink(missing_ok=True)
