"""Artefacts: the folder that a stage writes, atomic, with the provenance of what made it.

A stage works in a hidden partial folder beside the final one. Only when all is written does it get
its name, so a folder that exists is whole. A run that was killed finds its partial folder again,
because the key of what is being made is part of the partial folder's name.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from vlm_autodrive.addresses import (
    absolute,
    address_of,
    files_below,
    is_address,
    is_folder,
    is_mirrored,
    mirrored_address,
    place_of,
    state_of,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ESCAPED, FileName, Record, has_records, open_jsonl
from vlm_autodrive.settings import settings_in_key
from vlm_autodrive.workers import leave_unguarded_main

SCHEMA_VERSION = 1
PROVENANCE = "provenance.json"
CALIBRATION_FILE = "calibration.json"  # of a model: written after its weights, which it says nothing of
# Of videos name, size and time of change stand for the content: gigabytes are not read twice.
_VIDEO_FORMATS = "mp4 m4v mov 3gp 3g2 lrv avi mkv webm mpg mpeg vob ts mts m2ts wmv asf flv ogv gif"
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEO_FORMATS.split())
_STAGES = {  # kind of artefact: how it is called, the command that makes it, and the kind that it is made of
    "simulated_dataset": ("a simulated data set", "simulate", ""),
    "catalog": ("a catalog", "import", "simulated_dataset"),
    "clips": ("clips", "clips", "catalog"),
    "supervision": ("a supervision set", "supervise", "clips"),
    "checkpoint": ("a checkpoint", "train", "supervision"),
    "predictions": ("predictions", "evaluate", "clips"),
    "judgements": ("judgements", "judge", "predictions"),
    "comparison": ("a comparison", "compare", "predictions"),
}
_VERSIONED = ("vlm-autodrive", "torch", "transformers", "av", "numpy", "panda3d")


class InputRef(Record):
    """One input of an artefact: where it lay and what it was."""

    path: FileName
    key: str


class Provenance(Record):
    """What made an artefact.

    Attributes:
        kind: The kind of artefact.
        key: The hash of kind, schema version, inputs' keys, settings and facts.
        schema_version: Of the files in the artefact.
        inputs: What it was made from, by name.
        settings: The stage's settings, without those that do not change the result.
        facts: What else decides the result, such as the key of the model.
        versions: Of Python and of the libraries.
        created: When it was finished, in UTC.
        seconds: How long the last run took over it.
    """

    kind: str
    key: str
    schema_version: int
    inputs: dict[str, InputRef]
    settings: dict[str, Any]
    facts: dict[str, Any] = {}
    versions: dict[str, str]
    created: str
    seconds: float


def artifact_key(
    kind: str, inputs: Mapping[str, str], settings: BaseModel, facts: Mapping[str, Any] | None = None
) -> str:
    """The hash that identifies what a stage is about to make.

    Args:
        kind: The kind of artefact, such as ``clips``.
        inputs: The key of each input, by its name.
        settings: The stage's settings; fields marked ``NOT_IN_KEY`` do not count.
        facts: What else decides the result, as plain values.
    """
    content = {
        "kind": kind,
        "schema": SCHEMA_VERSION,
        "inputs": dict(inputs),
        "settings": settings_in_key(settings),
        "facts": dict(facts or {}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_provenance(folder: Path) -> Provenance:
    """The provenance of a finished artefact.

    Raises:
        UserError: If ``folder`` is no finished artefact.
    """
    try:
        return Provenance.model_validate_json((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} is no finished result; make it with the stage before this one.") from None


def input_key(path: Path, kind: str | None = None) -> str:
    """The key of an input: an artefact's own, or else a hash of the file's or folder's content.

    Args:
        path: An artefact, a folder or a file.
        kind: If given, the kind of artefact that it must be.

    Raises:
        UserError: If it does not exist, or is an artefact of another kind.
    """
    if is_address(path):
        return _key_at_address(path)
    if (path / PROVENANCE).is_file():
        provenance = read_provenance(path)
        if kind is not None and provenance.kind != kind:
            raise UserError(other_kind(path, provenance.kind, kind))
        return provenance.key
    is_records = has_records(path)
    if kind is not None or not (is_records or path.exists()):
        raise UserError(f"{path} does not exist{f' or holds no finished {kind}' if kind else ''}; give another path.")
    digest = hashlib.sha256()
    files = [path] if is_records else sorted(p for p in path.rglob("*") if p.is_file())
    files = [file for file in files if file.name != CALIBRATION_FILE]
    for file in files:
        name = file.relative_to(path.parent)
        if file.suffix.lower() in VIDEO_SUFFIXES:
            digest.update(os.fsencode(f"{name}:{file.stat().st_size}{file.stat().st_mtime_ns}"))
            continue
        with open_jsonl(file) as stream:  # records in parts have the key of their file
            digest.update(os.fsencode(f"{name}:{stream.seek(0, os.SEEK_END)}"))
            stream.seek(0)
            digest.update(hashlib.file_digest(cast(BufferedReader, stream), "sha256").digest())
    return digest.hexdigest()[:16]


def _key_at_address(path: Path) -> str:
    """By the sizes and ETags that the store tells: nothing is read twice."""
    files = files_below(path) if is_folder(path) else {path: state_of(path)}
    told = (f"{file.relative_to(path.parent)}:{state.size}:{state.stamp}\n" for file, state in files.items())
    return hashlib.sha256("".join(told).encode()).hexdigest()[:16]


def other_kind(folder: Path, found: str, wanted: str) -> str:
    """What to do with an artefact where one of another kind is wanted."""
    held = _STAGES[found][0] if found in _STAGES else found
    named, command, source = _STAGES.get(wanted, (wanted, "", ""))
    if not command:
        return f"{folder} holds {held}, not {named}; give another folder."
    way = f"run `autodrive {command}` on it first" if found == source else f"give what `autodrive {command}` made"
    return f"{folder} holds {held}, not {named}; {way}."


def file_in(folder: Path, name: str, kind: str) -> Path:
    """The path of a file that every artefact of a kind holds.

    Raises:
        UserError: If it is not there, with the command that makes it.
    """
    path = folder / name
    if has_records(path):
        return path
    if (folder / PROVENANCE).is_file():
        raise UserError(other_kind(folder, read_provenance(folder).kind, kind))
    raise UserError(f"{path} does not exist; give a folder that `autodrive {_STAGES[kind][1]}` made.")


def is_current(folder: Path, key: str) -> bool:
    """Whether ``folder`` already holds the finished result with this key."""
    return (folder / PROVENANCE).is_file() and read_provenance(folder).key == key


@contextmanager
def writing_artifact(
    folder: Path,
    kind: str,
    inputs: Mapping[str, Path],
    settings: BaseModel,
    *,
    facts: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    known_keys: Mapping[str, str] | None = None,
) -> Iterator[Path | None]:
    """Write an artefact atomically.

    Yields the partial folder to work in, which holds what an interrupted run with the same key left
    there, or None if ``folder`` already holds this very result and nothing is to be done. On leaving
    without an exception the folder gets its name; after an exception the partial folder stays, for
    the next run to go on from.

    Args:
        folder: The folder of the artefact.
        kind: The kind of artefact.
        inputs: Its inputs, by name: artefacts, folders or files.
        settings: The stage's settings.
        facts: What else decides the result, as plain values, such as the key of the model or a prompt's version.
        overwrite: Replace a finished result that was made otherwise, rather than refuse.
        known_keys: The keys of those inputs that the stage has hashed itself, by name.

    Raises:
        UserError: If ``folder`` holds something else and ``overwrite`` is false.
    """
    leave_unguarded_main()
    known_keys = known_keys or {}
    keys = {name: known_keys[name] if name in known_keys else input_key(path) for name, path in inputs.items()}
    key = artifact_key(kind, keys, settings, facts)
    partial = folder.with_name(f".{folder.name}.partial-{key}")
    replaced = folder.with_name(f".{folder.name}.replaced")
    _mend(folder, partial, replaced)
    if is_current(folder, key):
        yield None
        return
    if folder.exists() and not overwrite:
        raise UserError(f"{folder} already holds another result; give another --out, or --overwrite to replace it.")
    partial.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    try:
        yield partial
    except BaseException:
        if not any(partial.iterdir()):
            partial.rmdir()
        raise
    provenance = Provenance(
        kind=kind,
        key=key,
        schema_version=SCHEMA_VERSION,
        inputs={
            name: InputRef(path=relative_to_artifact(str(absolute(path)), folder.absolute()), key=keys[name])
            for name, path in inputs.items()
        },
        settings=settings_in_key(settings),
        facts=dict(facts or {}),
        versions=_versions(),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seconds=round(time.monotonic() - begun, 1),
    )
    write_text(partial / PROVENANCE, provenance.model_dump_json(indent=1) + "\n")
    for file in partial.rglob("*"):
        if file.is_file() and not file.is_symlink():
            _open_as(file, partial / PROVENANCE)
    if folder.exists():
        folder.rename(replaced)
    partial.rename(folder)
    _discard(replaced)
    for stale in folder.parent.glob(f".{folder.name}.partial-*"):
        shutil.rmtree(stale)


def _mend(folder: Path, partial: Path, replaced: Path) -> None:
    """Put right what a run left that was killed while it put a new result in the place of an old one."""
    if folder.exists():
        _discard(replaced)
    elif (replaced / PROVENANCE).is_file() and not partial.exists():
        replaced.rename(folder)  # the new one is not there either, so the old one stands


def _discard(replaced: Path) -> None:
    (replaced / PROVENANCE).unlink(missing_ok=True)  # first, so that one half removed is never taken for a result
    shutil.rmtree(replaced, ignore_errors=True)


def share_file(path: Path) -> None:
    """Let others read a file, as far as the umask does: safetensors and temporary files are the owner's alone."""
    plain = path.with_name(f".{path.name}.mode")
    plain.touch()
    _open_as(path, plain)
    plain.unlink()


