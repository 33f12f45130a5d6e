"""NMEA 0183: lines of text with a fix each, beside a video or in one of its text tracks.

Read are the sentences RMC, which tell position, speed, time and date at once, by pynmeagps. A line may begin with
milliseconds since 1970 in brackets, as BlackVue's do. Sentences with the status V have no fix, and those whose checksum
is wrong are not believed.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from vlm_autodrive.addresses import open_file, state_of
from vlm_autodrive.datasets.telemetry.mp4_boxes import Mp4Contents, data_samples
from vlm_autodrive.datasets.telemetry.recorded import (
    INSTALL,
    Fix,
    RecordedTelemetry,
    TelemetryError,
    TelemetryInput,
)
from vlm_autodrive.datasets.telemetry.video_clock import find_start

ENDINGS = (".nmea", ".nma", ".gps")
_SENTENCE = re.compile(rb"(?:\[(\d{10,14})\])?\s*(\$[A-Z]{2}RMC,[^\r\n$\[]{0,120})")
_KNOT_MPS = 1852 / 3600
_MOST_BYTES = 1 << 28
_LONGEST_TEXT = 1 << 16
_LOOKED_AT = 50  # the first texts of a track; where none of them is a sentence, they are subtitles


class Sentence(NamedTuple):
    """What one sentence says.

    Attributes:
        stamp_s: The stamp before it in seconds; None if it has none.
        utc: The receiver's time; None if it has none.
        fix: Where the vehicle is, at time 0; None without a fix.
    """

    stamp_s: float | None
    utc: datetime | None
    fix: Fix | None


def read_bytes(path: Path) -> bytes:
    """The content of a telemetry file.

    Raises:
        TelemetryError: If it cannot be read, or is too large to be telemetry.
    """
    try:
        if state_of(path).size > _MOST_BYTES:
            raise TelemetryError(f"{path.name} is too large to be telemetry")
        with open_file(path) as stream:
            return stream.read()
    except OSError as error:
        raise TelemetryError(f"{path.name} cannot be read ({error.strerror})") from None


def sentences(content: bytes, name: str, left_out: Counter[str]) -> Iterator[Sentence]:
    """The sentences in a text, whatever else is in it; what cannot be used is counted in ``left_out``.

    Raises:
        TelemetryError: If the library for them is not installed.
    """
    try:
        from pynmeagps import NMEAReader
    except ImportError:
        raise TelemetryError(f"{name} holds NMEA telemetry, {INSTALL} to read it") from None
    for stamp, text in _SENTENCE.findall(content):
        try:
            told = NMEAReader.parse(text.strip())
            date, time = told.date or None, told.time or None
            utc = datetime.combine(date, time, tzinfo=UTC) if date and time else None
            fix = None
            if told.status == "A":
                speed = None if told.spd in ("", None) else float(told.spd) * _KNOT_MPS
                fix = Fix(0.0, speed, float(told.lat), float(told.lon))
        except Exception:  # the library raises whatever the garbage leads to
            left_out["damaged"] += 1
            continue
        if fix is None:
            left_out["without a fix"] += 1
        yield Sentence(int(stamp) / 1000 if stamp else None, utc, fix)


def read_nmea(wanted: TelemetryInput, contents: Mp4Contents) -> RecordedTelemetry | None:
    """The fixes of the NMEA file beside a video, or of a text track in it; None if there is neither.

    Raises:
        TelemetryError: If there is one without a fix that can be used, or it is not known when the video was recorded.
    """
    path = next((wanted.beside[ending] for ending in ENDINGS if ending in wanted.beside), None)
    if path is None:
        return _inside(wanted) if contents.has_text else None
    left_out: Counter[str] = Counter()
    told = [one for one in sentences(read_bytes(path), path.name, left_out) if one.utc is not None]
    placed = [(one.utc, one.fix) for one in told if one.utc is not None and one.fix is not None]
    if not placed:
        raise TelemetryError(f"{path.name} has no fix with a time in it")
    start, alignment = find_start(wanted, min(utc for utc, _ in placed), max(utc for utc, _ in placed), path.name)
    fixes = [fix._replace(time_s=(utc - start).total_seconds()) for utc, fix in placed]
    return RecordedTelemetry("nmea", alignment, tuple(fixes), left_out=left_out)


def _inside(wanted: TelemetryInput) -> RecordedTelemetry | None:
    left_out: Counter[str] = Counter()
    fixes = []
    with open_file(wanted.path) as stream:
        for track in data_samples(wanted.path, wanted.stream, ("subtitle", "data")):
            found = False
            for number, sample in enumerate(track):
                if number == _LOOKED_AT and not found:
                    break
                stream.seek(sample.position)
                text = stream.read(min(sample.size, _LONGEST_TEXT))
                for one in sentences(text, wanted.path.name, left_out) if b"RMC," in text else ():
                    found = True
                    if one.fix is not None:
                        fixes.append(one.fix._replace(time_s=sample.start_s))
    if not fixes and not left_out:
        return None
    return RecordedTelemetry("nmea", "the clock of the video file", tuple(fixes), left_out=left_out)
