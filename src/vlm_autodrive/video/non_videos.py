"""What a file is that bears a video's name and is none, so that its reason says what to do."""

import os
import re
from pathlib import Path

from vlm_autodrive.addresses import open_file
from vlm_autodrive.stand_ins import head_text, name_archive, name_stand_in
from vlm_autodrive.video.stored_file import StoredFile

_HEAD = 1024  # bytes that are looked at
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_MOST_BOXES = 1000
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def problem_before_opening(path: Path, source: StoredFile | None = None) -> str:
    """Why a file can be no video, as far as its first bytes tell; empty if it may be one.

    A playlist is not opened, since it would have other files read in its place.

    Args:
        path: The file.
        source: What it is read by, if it lies on a store.

    Raises:
        OSError: If the file cannot be read.
    """
    if source is not None:
        head = source.head(_HEAD)
    else:
        if not path.exists():
            return _absent(path)
        if not path.is_file():
            return "it is a folder" if path.is_dir() else "it is no ordinary file"
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    if not head:
        return "the file is empty"
    if not head.strip(b"\0"):
        return "it begins with zeros only: its content was never written, or is lost; copy it again from the camera"
    archive = name_archive(head)
    if archive:
        return f"{archive}, not a video; unpack it"
    if head.startswith(b"%PDF-"):
        return "a PDF document, not a video; leave it out"
    return _text_problem(path, head) if _is_text(head) else ""


def problem_after_opening(path: Path) -> str:
    """Why a file that is no text and no archive does not open as a video."""
    boxes = _top_boxes(path)
    if boxes and boxes[0] in _ISO_BOXES:
        index = "whose index is damaged" if b"moov" in boxes else "without the index that is written last"
        return f"not a video, or cut off at its end: an MP4 or MOV {index}; copy it again, or have it repaired"
    return "not a video, or cut off at its end"


def _top_boxes(path: Path) -> list[bytes]:
    """Names of the boxes at the top of an ISO base media file (ISO/IEC 14496-12, 4.2), as far as their sizes lead."""
    names: list[bytes] = []
    with open_file(path) as stream:
        while len(names) < _MOST_BOXES and len(head := stream.read(16)) >= 8:
            size = int.from_bytes(head[:4])
            size = int.from_bytes(head[8:]) if size == 1 else size
            names.append(head[4:8])
            if size < 8:
                break
            stream.seek(size - len(head), os.SEEK_CUR)
    return names


def _absent(path: Path) -> str:
    if not path.is_symlink():
        return "the file does not exist"
    if "annex/objects" in str(path.readlink()):
        return "a git-annex link whose content is not here; fetch it with `git annex get`"
    return "a link to a file that does not exist"


def _is_text(head: bytes) -> bool:
    """Whether bytes are text: without control characters, in UTF-8 or marked as UTF-16, or with a tag first."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:14].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        return True
    if _CONTROL.search(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == _HEAD and error.start > _HEAD - 4  # a character that the end of the head cuts in two
    return True


def _text_problem(path: Path, head: bytes) -> str:
    text = head_text(head).strip()
    stand_in = name_stand_in(head, "video")
    if stand_in:
        return stand_in
    if text.startswith("<?xml"):
        return "an XML file, not a video; leave it out"
    if text.startswith(("#EXTM3U", "ffconcat")):
        return "a playlist of other files, not a video; give these, or join them into one file"
    if text.startswith(("{", "[")) and path.suffix.lower() != ".ts":
        return "a JSON text, such as a server's answer, not a video; download it again"
    if path.suffix.lower() in (".ts", ".mts"):
        return "a text file, such as TypeScript source, not an MPEG transport stream; leave it out"
    return "a text file, not a video; leave it out, or download it again"
