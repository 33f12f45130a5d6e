"""Checkpoints: the train states to resume from, the best weights so far, and the finished model.

All are safetensors, written under another name and renamed when they are complete and on the disk. A state file
holds the trained weights and the optimizers' tensors by the name of their weight, and in its header the
:class:`TrainState` and all settings.
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

from vlm_autodrive.artifacts import share_file, write_taxonomy
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import ADAPTER_FOLDER, LoadedModel, ModelCard, cast, quiet_libraries, write_base, write_card
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Record, Taxonomy
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import gather_full, shard_like

_FOLDER = "states"
_STATE, _BEST = "state-{:08d}.safetensors", "best-{:08d}.safetensors"
_WEIGHT, _MOMENT = "weight:", "optimizer:"


class TrainState(Record):
    """How far training has come.

    Attributes:
        step: Optimizer steps done.
        best_step: Optimizer steps done at the best evaluation; None before the first.
        best_score: Its macro-F1.
        stale_evaluations: How many evaluations have come since.
    """

    step: int = 0
    best_step: int | None = None
    best_score: float | None = None
    stale_evaluations: int = 0

    def after(self, score: float) -> "TrainState":
        """After one more evaluation; only a higher score is better."""
        if self.best_score is not None and score <= self.best_score:
            return self.model_copy(update={"stale_evaluations": self.stale_evaluations + 1})
        return self.model_copy(update={"best_step": self.step, "best_score": score, "stale_evaluations": 0})


def save_state(
    folder: Path,
    state: TrainState,
    model: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: TrainSettings,
    rank: Rank,
) -> None:
    """Write all that a resumed run needs, and remove states and best weights that are no longer needed.

    Every process must call it, as each may hold a shard of the tensors; the first writes.
    """
    moments = (
        (f"{_MOMENT}{key}:{name}", value)
        for name, parameter, optimizer in _optimized(model, optimizers)
        for key, value in optimizer.state.get(parameter, {}).items()
    )
    weights = ((_WEIGHT + name, p) for name, p in model.named_parameters() if p.requires_grad)
    tensors = gather_full((*weights, *moments), rank)
    if not rank.is_first:
        return
    header = {"train_state": state.model_dump_json(), "settings": settings.model_dump_json()}
    _write(folder, _STATE.format(state.step), tensors, header)
    kept = _newest_first(folder)[: settings.save_total_limit]
    best = {_BEST.format(read.best_step) for path in kept if (read := _read_state(path)) and read.best_step is not None}
    for file in (folder / _FOLDER).iterdir():  # older ones, and what a killed run left half written
        if file not in kept and file.name not in best:
            file.unlink()


def restore_state(
    folder: Path, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], reporter: Reporter
) -> TrainState:
    """Go on from the newest state that can be read; nothing is done if there is none at all.

    Raises:
        UserError: If there are states and none can be read.
    """
    paths = _newest_first(folder)
    for path in paths:
        state = _read_state(path)
        if state is None:
            reporter.say(f"{path.name} cannot be read and is passed over")
            continue
        tensors = load_file(path)
        set_weights(
            model, {key.removeprefix(_WEIGHT): value for key, value in tensors.items() if key.startswith(_WEIGHT)}
        )
        by_name = {name: (parameter, optimizer) for name, parameter, optimizer in _optimized(model, optimizers)}
        for key, value in tensors.items():
            if key.startswith(_MOMENT):
                _, moment, name = key.split(":", 2)
                parameter, optimizer = by_name[name]
                like = parameter.detach()
                # A tensor of another shape than the weight is the step count, which is not sharded.
                optimizer.state[parameter][moment] = shard_like(value, like) if value.shape == like.shape else value
        return state
    if paths:
        raise UserError(f"no state in {folder / _FOLDER} can be read; delete that folder to train from the beginning.")
    return TrainState()


def save_best(folder: Path, state: TrainState, model: torch.nn.Module, rank: Rank) -> None:
    """Write the weights of the best evaluation so far; every process must call it."""
    weights = trained_weights(model, rank)
    if rank.is_first:
        _write(folder, _BEST.format(state.best_step), weights, {"train_state": state.model_dump_json()})


def best_weights(folder: Path, state: TrainState) -> dict[str, torch.Tensor]:
    """The weights of the best evaluation."""
    return load_file(folder / _FOLDER / _BEST.format(state.best_step))


def trained_weights(model: torch.nn.Module, rank: Rank) -> dict[str, torch.Tensor]:
    """The full tensors of the trained weights, in the first process; every process must call it."""
    return gather_full(((name, p) for name, p in model.named_parameters() if p.requires_grad), rank)


def set_weights(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Copy full tensors into the model."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in weights:
                parameter.copy_(shard_like(weights[name], parameter.detach()))


def save_model(
    folder: Path, loaded: LoadedModel, model: Any, card: ModelCard, taxonomy: Taxonomy, dtype: torch.dtype
) -> None:
    """Write the finished model as a folder that Hugging Face, vLLM and we can load, and remove the states.

    Args:
        folder: Where to.
        loaded: The model as it was loaded, for its processor.
        model: The trained model: the same, or peft's wrapper, of which the adapter alone is kept.
        card: Its card.
        taxonomy: The classes that it was trained for.
        dtype: Precision of whole weights; an adapter keeps that of its training.
    """
    with quiet_libraries():
        if hasattr(model, "peft_config"):
            model.save_pretrained(folder / ADAPTER_FOLDER)
            write_base(folder / ADAPTER_FOLDER, str(card.base), card.base_revision)
        else:
            cast(model, dtype).save_pretrained(folder)
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
    share_file(partial)
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)


def _newest_first(folder: Path) -> list[Path]:
    return sorted((folder / _FOLDER).glob("state-*.safetensors"), reverse=True)


def _read_state(path: Path) -> TrainState | None:
    try:
        with safe_open(path, "pt") as opened:
            return TrainState.model_validate_json(opened.metadata()["train_state"])
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError, ValueError):
        return None
