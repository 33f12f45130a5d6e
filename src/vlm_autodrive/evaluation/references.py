"""Reference traces, from the reasoning of a supervision set."""

from pathlib import Path


def read_references(supervision: Path) -> dict[str, str]:
    """The accepted reasoning of each clip, by clip id: the text between the think tags.

    Raises:
        UserError: If ``supervision`` holds none.
    """
    raise NotImplementedError
