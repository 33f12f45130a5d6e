"""The one exception for mistakes that a user can put right, and what a full disk or a forbidden folder looks like."""

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class UserError(Exception):
    """A mistake of input, settings or surroundings, with the way out in its message.

    The command line prints the message on stderr, in one plain sentence and without a
    traceback, and exits with status 1. Anything else that is raised is a bug of ours.
    """


def disk_problem(error: BaseException) -> str | None:
    """What to tell of an error that a full disk or a forbidden folder caused; None for any other.

    Libraries wrap the system's error in one of their own; so its causes are looked at too, and its text, as some keep
    nothing else. An error that only came up while another was dealt with is not caused by that one.
    """
    found: BaseException | None = error
    while found is not None:
        code = found.errno if isinstance(found, OSError) else None
        named = getattr(found, "filename", None)
        file = os.fsdecode(named).removeprefix("file:") if isinstance(named, str | bytes | os.PathLike) else "a file"
        if code in _FULL or os.strerror(errno.ENOSPC) in str(found):
            return f"the disk is full, so that {file} could not be written; free some space and run the command again."
        if code in _FORBIDDEN:
            return f"{file} cannot be opened or written ({os.strerror(code or 0)}); choose another place, or allow it."
        found = found.__cause__
    return None
