"""A lease: the object on a store that says which process writes to an address, so that no other one does."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from uuid import uuid4

from vlm_autodrive.addresses import AddressError, NoSuchAddressError, store_errors, store_of
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record


class LeaseLostError(UserError):
    """The lease ended before it was renewed, and another process has taken it."""


class _Holder(Record):
    """Who has a lease, as its object tells it.

    Attributes:
        token: Of this lease alone.
        host: The name of the machine, for people: containers may share one.
        process: The id of the process.
        machine: What tells machines and containers apart; empty where that is not known.
        started: When the process began, by which it is told from a later one with its id.
        at: When the lease was taken or renewed last, in seconds since 1970.
    """

    token: str
    host: str
    process: int
    machine: str
    started: str
    at: float

    def is_gone(self) -> bool:
        """Whether the process ran here and has ended."""
        return self.machine == _machine() != "" and self.started != _started(self.process)


class Lease:
    """A lease on an address for this process."""

    def __init__(self, address: str, lasts_s: float) -> None:
        """Know where it lies; nothing is taken yet.

        Args:
            address: The address that is written to.
            lasts_s: Seconds after which it ends, unless it is renewed.
        """
        root, _, name = address.rpartition("/")
        self._address, self._object, self._lasts_s = address, f"{root}/.{name}.lease", lasts_s
        self._token = uuid4().hex
        self._at = 0.0
        self._lock = Lock()

    def take(self) -> None:
        """Take the lease.

        Raises:
            UserError: If another process holds it.
        """
        # Stores differ in how they refuse to write an object anew, and some know no such writes at all.
        with suppress(AddressError):
            self._write(mode="create")
            return
        held = self._held()
        if held is not None and held.token != self._token and not held.is_gone():
            left_s = held.at + self._lasts_s - time.time()
            if left_s > 0:
                raise UserError(
                    f"process {held.process} on {held.host} writes to {self._address}; wait for it. If it was "
                    f"killed, the address is free in {left_s:.0f} s."
                )
        self._write()

    def renew(self) -> None:
        """Hold it for longer.

        Raises:
            LeaseLostError: If another process has taken it.
        """
        with self._lock:
            held = self._held()
            if held is None or held.token != self._token:  # where there is none, the other one has ended already
                raise LeaseLostError(
                    f"another process has taken {self._address} to write to, since this one was paused, or cut off "
                    f"from the store, for more than {self._lasts_s:.0f} s"
                )
            self._write()

    def check(self) -> None:
        """Renew it if it may have ended; else nothing is asked.

        Raises:
            LeaseLostError: If another process has taken it.
        """
        if time.time() - self._at >= self._lasts_s:
            self.renew()

    def give_back(self) -> None:
        """Let others write."""
        with self._lock, suppress(AddressError):
            held = self._held()
            if held is not None and held.token == self._token:
                with store_errors(self._object):
                    store_of(self._object).rm_file(self._object)

    def _held(self) -> _Holder | None:
        try:
            with store_errors(self._object):
                return _Holder.model_validate_json(store_of(self._object).cat_file(self._object))
        except NoSuchAddressError:
            return None

    def _write(self, mode: str = "overwrite") -> None:
        now = time.time()
        holder = _Holder(
            token=self._token,
            host=socket.gethostname(),
            process=os.getpid(),
            machine=_machine(),
            started=_started(os.getpid()),
            at=now,
        )
        with store_errors(self._object):
            store_of(self._object).pipe_file(self._object, holder.model_dump_json().encode(), mode=mode)
        self._at = now


def _machine() -> str:
    """This boot of this machine and, of its containers, this one; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + str(
            Path("/proc/self/ns/pid").readlink()
        )
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process began, in ticks since the machine did; empty if there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # the program's name, in brackets, may hold blanks
