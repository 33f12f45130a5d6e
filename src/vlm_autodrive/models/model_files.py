"""Where a model's files lie: in a folder, in the hub's cache, or behind an adapter in those of its base."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.models.missing import (
    PARTS,
    TEXT_PARTS,
    hub_origin,
    incomplete,
    lacking,
    not_there,
    read_json,
    unfetched,
)

TINY_BASE = "tiny-base"
TINY_SIMULATED = "tiny-simulated"
SHIPPED_MODELS = (TINY_BASE, TINY_SIMULATED)
ADAPTER_FOLDER = "adapter"
ADAPTER_CONFIG = "adapter_config.json"
_ASSETS = Path(__file__).parent / "assets"
_SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "README.md")


@dataclass(frozen=True)
class ModelFiles:
    """Where a model's files lie.

    Attributes:
        folder: Its folder, with configuration and weights, or with an adapter.
        adapter: The folder of its adapter, in peft's form; None if it has whole weights.
        base: The files of the model that the adapter is placed on; None if it has none.
    """

    folder: Path
    adapter: Path | None = None
    base: "ModelFiles | None" = None

    @property
    def weights(self) -> Path:
        """The folder with configuration and whole weights: its own, or its base's."""
        return self.base.weights if self.base else self.folder

    @property
    def processor(self) -> Path:
        """The folder with tokenizer and processor: its own, or its base's where an adapter came without."""
        return self.base.processor if self.base and lacking(self.folder, TEXT_PARTS) else self.folder


def resolve_model(model: str) -> str:
    """The folder of a shipped model for its name; anything else as it is."""
    return str(_ASSETS / model) if model in SHIPPED_MODELS else model


def locate_model(model: str, parts: tuple[str, ...] = PARTS, *, fetch: bool = True) -> ModelFiles:
    """Find a model's files, and fetch what is not on this machine.

    A hub model that is complete in the cache is taken from there without a request, so that it stays the same from one
    run to the next; ``hf download NAME`` brings it up to date.

    Args:
        model: A shipped model's name, a folder with whole weights or an adapter, or a hub name.
        parts: What is needed of :data:`vlm_autodrive.models.missing.PARTS`. Tokenizer and processor are fetched, but
            asked for when they are read, behind the question whether the model's family is supported.
        fetch: Whether a hub model is fetched if it is not in the cache.

    Raises:
        UserError: If something is missing; it says what, and what to do.
    """
    return _locate(resolve_model(model), None, parts, fetch=fetch)


def require_model(model: str) -> None:
    """Refuse a model that is not there before any work is done for it; a hub model's weights are not fetched yet.

    Raises:
        UserError: If something is missing; it says what, and what to do.
    """
    small = tuple(part for part in PARTS if part != "weights")
    files = locate_model(model, PARTS if Path(resolve_model(model)).is_dir() else small)
    what = lacking(files.processor, TEXT_PARTS)
    if what:
        raise incomplete(files.processor, what)


def lasting_name(model: str) -> tuple[str, str | None]:
    """By what a base is found again: hub name with revision, a shipped model's name, or its folder's absolute path.

    Args:
        model: A shipped model's name, a folder (in the hub's cache or elsewhere), or the name of a hub model that was
            fetched.
    """
    if model in SHIPPED_MODELS:
        return model, None
    folder = locate_model(model, (), fetch=False).folder.absolute()
    return hub_origin(folder) or (str(folder), None)


def write_base(adapter: Path, base: str, revision: str | None) -> None:
    """Write into an adapter's configuration where its base is found, as peft reads it."""
    path = adapter / ADAPTER_CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base, "revision": revision}
    write_text(path, json.dumps(config, indent=2) + "\n")


def _locate(model: str, revision: str | None, parts: tuple[str, ...], *, fetch: bool) -> ModelFiles:
    folder = Path(model)
    if not folder.is_dir():
        if folder.is_file() or not _can_be_on_hub(model):
            raise not_there(model)
        folder = _snapshot(model, revision, parts, fetch=fetch)
    adapter = next((each for each in (folder / ADAPTER_FOLDER, folder) if (each / ADAPTER_CONFIG).is_file()), None)
    if adapter is None:
        what = lacking(folder, tuple(part for part in parts if part not in TEXT_PARTS))
        if what:
            raise incomplete(folder, what)
        return ModelFiles(folder)
    if "weights" in parts and lacking(adapter, ("weights",)):
        raise UserError(f"{adapter} has no adapter_model.safetensors; copy it from where the adapter was trained.")
    config = read_json(adapter / ADAPTER_CONFIG)
    base, revision = config.get("base_model_name_or_path") or "", config.get("revision")
    has_processor = not lacking(folder, TEXT_PARTS)
    of_base = tuple(part for part in parts if not (has_processor and part in TEXT_PARTS))
    try:
        if not base:
            raise UserError("its configuration names none")
        found = _locate(resolve_model(base), revision, of_base, fetch=fetch)
    except UserError as error:
        raise UserError(
            f"the base of the adapter {model} is missing ({str(error).rstrip('.')}); set base_model_name_or_path in "
            f"{adapter / ADAPTER_CONFIG} to the folder or hub name of the model that it was trained on."
        ) from None
    return ModelFiles(folder, adapter, found)


def _can_be_on_hub(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _snapshot(name: str, revision: str | None, parts: tuple[str, ...], *, fetch: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import tqdm

    class SilentBar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call]

    patterns = [*_SMALL_FILES, "*.safetensors"] if "weights" in parts else list(_SMALL_FILES)
    try:
        cached = Path(snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True))
        if not fetch or (cached / ADAPTER_CONFIG).is_file() or not lacking(cached, parts):
            return cached
    except LocalEntryNotFoundError as error:
        if not fetch:
            raise unfetched(name, revision, error) from None
    bar = None if "weights" in parts and sys.stderr.isatty() else SilentBar
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, tqdm_class=bar))
    except Exception as error:  # of huggingface_hub, of its HTTP client, or of the disk
        raise unfetched(name, revision, error) from None
