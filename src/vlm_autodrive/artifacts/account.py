"""The account of a stage that was done on a cluster: each input gave a record, or was quarantined with the reason."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vlm_autodrive.artifacts.folders import PROVENANCE, artifact_key, input_key, read_provenance, write_text
from vlm_autodrive.executor import Quarantined
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Record, append_jsonl, read_partial_jsonl

ACCOUNT_FILE = "account.json"
QUARANTINED = "quarantined after two attempts: "
"""How the reason begins in the record of an input that is quarantined."""
_QUARANTINED_FILE = "quarantined.jsonl"


class QuarantinedInput(Record):
    """An input that failed at every attempt."""

    input_id: str
    reason: str


class Account(Record):
    """What became of the inputs of a stage.

    Attributes:
        inputs: How many there were.
        records: How many of them were worked on to the end, whatever came of them.
        quarantined: Why not, by id, for each of the others.
    """

    inputs: int
    records: int
    quarantined: dict[str, str]


class Accounting:
    """Keeps the account of a stage in its working folder, so that a stage that was killed goes on with it.

    Attributes:
        quarantined: The reason, by id, of each input that is quarantined.
    """

    def __init__(self, folder: Path, *, retry_errors: bool) -> None:
        """Go on with the account in ``folder``; with ``retry_errors`` nothing is quarantined any more.

        A stage that is not done on a cluster quarantines nothing: it is to begin with ``retry_errors``, too.
        """
        self._path = folder / _QUARANTINED_FILE
        if retry_errors:
            self._path.unlink(missing_ok=True)
        self.quarantined = {each.input_id: each.reason for each in read_partial_jsonl(self._path, QuarantinedInput)}

    def results(self, results: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        """The results of an executor, without those that are quarantined, which are written down."""
        for job_id, result in results:
            if isinstance(result, Quarantined):
                self.quarantine(job_id, result.reason)
            else:
                yield job_id, result

    def quarantine(self, input_id: str, reason: str) -> None:
        """Write down that an input is quarantined."""
        append_jsonl(self._path, [QuarantinedInput(input_id=input_id, reason=reason)])
        self.quarantined[input_id] = reason

    def release(self, input_ids: Iterable[str]) -> None:
        """Take back that inputs are quarantined: they have a record, or are tried again."""
        for input_id in input_ids:
            self.quarantined.pop(input_id, None)

    def words(self, input_id: str) -> str:
        """Why an input has no result of its own, as its record tells it."""
        return QUARANTINED + self.quarantined[input_id]

    def close(self, inputs: int, records: int, reporter: Reporter) -> None:
        """Write ``account.json``, and tell what is in it.

        Raises:
            RuntimeError: If an input is neither a record nor quarantined.
        """
        write_account(self._path.parent, inputs, records, self.quarantined, reporter)

    def forget(self) -> None:
        """Remove the working file, once all else is written."""
        self._path.unlink(missing_ok=True)


def write_account(folder: Path, inputs: int, records: int, quarantined: Mapping[str, str], reporter: Reporter) -> None:
    """Write ``account.json``, and tell what is in it.

    Raises:
        RuntimeError: If an input is neither a record nor quarantined.
    """
    if inputs != records + len(quarantined):
        raise RuntimeError(f"{inputs} inputs gave {records} records, and {len(quarantined)} are quarantined")
    account = Account(inputs=inputs, records=records, quarantined=dict(sorted(quarantined.items())))
    write_text(folder / ACCOUNT_FILE, account.model_dump_json(indent=1) + "\n")
    reporter.say(account_words(account))


def account_words(account: Account) -> str:
    """An account in a sentence."""
    words = f"{account.inputs} inputs = {account.records} records + {len(account.quarantined)} quarantined"
    if not account.quarantined:
        return f"{words}."
    first, reason = next(iter(account.quarantined.items()))
    return f"{words}: {first}: {reason}. {ACCOUNT_FILE} names all; --retry-errors tries them again."


def read_account(folder: Path) -> Account | None:
    """The account of a stage; None if it was not done on a cluster."""
    path = folder / ACCOUNT_FILE
    try:
        return Account.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def retry_facts(
    out: Path,
    kind: str,
    inputs: Mapping[str, Path],
    settings: BaseModel,
    facts: Mapping[str, Any],
    *,
    retry_errors: bool,
) -> tuple[dict[str, Any], bool]:
    """The facts of what a stage is about to make, which tell how often its quarantined inputs were tried again.

    The count is part of a result's key: so a retry that is killed resumes as a result of its own, and the finished one
    stays in place until it is replaced in one move.

    Args:
        out: Where the result is, or is to be.
        kind: Its kind.
        inputs: Its inputs.
        settings: The stage's settings.
        facts: What else decides the result.
        retry_errors: Whether to try again what is quarantined.

    Returns:
        The facts; and whether ``out`` holds the same result with quarantined inputs that are to be tried again.
    """
    if not (out / PROVENANCE).is_file():
        return dict(facts), False
    provenance = read_provenance(out)
    count: int = provenance.facts.get("retried", 0)
    current = _with_count(facts, count)
    keys = {name: input_key(path) for name, path in inputs.items()}
    if provenance.key != artifact_key(kind, keys, settings, current):
        return dict(facts), False  # another result
    account = read_account(out)
    if retry_errors and account is not None and account.quarantined:
        return _with_count(facts, count + 1), True
    return current, False


def _with_count(facts: Mapping[str, Any], retried: int) -> dict[str, Any]:
    return {**facts, "retried": retried} if retried else dict(facts)
