"""Artefacts on a store: an input is fetched, an output is written to a local mirror and pushed.

A lease on the store keeps two processes from writing to one address at once.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from vlm_autodrive.addresses import AddressError, address_of, is_address
from vlm_autodrive.artifacts.folders import waiting_lock
from vlm_autodrive.artifacts.lease import Lease, LeaseLostError
from vlm_autodrive.artifacts.mirror import Mirror
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter

PUSH_EVERY_S = 30.0
_LEASES = 4  # a lease that was not renewed for so many times its interval is one of a process that is gone


def fetch_artifact(address: Path | str, reporter: Reporter = SILENT) -> Path:
    """The local copy of a folder or file on a store, brought up to date.

    Args:
        address: Where it lies; a local path is given back as it is.
        reporter: Told of what is fetched.

    Raises:
        UserError: If there is nothing, or it cannot be read.
    """
    if not is_address(address):
        return Path(address)
    mirror = Mirror(address)
    mirror.folder.parent.mkdir(parents=True, exist_ok=True)
    with waiting_lock(mirror.folder.with_name(f".{mirror.folder.name}.fetching")):
        if not mirror.pull(unfinished=False):
            raise UserError(f"{mirror.address} does not exist; give another address, or make it with its stage first.")
    _say_pulled(mirror, reporter)
    return mirror.folder


@contextmanager
def writing_to_store(
    address: Path | str, reporter: Reporter = SILENT, *, push_every_s: float = PUSH_EVERY_S
) -> Iterator[Path]:
    """Give a local folder that stands for one on a store.

    It begins with what lies there, unfinished artefacts included, so that work that another machine began goes on. What
    is written into it is pushed now and then, and once more in the end, also after an error.

    Args:
        address: The folder on the store; a local path is given back as it is, and nothing is pushed.
        reporter: Told of what is fetched and pushed, when a push fails, and when pushes work again.
        push_every_s: Seconds from one push to the next.

    Raises:
        UserError: If another process writes there, or has begun to meanwhile since this one was paused; or if the store
            cannot be read or written.
    """
    if not is_address(address):
        yield Path(address)
        return
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            f"several processes cannot write to {address_of(address)} at once; train in a local folder and copy that, "
            "or let `autodrive run --on torchrun` start the processes."
        )
    mirror = Mirror(address)
    lease = Lease(mirror.address, _LEASES * push_every_s)
    lease.take()

    def push() -> None:
        lease.renew()
        mirror.push(lease.check)

    # Each in a thread of its own, since a push may take longer than a lease lasts.
    with ExitStack() as stack:
        stack.callback(lease.give_back)
        stack.enter_context(_every(push_every_s, lease.renew))
        mirror.pull()
        _say_pulled(mirror, reporter)
        try:
            with _every(push_every_s, push, f"Storing at {mirror.address}", reporter):
                yield mirror.folder
        except BaseException:
            with suppress(AddressError, LeaseLostError):
                push()
            raise
        try:
            push()
        except LeaseLostError as error:
            raise UserError(f"{error}; what was made since is not stored, and is in {mirror.folder}.") from None
        except AddressError as error:
            raise UserError(
                f"the result is whole in {mirror.folder}, but cannot be written to {mirror.address} "
                f"({error.strerror}); run the same command again once that is put right."
            ) from None
    if mirror.bytes_pushed:
        reporter.say(f"Stored at {mirror.address}: {_megabytes(mirror.bytes_pushed)}.")


@contextmanager
def _every(seconds: float, work: Callable[[], None], title: str = "", reporter: Reporter = SILENT) -> Iterator[None]:
    """Do something now and then as long as the block lasts; where the store fails, say so once and go on trying."""
    ended = Event()

    def go_on() -> None:
        fails = False
        while not ended.wait(seconds):
            try:
                work()
            except LeaseLostError as error:
                reporter.say(f"{title} has ended: {error}.")
                return
            except OSError as error:
                if not fails:
                    reporter.say(f"{title} fails ({error.strerror or error}); it is tried every {seconds:g} s.")
                fails = True
            else:
                if fails:
                    reporter.say(f"{title} works again.")
                fails = False

    thread = Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say_pulled(mirror: Mirror, reporter: Reporter) -> None:
    if mirror.bytes_pulled:
        reporter.say(f"Fetched from {mirror.address}: {_megabytes(mirror.bytes_pulled)}.")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
