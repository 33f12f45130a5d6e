"""The page's pictures, clips and style: in the page itself, or in files beside it."""

import base64
from itertools import count
from pathlib import Path

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.records import Clip
from vlm_autodrive.video import Blur, ClipPiece, write_joined_clip

REPORT_FILES = "report-files"
"""The folder beside the page; it goes where the page goes."""

_CLIP_WIDTH = 640
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png"}


class PageMedia:
    """Takes what a page shows and returns the addresses at which it finds it.

    Clips are always files. Pictures and style are part of the page, unless a content policy such as that of Jenkins
    (``default-src 'none'; img-src 'self'; style-src 'self'``) would keep a browser from showing them.

    Args:
        folder: The folder of the page.
        is_separate: Whether pictures and style are files too.
    """

    def __init__(self, folder: Path, is_separate: bool) -> None:
        self.is_separate = is_separate
        self._files = folder / REPORT_FILES
        self._numbers = count(1)

    def picture(self, content: bytes, media_type: str) -> str:
        """The address of a picture."""
        if not self.is_separate:
            return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
        name = f"picture-{next(self._numbers):03d}.{_ENDINGS[media_type]}"
        self._new_file(name).write_bytes(content)
        return f"{REPORT_FILES}/{name}"

    def clip(self, clip: Clip, blur: Blur = None) -> str:
        """The address of a clip's video, in small pictures that are blurred as wanted.

        Raises:
            VideoError: If there is no frame of it.
        """
        name = f"clip-{next(self._numbers):03d}.mp4"
        piece = ClipPiece(Path(clip.path), clip.start_s, clip.end_s, offset_s=0.0)
        write_joined_clip([piece], self._new_file(name), stream=clip.video_stream, width=_CLIP_WIDTH, blur=blur)
        return f"{REPORT_FILES}/{name}"

    def style(self, css: str) -> str:
        """The address of the style sheet; empty if it is part of the page."""
        if not self.is_separate:
            return ""
        write_text(self._new_file("report.css"), css)
        return f"{REPORT_FILES}/report.css"

    def _new_file(self, name: str) -> Path:
        self._files.mkdir(exist_ok=True)
        return self._files / name
