"""Files that are no text: what they are instead, by how they begin, and what to do with them."""

import re
from pathlib import Path

from vlm_autodrive.errors import UserError
from vlm_autodrive.stand_ins import name_archive, name_stand_in

_MANIFEST = "write what it says into a manifest, a CSV file with the columns video, class and event_time_s"
_KINDS = (
    (
        rb"\x80[\x02-\x05]|[})\]]q\0|\([dl]p\d|c(?:copy_reg|__builtin__)\n",
        "a Python pickle, which can run any program when it is opened, and so is never read; where you trust it, load "
        f"it with Python and {_MANIFEST}",
    ),
    (rb"PK\x03\x04", "a workbook or another zip archive; save the sheet as CSV in UTF-8, or unpack the archive"),
    (rb"\xd0\xcf\x11\xe0", "an Excel workbook; save its sheet as CSV in UTF-8"),
    (
        rb"PAR1[^ -~]|SQLite format 3|\x93NUMPY|\x89HDF|MATLAB 5",
        "a file of another program, such as pandas, NumPy or MATLAB; export its table there as CSV",
    ),
    (
        rb"%PDF-|\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF.{4}(?:AVI|WEBP)|\0\0..ftyp|\x1aE\xdf\xa3",
        "a document, a picture or a video; name the table that tells of the videos",
    ),
    (
        rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<annotations?\b",
        "XML with the boxes of objects, as CVAT and JAAD write it, which names no collision and no time of one; "
        + _MANIFEST,
    ),
    (rb"\s*<[?!\w]", f"XML, and no XML is read; {_MANIFEST}"),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), what) for pattern, what in _KINDS)
_LONGEST_BEGINNING = 4096


def refuse_other_kind(path: Path, content: bytes) -> None:
    """Stop at a file that is plainly something else than a table or JSON.

    Args:
        path: The file, for the message.
        content: What is in it.

    Raises:
        UserError: If it is; the message names what it is, and what to do.
    """
    head = content[:_LONGEST_BEGINNING].removeprefix(b"\xef\xbb\xbf")
    archive = name_archive(head)
    known = (what for pattern, what in _PATTERNS if pattern.match(head))
    what = name_stand_in(head, "table") or next(known, f"{archive}; unpack it first" if archive else "")
    if what:
        raise UserError(f"{path} is {what}.")
