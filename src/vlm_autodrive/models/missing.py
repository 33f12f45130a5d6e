"""What to do where a model cannot be fetched or read: one sentence for each case, the same in every command."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import PROVENANCE, other_kind, read_provenance
from vlm_autodrive.errors import UserError

_FILES = {
    "configuration": ("config.json",),
    "tokenizer": ("tokenizer.json", "vocab.json", "tokenizer.model"),
    "processor": ("processor_config.json", "preprocessor_config.json"),
}
"""For each part of a model beside its weights the files that may hold it, by transformers' names."""
PARTS = (*_FILES, "weights")
TEXT_PARTS = ("tokenizer", "processor")
_SNAPSHOT = re.compile(r"models--([^/]+)/snapshots/([0-9a-f]{40})$")


def lacking(folder: Path, parts: tuple[str, ...] = PARTS) -> str:
    """What a model's folder has not, in words; empty if it has all.

    Args:
        folder: The folder.
        parts: Which of :data:`PARTS` it must have.
    """
    for part, names in _FILES.items():
        if part in parts and not any((folder / name).is_file() for name in names):
            return f"no {part} ({' or '.join(names)})"
    if "weights" not in parts:
        return ""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(read_json(index)["weight_map"].values()))
        absent = [name for name in shards if not (folder / name).is_file()]
        return f"no {absent[0]}, which model.safetensors.index.json names" if absent else ""
    weights = next((file for pattern in ("*.safetensors", "pytorch_model*.bin") for file in folder.glob(pattern)), None)
    return "" if weights else "no weights (model.safetensors)"


def read_json(path: Path) -> Any:
    """What a JSON file of a model's folder holds.

    Raises:
        UserError: If it cannot be read.
    """
    with reading(path.parent):
        return json.loads(path.read_text(encoding="utf-8"))


def hub_origin(folder: Path) -> tuple[str, str] | None:
    """Hub name and revision of a folder in the hub's cache; None for any other folder."""
    found = _SNAPSHOT.search(folder.as_posix())
    return (found[1].replace("--", "/", 1), found[2]) if found else None


def incomplete(folder: Path, what: str) -> UserError:
    """The error for a model's folder of which :func:`lacking` says ``what``."""
    if origin := hub_origin(folder):
        return UserError(f"{origin[0]} on the hub has {what}; give a model of transformers that takes video.")
    inside = next((each for each in ("checkpoint", "adapter") if (folder / each).is_dir()), None)
    if inside is not None:
        return UserError(f"{folder} has {what}; give {folder / inside}.")
    made_as = read_provenance(folder).kind if (folder / PROVENANCE).is_file() else "checkpoint"
    if made_as not in ("checkpoint", "model"):
        return UserError(other_kind(folder, made_as, "checkpoint"))
    return UserError(
        f"{folder} has {what}; copy what is missing from the model that it was made from, or fetch a model as a whole "
        f"with `hf download NAME --local-dir FOLDER`."
    )


def not_there(model: str) -> UserError:
    """The error for a path without a folder that cannot be a name on the hub."""
    if Path(model).is_file():
        return UserError(f"{model} is a file; give the folder of the model.")
    return UserError(
        f"there is no folder {model}; give tiny-base, a checkpoint, a model's folder, or a name on the hub such as "
        "Qwen/Qwen3-VL-2B-Instruct."
    )


def unfetched(name: str, revision: str | None, error: Exception) -> UserError:
    """The error for a hub model that could not be fetched.

    Args:
        name: Its name on the hub.
        revision: The revision that was asked for; None for the newest.
        error: What ``huggingface_hub`` raised.
    """
    from huggingface_hub import constants, errors, get_token

    page = f"{constants.ENDPOINT}/{name}"
    elsewhere = f"fetch it where the hub can be reached, with `hf download {name} --local-dir FOLDER`, and give FOLDER"
    causes = list(_chain(error))
    answered = next((each for each in causes if isinstance(each, errors.HfHubHTTPError)), None)
    status = answered.response.status_code if answered is not None else None
    if isinstance(error, errors.GatedRepoError):
        token = "the token in use has no access" if get_token() else "no token is set"
        why = (
            f"{name} is gated and {token}; accept its licence at {page}, and set HF_TOKEN to a token of that "
            "account that may read it"
        )
    elif isinstance(error, errors.RevisionNotFoundError):
        why = f"the hub has no revision {revision or 'main'} of {name}; take one of those at {page}/commits/main"
    elif isinstance(error, errors.RepositoryNotFoundError):
        why = (
            f"there is no folder {name}, and the hub shows no model of that name; correct the spelling, or if it is "
            "private set HF_TOKEN to a token that may read it"
        )
    elif status in (401, 403):
        why = f"the hub refuses the token in use for {name} (HTTP {status}); set HF_TOKEN to a valid one"
    elif status is not None:
        why = f"the hub could not deliver {name} (HTTP {status}); try again later, or {elsewhere}"
    elif any(isinstance(each, errors.OfflineModeIsEnabled) for each in causes):
        why = (
            f"there is no folder {name}, it is not complete in this machine's cache, and HF_HUB_OFFLINE forbids to "
            f"fetch it; unset that, or {elsewhere}"
        )
    elif isinstance(error, errors.LocalEntryNotFoundError):
        why = (
            f"there is no folder {name}, it is not complete in this machine's cache, and {constants.ENDPOINT} cannot "
            f"be reached; {elsewhere}"
        )
    else:
        why = f"{name} could not be fetched ({_first_line(error)}); mend that, or {elsewhere}"
    return UserError(why + ".")


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn what a library raises while it reads a model's files into one sentence.

    Args:
        folder: Where they lie.

    Raises:
        UserError: If they cannot be read.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # transformers, tokenizers and safetensors have no common class of errors
        import torch

        if isinstance(error, torch.OutOfMemoryError):
            raise
        broken = _broken_weights(folder)
        if broken is not None:
            raise UserError(f"{broken} is damaged or cut off; copy or download that file again.") from None
        raise UserError(
            f"the files in {folder} could not be read ({_first_line(error)}); compare them with those of the model "
            "that it was made from, or fetch it again."
        ) from error


def _broken_weights(folder: Path) -> Path | None:
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt"):
                pass
        except (SafetensorError, OSError):
            return file
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}".rstrip(".")
