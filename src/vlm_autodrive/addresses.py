"""Addresses: files that lie on a store, such as ``s3://bucket/drive.mp4``, beside plain local paths.

Paths travel as :class:`~pathlib.Path`, which makes one slash of the two: ``s3:/bucket/drive.mp4`` and
``s3://bucket/drive.mp4`` mean the same here. fsspec opens what an address names; S3 is tested, its other protocols are
not. A local ``file://`` address is a plain path at once, by :func:`plain_path`.
"""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from vlm_autodrive.errors import UserError

STORES_VARIABLE = "AUTODRIVE_STORES"
"""The environment variable that names the folder for local copies of what lies on stores."""

BLOCK_BYTES = 1 << 18
"""Bytes that are read from a store at a time: some frames of a video. docs/benchmarks.md has what is read in all."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?=[^/])")  # two letters or more: C:/ is a Windows disk
_FILE = re.compile(r"file:/+", re.IGNORECASE)
_REFUSED = "the store refuses access; check the credentials in the environment, such as AWS_ACCESS_KEY_ID"


class AddressError(UserError, OSError):
    """What an address names cannot be had; ``strerror`` says why in plain words, ``filename`` is the address."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}."


class NoSuchAddressError(AddressError, FileNotFoundError):
    """Nothing lies at an address."""


@dataclass(frozen=True)
class FileState:
    """What tells whether a file is still the same.

    Attributes:
        size: Bytes.
        stamp: Of a local file the time of its change in nanoseconds; on a store the ETag, or else that time.
    """

    size: int
    stamp: str


def is_address(path: Path | str) -> bool:
    """Whether a path names a file or folder on a store."""
    return _ADDRESS.match(text := str(path)) is not None and not _FILE.match(text)


def address_of(path: Path | str) -> str:
    """An address with both its slashes; any other path as it is."""
    return _ADDRESS.sub(r"\1://", str(path), count=1) if is_address(path) else str(path)


def plain_path(text: str | Path) -> Path:
    """What a person wrote as a path: an address, or a local path that may begin with ``file://``."""
    return Path(_FILE.sub("/", str(text), count=1))


def absolute(path: Path) -> Path:
    """The absolute path; an address as it is."""
    return path if is_address(path) else path.absolute()


def place_of(path: Path | str) -> str:
    """Where a file lies, written in one way: an address, or an absolute path without dots."""
    return address_of(path) if is_address(path) else os.path.normpath(Path(path).absolute())


def cache_folder() -> Path:
    """The folder of this software among the user's caches."""
    caches = os.environ.get("XDG_CACHE_HOME", "")  # which counts only if it is absolute
    return (Path(caches) if caches.startswith("/") else Path.home() / ".cache") / "vlm-autodrive"


def stores_folder() -> Path:
    """Where local copies of what lies on stores are kept; :data:`STORES_VARIABLE` names another place."""
    folder = os.environ.get(STORES_VARIABLE, "")
    return Path(folder).absolute() if folder else cache_folder() / "stores"


def mirror_of(path: Path | str) -> Path:
    """The local place of what lies at an address: addresses lie to each other there as they do on the store."""
    scheme, _, rest = address_of(path).partition("://")
    return stores_folder() / _server(scheme) / os.path.normpath(rest)


def mirrored_address(path: Path | str) -> str:
    """The address of what a local path stands for, of which :func:`is_mirrored` is true."""
    server, *rest = Path(path).absolute().relative_to(stores_folder()).parts
    return f"{server.partition('@')[0]}://{'/'.join(rest)}"


def _server(scheme: str) -> str:
    """A name for the store that an address is on: two servers may have buckets of the same name."""
    server = re.sub(r"\W+", "-", os.environ.get("AWS_ENDPOINT_URL", "")).strip("-")
    return f"{scheme}@{server}" if server else scheme


def is_mirrored(path: Path | str) -> bool:
    """Whether a local path stands for one on a store."""
    return not is_address(path) and Path(path).absolute().is_relative_to(stores_folder())


def state_of(path: Path | str) -> FileState:
    """The state of a file.

    Raises:
        AddressError: If there is none, or its store does not tell.
        UserError: If what opens addresses is not installed.
    """
    if not is_address(path):
        found = Path(path).stat()
        return FileState(found.st_size, str(found.st_mtime_ns))
    with store_errors(path):
        told = store_of(path).info(address_of(path))
        if told["type"] != "file":
            raise AddressError(errno.EISDIR, "it is a folder", address_of(path))
    return _state(told)


