"""A command that is run for each event of the short list, at least once."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.artifacts import waiting_lock
from vlm_autodrive.detection.short_list.listing import ListedEvent
from vlm_autodrive.detection.short_list.tables import JSONL_FILE
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import FileName, Record, append_jsonl, read_jsonl, read_partial_jsonl

SENT_FILE = "events_sent.jsonl"
TIMEOUT_S = 60.0
SAME_EVENT_S = 1.5
"""Events of one class nearer than this in one file are one, whose time has moved because its trip was searched anew."""


class SentEvent(Record):
    """An event for which the command was run, and ended well.

    Attributes:
        event_class: Its class name.
        file: The file that shows it.
        file_time_s: When, in seconds after that file's first frame.
    """

    event_class: str
    file: FileName
    file_time_s: float


def parse_command(text: str) -> list[str]:
    """The program and the arguments of a command, which no shell interprets.

    Raises:
        UserError: If it is empty, its quotes do not match, or there is no such program.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--on-event: {text!r} cannot be read as a command: {error}.") from None
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise UserError(f"--on-event: there is no program {words[0] if words else text!r}; give its path.")
    return [program, *words[1:]]


def send_events(out: Path, command: Sequence[str], reporter: Reporter = SILENT, timeout_s: float = TIMEOUT_S) -> int:
    """Run a command for each event of a short list for which it has not yet been run.

    The command reads the event's row of ``events.jsonl`` from its standard input; ``AUTODRIVE_OUT`` in its environment
    is the folder that the row's places lie in. If it ends well, the event is added to ``events_sent.jsonl``, and it is
    not run for it again. If not, or if this process is killed before that is written, the next call runs it again.

    Args:
        out: The folder of the short list.
        command: The program and its arguments; see :func:`parse_command`.
        reporter: Told how each that failed ended.
        timeout_s: Seconds after which the command is killed, with all that it started.

    Returns:
        How many events the command could not be run for.
    """
    failed = 0
    with waiting_lock(out / f".{SENT_FILE}.lock"):
        sent = read_partial_jsonl(out / SENT_FILE, SentEvent)
        for event in read_jsonl(out / JSONL_FILE, ListedEvent):
            if any(_are_same(event, before) for before in sent):
                continue
            problem = _run(command, event.model_dump_json() + "\n", out, timeout_s)
            if problem:
                failed += 1
                reporter.say(f"{event.event_id}: {Path(command[0]).name} {problem}; it is tried again later.")
                continue
            one = SentEvent(event_class=event.event_class, file=event.file, file_time_s=event.file_time_s)
            append_jsonl(out / SENT_FILE, [one])
            sent.append(one)
    return failed


def _are_same(event: ListedEvent, sent: SentEvent) -> bool:
    same = (event.event_class, event.file) == (sent.event_class, sent.file)
    return same and abs(event.file_time_s - sent.file_time_s) <= SAME_EVENT_S


def _run(command: Sequence[str], row: str, out: Path, timeout_s: float) -> str:
    """Run the command; what went wrong, empty if nothing did."""
    # Files rather than pipes: a command may leave its input unread, or leave behind a process that holds its output.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as told:
        given.write(row.encode())
        given.seek(0)
        environment = {**os.environ, "AUTODRIVE_OUT": str(out.absolute())}
        try:
            process = subprocess.Popen(
                command, stdin=given, stdout=told, stderr=told, env=environment, start_new_session=True
            )
        except OSError as error:
            return f"cannot be run ({error.strerror})"
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return f"had not ended after {timeout_s:g} s"
        finally:
            if process.poll() is None:  # too late, or interrupted
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        told.seek(0)
        lines = told.read().decode(errors="replace").split("\n")
    last = next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")
    return f"ended with status {status}{last}" if status else ""
