"""Which openings of a shared file still last: each holds a lock that the kernel drops when its process ends.

A process number would not do: it is used again, means another process in another container, and lives on in a process
that was killed and not waited for.
"""

import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own(path: Path) -> Iterator[str]:
    """Hold a locked file beside the shared one, and give its name. Those that killed processes left are removed.

    Args:
        path: The shared file.
    """
    prefix = f"{path.name}.owner-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        if not lasts(path, left.name):
            left.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Path(name).name
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(descriptor)


def lasts(path: Path, owner: str) -> bool:
    """Whether the opening that was given this name has not ended."""
    try:
        descriptor = os.open(path.with_name(owner), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