def is_there(path: Path | str) -> bool:
    """Whether a path is a file or a folder; on a store, a folder is what some key begins with.

    Raises:
        AddressError: If its store does not tell.
    """
    return Path(path).exists() if not is_address(path) else _type_of(path) is not None


def is_folder(path: Path | str) -> bool:
    """Whether a path is a folder; on a store, whether keys lie below it.

    Raises:
        AddressError: If its store does not tell.
    """
    return Path(path).is_dir() if not is_address(path) else _type_of(path) == "directory"


def _type_of(address: Path | str) -> str | None:
    """What lies at an address: ``file`` or ``directory``; None if nothing does."""
    try:
        with store_errors(address):
            return str(store_of(address).info(address_of(address))["type"])
    except FileNotFoundError:
        return None


def is_file(path: Path | str) -> bool:
    """Whether a path is a file; of an address, whether its store shows one to us."""
    if not is_address(path):
        return Path(path).is_file()
    try:
        state_of(path)
    except AddressError:
        return False
    return True


def names_in(folder: Path) -> list[str]:
    """Names of the files and folders in a folder.

    Raises:
        AddressError: If it cannot be listed.
    """
    if not is_address(folder):
        return [path.name for path in folder.iterdir()]
    with store_errors(folder):
        return [
            str(name).rstrip("/").rpartition("/")[2] for name in store_of(folder).ls(address_of(folder), detail=False)
        ]


def files_below(path: Path) -> dict[Path, FileState]:
    """All files below a folder on a store, in the order of their names.

    Raises:
        AddressError: If the store does not list them.
    """
    scheme = address_of(path).partition("://")[0]
    with store_errors(path):
        found = cast(dict[str, dict[str, Any]], store_of(path).find(address_of(path), detail=True))
    return {Path(f"{scheme}:/{name.lstrip('/')}"): _state(told) for name, told in sorted(found.items())}


def open_address(path: Path | str, *, ahead: bool = False) -> BinaryIO:
    """Open a file on a store for reading, in blocks of :data:`BLOCK_BYTES` as they are asked for.

    Args:
        path: Its address.
        ahead: Fetch the next block while one is worked on, for whoever reads on and on.

    Raises:
        AddressError: If it cannot be opened.
    """
    with store_errors(path):
        cache = "background" if ahead else "blockcache"
        opened = store_of(path).open(address_of(path), "rb", block_size=BLOCK_BYTES, cache_type=cache)
        return cast(BinaryIO, opened)


def read_ranges(path: Path | str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Read many short ranges of a file on a store, given by start and end, side by side.

    Raises:
        AddressError: If one of them cannot be read.
    """
    starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
    with store_errors(path):
        return cast(
            list[bytes], store_of(path).cat_ranges([address_of(path)] * len(ranges), starts, ends, on_error="raise")
        )


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, whether it lies on a store or not.

    Raises:
        AddressError: If it cannot be opened.
    """
    return open_address(path) if is_address(path) else path.open("rb")


@contextmanager
def store_errors(path: Path | str) -> Iterator[None]:
    """Turn whatever a store's library raises into an :class:`AddressError`."""
    address = address_of(path)
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        gone = "there is no such bucket" if "bucket" in str(error.__cause__ or error) else "the file does not exist"
        raise NoSuchAddressError(errno.ENOENT, gone, address) from error
    except Exception as error:
        if isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError":
            raise AddressError(errno.EACCES, _REFUSED, address) from error
        told = (str(error) or type(error).__name__).splitlines()[0]
        raise AddressError(errno.EIO, f"the store does not answer ({told[:1].lower()}{told[1:]})", address) from error


def store_of(path: Path | str) -> Any:
    """The fsspec file system of an address.

    Raises:
        UserError: If it is not installed, or there is none for such an address.
    """
    address = address_of(path)
    scheme = address.partition("://")[0].lower()
    try:
        import fsspec

        # What is listed once may have changed since: a folder may be watched.
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError:
        raise UserError(
            f"{address} lies on a store, which needs fsspec and what it takes for {scheme}: install it with "
            "`pip install 'vlm-autodrive[scale]'`."
        ) from None
    except ValueError:
        raise UserError(f"{address} is of a kind that fsspec does not know; give s3://BUCKET/KEY, or a path.") from None


def _state(told: dict[str, Any]) -> FileState:
    stamp = told.get("ETag") or told.get("LastModified") or told.get("mtime") or told.get("created") or ""
    return FileState(int(told["size"]), str(stamp).strip('"'))
