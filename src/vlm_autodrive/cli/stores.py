"""Arguments that lie on a store: artefacts that a command reads are fetched, and those it writes are pushed."""

import functools
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer

from vlm_autodrive.addresses import is_address, plain_path
from vlm_autodrive.errors import UserError

_WRITTEN = frozenset(("out", "run_dir"))  # arguments that name what is written
_READ_IN_PLACE = frozenset(("truth", "endpoint", "url", "on"))  # and what is no artefact
_OF_VIDEOS = frozenset(("import_", "detect", "calibrate"))  # commands whose arguments are footage and manifests


def with_stores(verb: Callable[..., None]) -> Callable[..., None]:
    """The same command, which takes addresses for the artefacts that it reads and writes.

    Videos, manifests and tables of true events are read where they lie.
    """

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        with ExitStack() as stack:
            verb(**{name: _local(verb.__name__, name, value, stack) for name, value in given.items()})

    return run


def _local(verb: str, name: str, value: Any, stack: ExitStack) -> Any:
    """The value of an argument, with local folders in place of addresses."""
    if isinstance(value, list):
        return [_local(verb, name, each, stack) for each in value]
    if not isinstance(value, str | Path) or name in _READ_IN_PLACE or (name == "arguments" and verb in _OF_VIDEOS):
        return value
    label, equals, named = str(value).partition("=")
    if verb == "compare" and equals and is_address(named):  # NAME=PREDICTIONS
        return f"{label}={_local(verb, name, named, stack)}"
    if not is_address(value):
        return type(value)(plain_path(value)) if str(value).startswith("file:/") else value
    if verb == "review":
        raise UserError("a review shows and writes local folders alone; copy the folder here and give its path.")
    from vlm_autodrive.artifacts import fetch_artifact, writing_to_store
    from vlm_autodrive.console import make_reporter

    is_written = name in _WRITTEN or (verb == "calibrate" and name == "model")  # which gets its calibration
    reporter = make_reporter()
    here = stack.enter_context(writing_to_store(value, reporter)) if is_written else fetch_artifact(value, reporter)
    return type(value)(here) if isinstance(value, str) else here


def let_commands_use_stores(app: typer.Typer) -> None:
    """Let every command of an application, and of those in it, take addresses."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = with_stores(command.callback)
    for inner in app.registered_groups:
        if inner.typer_instance is not None:
            let_commands_use_stores(inner.typer_instance)
