"""Room on the disk, looked at before work begins that could not end."""

import shutil
from pathlib import Path

from vlm_autodrive.errors import UserError


def require_space(folder: Path, needed: float, what: str) -> None:
    """Make sure that a disk has room for what is to be written.

    Args:
        folder: What is to hold it; neither it nor its parent need exist yet.
        needed: Bytes, estimated.
        what: What takes them, in the plural, for the message.

    Raises:
        UserError: If the disk has less left.
    """
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"{what} take about {_size(needed)}, and the disk of {folder.parent} has {_size(free)} left; free some "
            "space, or choose a folder on another disk."
        )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
