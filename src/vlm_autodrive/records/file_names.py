r"""Names of files in records: any name that a file can have, as text that can be read back.

Names of files are bytes. Python holds a byte that is not UTF-8 as half of a surrogate pair, which no UTF-8 text may
contain: JSON, CSV and HTML cannot hold it. It is written as ``\xe9``. Where a name holds such four characters itself,
their backslash is written as ``\x5c``, so that no two names are written alike and each is read back as it was.
"""

import codecs
import re
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

_SURROGATE = re.compile("[\ud800-\udfff]")
_LIKE_A_BYTE = re.compile(r"\\(?=x[0-9a-f]{2})")
_BYTE = re.compile(r"\\x([0-9a-f]{2})")
ESCAPED = "autodrive_escaped_file_names"
"""Error handler of text streams that writes such names as :func:`file_name_text` does, without doubling anything."""


def file_name_text(name: str) -> str:
    r"""A file's name or path as text that UTF-8 can hold; other names than those with bytes like ``\xe9`` stay."""
    if name.isascii() and "\\x" not in name:
        return name
    return _SURROGATE.sub(lambda found: _written(found.group()), _LIKE_A_BYTE.sub(r"\\x5c", name))


def file_name_of(text: str) -> str:
    """The reverse of :func:`file_name_text`."""
    return _BYTE.sub(lambda found: _character(int(found.group(1), 16)), text) if "\\x" in text else text


def shown_name(name: str) -> str:
    """A name as one line for people's eyes: line breaks, tabs and marks that turn text around are written out."""
    return "".join(c if c.isprintable() else _written(c) if _SURROGATE.match(c) else ascii(c)[1:-1] for c in name)


def _written(character: str) -> str:
    code = ord(character)
    # The others come from no file's name, but from broken JSON; there is nothing to read them back to.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _character(byte: int) -> str:
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)


def _validated(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str):
        raise ValueError("a file's name must be text")
    return file_name_of(value) if info.mode == "json" else value


FileName = Annotated[
    str,
    PlainValidator(_validated),
    PlainSerializer(file_name_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
"""A field with a file's name or path: in memory as the system takes it, in JSON as :func:`file_name_text` writes it."""


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_written(character) for character in error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPED, _escape)
