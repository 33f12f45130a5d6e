"""The text of files, in whichever Unicode encoding."""

import codecs
import re
from pathlib import Path

from vlm_autodrive.addresses import open_file
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ImportIssue
from vlm_autodrive.tables.file_kinds import refuse_other_kind
from vlm_autodrive.tables.rows import Row

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON joins the halves of a pair, so what is left stands alone
HALF_CHARACTER = "half of a character (a lone surrogate), which no file can hold; write the character whole"


def decode_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a mark, or UTF-16.

    Raises:
        UserError: If it cannot be read, or is no such text.
    """
    content = _content(path)
    try:
        return _decode(content)
    except UnicodeDecodeError:
        raise UserError(f"{path} is neither UTF-8 nor UTF-16 text; save it as UTF-8 (in Excel: CSV UTF-8).") from None


def decode_lines(path: Path, issues: list[ImportIssue]) -> str:
    """The text of a file that is UTF-8 but for some lines, for each of which an issue is added.

    Raises:
        UserError: If it cannot be read, or is no text.
    """
    texts = []
    for number, line in enumerate(_content(path).removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        try:
            texts.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            texts.append(line.decode("cp1252", errors="replace"))
            message = "no UTF-8, so it is read as Windows-1252; save the file as UTF-8"
            issues.append(Row(path, number, {"": texts[-1].strip()[:80]}).issue("", message, rejected=False))
    return "\n".join(texts)


def has_half_character(text: str) -> bool:
    """Whether a text that came out of JSON holds half a surrogate pair, and so cannot be written to any file."""
    return not text.isascii() and bool(_HALF_CHARACTER.search(text))


def _content(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            content = stream.read()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from None
    refuse_other_kind(path, content)
    return content


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if content[1:2] == b"\0":
        return content.decode("utf-16-le")
    if content[:1] == b"\0":
        return content.decode("utf-16-be")
    return content.decode("utf-8-sig")
