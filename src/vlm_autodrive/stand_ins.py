"""Files that stand in for others: pointers of version control, and what a server sent in place of a download.

Their beginnings are those of the Git LFS specification (docs/spec.md), of git-annex's pointer files, and of the error
documents of Amazon S3 and Azure Blob Storage.
"""

import re

_LFS = b"version https://git-lfs"
_ANNEX = b"/annex/objects/"
_XML = r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
_PAGE = re.compile(_XML + r"(?:<!doctype html|<html)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)
_REFUSAL = re.compile(_XML + r"<Error>(?:.*?<Code>(\w+)</Code>)?", re.DOTALL)
_ARCHIVES = {
    rb"PK\x03\x04": "a ZIP archive",
    rb"Rar!\x1a\x07": "a RAR archive",
    rb"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    rb"\x1f\x8b": "a gzip archive",
    rb"BZh[1-9]1AY": "a bzip2 archive",
    rb"\xfd7zXZ\0": "an xz archive",
    rb"\(\xb5/\xfd": "a zstd archive",
    rb".{257}ustar": "a tar archive",
}


def head_text(head: bytes) -> str:
    """The first bytes of a file read as text, in UTF-16 if they are marked so, else in UTF-8."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return head.decode(encoding, errors="replace")


def name_stand_in(head: bytes, wanted: str) -> str:
    """What a file is that stands in for another, and what to do; empty if it is nothing of the kind.

    Args:
        head: Its first bytes, a thousand or so.
        wanted: What it should be, such as ``video``.
    """
    if head.startswith(_LFS):
        return f"a Git LFS pointer, not the {wanted} itself; fetch it with `git lfs pull`"
    if head.startswith(_ANNEX):
        return f"a git-annex pointer, not the {wanted} itself; fetch it with `git annex get`"
    text = head_text(head)
    if _PAGE.match(text):
        title = _TITLE.search(text)
        named = f" ({' '.join(title.group(1).split())})" if title and title.group(1) else ""
        return f"an HTML page{named}, not a {wanted}; download it again, signed in if need be"
    refusal = _REFUSAL.match(text)
    if refusal:
        code = refusal.group(1) or "without a code"
        code = {"AccessDenied": "access denied"}.get(code, code)
        return f"a storage server's refusal ({code}), not a {wanted}; download it again with the right to read it"
    return ""


def name_archive(head: bytes) -> str:
    """Which archive or compressed file begins with these bytes; empty for none."""
    return next((name for start, name in _ARCHIVES.items() if re.match(start, head, re.DOTALL)), "")
