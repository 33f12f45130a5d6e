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
        """Go on with the account in ``folder``; with ``retry_errors`` nothing is quarantined any more."""
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

    def words(self, input_id: str) -> str:
        """Why an input has no result of its own, as its record tells it."""
        return QUARANTINED + self.quarantined[input_id]

    def close(self, inputs: int, records: int, reporter: Reporter) -> None:
        """Write ``account.json``, and tell what is in it.

        Raises:
            RuntimeError: If an input is neither a record nor quarantined.
        """
        write_account(self._path.parent, inputs, records, self.quarantined, reporter)
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


def times_retried(
    out: Path, kind: str, inputs: Mapping[str, Path], settings: BaseModel, facts: Mapping[str, Any]
) -> int:
    """How often errors were retried in the result at ``out``, if that is the result of these inputs and settings.

    The count is part of a result's key: so a retry that is killed resumes as a result of its own, and the finished one
    stays in place until it is replaced in one move.
    """
    if not (out / PROVENANCE).is_file():
        return 0
    provenance = read_provenance(out)
    count: int = provenance.facts.get("retried", 0)
    keys = {name: input_key(path) for name, path in inputs.items()}
    return count if provenance.key == artifact_key(kind, keys, settings, retry_facts(facts, count)) else 0


def retry_facts(facts: Mapping[str, Any], retried: int) -> dict[str, Any]:
    """The facts of a result whose errors were retried so often."""
    return {**facts, "retried": retried} if retried else dict(facts)