def _open_as(path: Path, plain: Path) -> None:
    mode = plain.stat().st_mode
    if path.stat().st_mode != mode:
        path.chmod(mode)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically and durably; names of files that are not UTF-8 are written escaped."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", errors=ESCAPED) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def relative_to_artifact(path: str, folder: Path) -> str:
    """How a path to a video is kept inside the artefact ``folder``, so that a whole run can be moved.

    An address stays as it is. So does a local path where ``folder`` stands for one on a store, which may be fetched to
    another place.
    """
    if is_address(path):
        return address_of(path)
    if is_mirrored(folder) and not is_mirrored(path):
        return place_of(path)
    return os.path.relpath(path, folder)


def absolute_from_artifact(path: str, folder: Path) -> str:
    """The reverse of :func:`relative_to_artifact`.

    What lies on the same store as ``folder``, and was not fetched with it, is named by its address.
    """
    if is_address(path):
        return address_of(path)
    found = os.path.normpath(folder.absolute() / path)
    return mirrored_address(found) if is_mirrored(found) and not Path(found).exists() else found


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Wait until no other process or thread holds the lock of a file, which is made if need be, and hold it."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def folder_lock(folder: Path, refusal: str) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be: two processes would replace each other's half-made results.

    Args:
        folder: The folder.
        refusal: What is told where another process holds it.

    Raises:
        UserError: If another process holds it, or a file lies in its place.
    """
    leave_unguarded_main()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{folder} cannot be made, since a file lies in its way; choose another folder.") from None
    # A POSIX record lock (lockf, not flock) goes when this process ends, even by SIGKILL, so no stale lock keeps work
    # from being resumed; and child processes do not inherit it, so a decoder that outlives this one holds nothing.
    with (folder / ".lock").open("a") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(refusal) from None
        yield
