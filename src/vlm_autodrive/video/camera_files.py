"""What the name of a file tells: which camera's it is, when it was begun, and why.

Cameras cut a drive into files of a minute or so and record several channels. **A new naming is added here**: one row
in :data:`CAMERA_PATTERNS`. A file whose name none of them fits is a video of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from vlm_autodrive.addresses import absolute

FRONT = "front"
NORMAL, EVENT, PARKING, MANUAL = "normal", "event", "parking", "manual"


class CameraPattern(NamedTuple):
    """One way of naming files.

    Attributes:
        maker: Whose cameras name files so.
        name: Regular expression of the whole name without its ending, in any case. Its groups: ``time``, the moment at
            which the file was begun; ``channel``, the camera of several; ``kind``, why it was recorded; and where
            there is no time, ``recording`` and ``chapter``.
        source: Where this can be read up.
    """

    maker: str
    name: str
    source: str


CAMERA_PATTERNS = (
    CameraPattern(
        "TeslaCam",
        r"(?P<time>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)"
        r"-(?P<channel>front|back|rear_view|(left|right)_(repeater|pillar))",
        "github.com/ehendrix23/tesla_dashcam, README and issue 78; pillars: github.com/mulka/teslausb-download",
    ),
    CameraPattern(
        "70mai",
        r"(?P<kind>NO|EV|PA)(?P<time>\d{8}-\d{6})-\d{6}(?P<channel>[FBI]?)",
        "files of A500S, A800 and A810 cameras; folders: github.com/BananaPukeh/xiaomi-dashcam-extract",
    ),
    CameraPattern(
        "BlackVue",
        r"(?P<time>\d{8}_\d{6})_(?P<kind>[A-Z])(?P<channel>[FRI])",
        "helpcenter.blackvue.com, article 360055596392; github.com/acolomba/blackvuesync, issue 3",
    ),
    CameraPattern(
        "Viofo",
        r"(?P<time>\d{4}_?\d{4}_\d{6})_(\d{3,6})?(?P<kind>[EP]?)(?P<channel>[FRTI])",
        "github.com/RobXYZ/viofosync, issues 32 and 34",
    ),
    CameraPattern(
        "Novatek",
        r"(?P<time>\d{4}_?\d{4}_?\d{6})_\d{3,6}",
        "one-channel cameras with Novatek's firmware; github.com/RobXYZ/viofosync, pull request 24",
    ),
    CameraPattern(
        "Nextbase",
        r"(?P<time>\d{6}_\d{6})_\d{3}_(?P<channel>[FR])[HL]",
        "support.nextbase.com, article 21362518328349",
    ),
    CameraPattern(
        "GoPro",
        r"G[HX](?P<chapter>\d\d)(?P<recording>\d{4})",
        "community.gopro.com, GoPro Camera File Naming Convention: HERO6 and later",
    ),
    CameraPattern(
        "GoPro",
        r"G(OPR|P(?P<chapter>\d\d))(?P<recording>\d{4})",
        "the same: HERO5 and earlier, whose first file has no number of a chapter",
    ),
)
"""Every naming that is known. The first that fits holds."""

_CHANNELS: Mapping[str, str] = {
    "f": FRONT, "": FRONT, "b": "rear", "r": "rear", "back": "rear", "rear_view": "rear", "i": "interior",
    "t": "telephoto", "left_repeater": "left", "right_repeater": "right",
}  # fmt: skip
_EVENT_KINDS = ("ev", *"eioatbrxgd")  # BlackVue tells impact, overspeed, acceleration, cornering and others apart
_KINDS: Mapping[str, str] = {
    "no": NORMAL, "n": NORMAL, "pa": PARKING, "p": PARKING, "m": MANUAL, **dict.fromkeys(_EVENT_KINDS, EVENT),
}  # fmt: skip
_KINDS_OF_FOLDERS: Mapping[str, str] = {
    "savedclips": EVENT, "sentryclips": EVENT, "recentclips": NORMAL, "event": EVENT, "ro": EVENT, "parking": PARKING,
}  # fmt: skip
_CAMERA_FOLDER = re.compile(
    r"teslacam|savedclips|sentryclips|recentclips|no|ev|pa|normal|event|parking|ro|record|movie|front|back|rear|"
    r"interior|[fbri]|dcim|\d{3}(gopro|media)|\d{8}|\d{4}-\d\d-\d\d([_T ]\d\d-\d\d-\d\d)?",
    re.IGNORECASE,
)
_CLOCKS = {14: "%Y%m%d%H%M%S", 12: "%y%m%d%H%M%S"}  # by the number of digits


@dataclass(frozen=True)
class CameraFile:
    """What a name tells of a file.

    Attributes:
        path: The file.
        maker: Whose camera named it so; ``own`` for a pattern of the settings.
        channel: ``front``, ``rear``, ``interior``, ``left``, ``right`` or another.
        kind: ``normal``, ``event``, ``parking``, ``manual`` or another.
        time: When it was begun, by the camera's clock, to the second; None where its name counts chapters.
        recording: The number of the recording that it is a chapter of; empty where its name tells the time.
        chapter: Which chapter it is.
    """

    path: Path
    maker: str
    channel: str
    kind: str
    time: datetime | None
    recording: str = ""
    chapter: int = 0

    @property
    def folder(self) -> Path:
        """The folder of the camera: that of the file, above those that cameras make for days, kinds and channels."""
        folder = absolute(self.path).parent
        while _CAMERA_FOLDER.fullmatch(folder.name):
            folder = folder.parent
        return folder


def camera_file(path: Path, own: str | None = None) -> CameraFile | None:
    """What the name of a file tells; None if it is like none that is known.

    Args:
        path: The file; it is not opened.
        own: A pattern that is tried before the others, in the form of :data:`OwnPattern`.
    """
    patterns = [("own", own)] if own else []
    for maker, name in [*patterns, *((pattern.maker, pattern.name) for pattern in CAMERA_PATTERNS)]:
        found = re.fullmatch(name, path.stem, re.IGNORECASE)
        if found is None:
            continue
        told = {group: text or "" for group, text in found.groupdict().items()}
        time = _clock(told["time"]) if "time" in told else None
        if time is None and not told.get("recording"):
            continue
        channel, kind = told.get("channel", "").casefold(), told.get("kind", "").casefold()
        return CameraFile(
            path=path,
            maker=maker,
            channel=_CHANNELS.get(channel, channel),
            kind=_KINDS.get(kind, kind) or _kind_of_folder(path),
            time=time,
            recording=path.stem[:2].upper().replace("GO", "GP") + told["recording"] if time is None else "",
            chapter=int(told.get("chapter") or 0),
        )
    return None


def _check_pattern(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    if "time" not in groups:
        raise ValueError(r"it needs a group for the time, such as (?P<time>\d{8}_\d{6})")
    return text


OwnPattern = Annotated[str, AfterValidator(_check_pattern)]
"""A setting: a pattern of one's own, as :class:`CameraPattern` has it, with a group ``time``."""


def _clock(text: str) -> datetime | None:
    digits = re.sub(r"\D", "", text)
    try:
        return datetime.strptime(digits, _CLOCKS[len(digits)])
    except (KeyError, ValueError):
        return None


def _kind_of_folder(path: Path) -> str:
    for folder in path.parts[-2::-1]:
        if folder.casefold() in _KINDS_OF_FOLDERS:
            return _KINDS_OF_FOLDERS[folder.casefold()]
        if not _CAMERA_FOLDER.fullmatch(folder):
            break
    return NORMAL
