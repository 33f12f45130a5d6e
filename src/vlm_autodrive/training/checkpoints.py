"""Saving: the states to resume from, the best weights so far, and the finished model.

All are safetensors, written under another name and renamed when they are whole and on the disk. A state
holds the trained weights, the optimisers' tensors by the name of their weight, and in its header how far
training is and the whole settings.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from vlm_autodrive.artifacts import write_taxonomy
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import ADAPTER_FOLDER, LoadedModel, ModelCard, write_card
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Record, Taxonomy
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import divided_like, gather

_FOLDER = "states"
_STATE, _BEST = "state-{:08d}.safetensors", "best-{:08d}.safetensors"
_WEIGHT, _MOMENT = "weight:", "optimizer:"


class Reached(Record):
    """How far training is.

    Attributes:
        step: Steps that are done.
        best_step: Steps that were done at the best validation; None before the first.
        best_score: Its macro-F1.
        no_better: How many validations have come since.
    """

    step: int = 0
    best_step: int | None = None
    best_score: float | None = None
    no_better: int = 0

    def after(self, score: float) -> "Reached":
        """With one more validation; only a higher score is a better one."""
        if self.best_score is not None and score <= self.best_score:
            return self.model_copy(update={"no_better": self.no_better + 1})
        return self.model_copy(update={"best_step": self.step, "best_score": score, "no_better": 0})


def save_state(
    folder: Path,
    reached: Reached,
    model: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: TrainSettings,
    rank: Rank,
) -> None:
    """Write all that a resumed run needs, and remove states and best weights that are no longer needed.

    Every process must call it, as each may hold a part of the tensors; the first writes.
    """
    moments = (
        (f"{_MOMENT}{key}:{name}", value)
        for name, parameter, optimizer in _optimized(model, optimizers)
        for key, value in optimizer.state.get(parameter, {}).items()
    )
    weights = ((_WEIGHT + name, p) for name, p in model.named_parameters() if p.requires_grad)
    tensors = gather((*weights, *moments), rank)
    if not rank.is_first:
        return
    header = {"reached": reached.model_dump_json(), "settings": settings.model_dump_json()}
    _write(folder, _STATE.format(reached.step), tensors, header)
    kept = _newest_first(folder)[: settings.save_total_limit]
    best = {_BEST.format(read.best_step) for state in kept if (read := _reached(state)) and read.best_step is not None}
    for file in (folder / _FOLDER).iterdir():  # older ones, and what a killed run left half written
        if file not in kept and file.name not in best:
            file.unlink()


def restore_state(
    folder: Path, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], reporter: Reporter
) -> Reached:
    """Go on from the newest state that can be read; nothing is done if there is none at all.

    Raises:
        UserError: If there are states and none can be read.
    """
    states = _newest_first(folder)
    for state in states:
        reached = _reached(state)
        if reached is None:
            reporter.say(f"{state.name} cannot be read and is passed over")
            continue
        tensors = load_file(state)
        set_weights(
            model, {key.removeprefix(_WEIGHT): value for key, value in tensors.items() if key.startswith(_WEIGHT)}
        )
        by_name = {name: (parameter, optimizer) for name, parameter, optimizer in _optimized(model, optimizers)}
        for key, value in tensors.items():
            if key.startswith(_MOMENT):
                _, moment, name = key.split(":", 2)
                parameter, optimizer = by_name[name]
                like = parameter.detach()
                # What is not of the weight's shape counts steps, and is kept as it is.
                optimizer.state[parameter][moment] = divided_like(value, like) if value.shape == like.shape else value
        return reached
    if states:
        raise UserError(f"no state in {folder / _FOLDER} can be read; delete that folder to train from the beginning.")
    return Reached()


def save_best(folder: Path, reached: Reached, model: torch.nn.Module, rank: Rank) -> None:
    """Write the weights of the best validation so far; every process must call it."""
    weights = trained_weights(model, rank)
    if rank.is_first:
        _write(folder, _BEST.format(reached.best_step), weights, {"reached": reached.model_dump_json()})


def best_weights(folder: Path, reached: Reached) -> dict[str, torch.Tensor]:
    """The weights of the best validation."""
    return load_file(folder / _FOLDER / _BEST.format(reached.best_step))


def trained_weights(model: torch.nn.Module, rank: Rank) -> dict[str, torch.Tensor]:
    """The weights that are trained, whole, in the first process; every process must call it."""
    return gather(((name, p) for name, p in model.named_parameters() if p.requires_grad), rank)


def set_weights(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put whole weights into the model."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in weights:
                parameter.copy_(divided_like(weights[name], parameter.detach()))


def save_model(folder: Path, loaded: LoadedModel, model: Any, card: ModelCard, taxonomy: Taxonomy) -> None:
    """Write the finished model as a folder that Hugging Face, vLLM and we can load, and remove the states.

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
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


def _optimized(
    model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> list[tuple[str, torch.nn.Parameter, torch.optim.Optimizer]]:
    owner = {id(p): optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return [(name, p, owner[id(p)]) for name, p in model.named_parameters() if id(p) in owner]


def _write(folder: Path, name: str, tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    path = folder / _FOLDER / name
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(name + ".partial")
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, partial, header)
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)


def _newest_first(folder: Path) -> list[Path]:
    return sorted((folder / _FOLDER).glob("state-*.safetensors"), reverse=True)


def _reached(state: Path) -> Reached | None:
    try:
        with safe_open(state, "pt") as opened:
            return Reached.model_validate_json(opened.metadata()["reached"])
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError, ValueError):
        return None
