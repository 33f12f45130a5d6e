"""The error of one video file, and the one place where what the libraries raise becomes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.addresses import address_of
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import file_name_text


class VideoError(UserError):
    """A video, or a part of it, cannot be used.

    Attributes:
        path: The file.
        reason: Why, in plain words, without the file's name.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{file_name_text(address_of(self.path))}: {self.reason}"


class StoreError(VideoError):
    """A video could not be read on, which is no fault of its own: the part read so far is never taken for all of it."""


@contextmanager
def library_errors(path: Path, what: str = "damaged") -> Iterator[None]:
    """Turn whatever a call of PyAV raises about a file into the error of that file.

    Demuxers, decoders and PyAV's own code raise more than FFmpeg's errors: IndexError, UnicodeDecodeError, ValueError,
    OverflowError and others were seen on damaged files. So every exception counts, and only calls of the library stand
    inside the block: an error in our own code is never taken for a fault of the file.

    Args:
        path: The file.
        what: What the error means for it.

    Raises:
        VideoError: In place of any exception.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise VideoError(path, f"{what} ({_plain(error)})") from error


def _plain(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
