"""BlackVue cameras: ``.gps`` and ``.3gf`` beside the videos of a moment, or in the free space of the video file.

``.gps`` holds NMEA sentences, each behind the camera's clock: ``[1600000000123]$GPRMC,...``; its first stamp is the
begin of the recording. ``.3gf`` is a run of records of 10 bytes, big-endian: milliseconds after the begin of the
recording, and three numbers in 1/128 g: upward, to the right, forward; ``ff ff ff ff`` ends it. Both are shared by the
front and rear video of a moment, and in newer cameras boxes ``gps `` and ``3gf `` hold the same.

Sources: the layout is that of ExifTool (QuickTimeStream.pl, Process_3gf), the scale that of
github.com/bartbroere/blackvue-acc, and the axes those of github.com/synalysis/Grammars (3gf.grammar), whose forward and
sideways axes others found to follow the speed and the turning in files with both. What of this is wrong for a
rear-facing camera is put right by the speed (``axes.py``).
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from vlm_autodrive.datasets.telemetry.mp4_boxes import Mp4Contents
from vlm_autodrive.datasets.telemetry.nmea import read_bytes, sentences
from vlm_autodrive.datasets.telemetry.recorded import (
    Fix,
    Floats,
    RecordedTelemetry,
    TelemetryError,
    TelemetryInput,
)

_STAMP = re.compile(rb"\[(\d{10,14})\]")
_RECORD = np.dtype([("ms", ">u4"), ("up", ">i2"), ("right", ">i2"), ("forward", ">i2")])
_END_MS = 0xFFFFFFFF
_PER_G = 128.0


def read_blackvue(wanted: TelemetryInput, contents: Mp4Contents) -> RecordedTelemetry | None:
    """The telemetry of a BlackVue camera; None if there is none.

    Raises:
        TelemetryError: If nothing of it can be used.
    """
    gps, name = _content(wanted, contents, ".gps", b"gps ")
    shocks, shocks_name = _content(wanted, contents, ".3gf", b"3gf ")
    if not _STAMP.search(gps):
        gps = b""  # some other camera's NMEA file
    if not gps and not shocks_name:
        return None
    left_out: Counter[str] = Counter()
    times_s, sensed_g = _sensed(shocks)
    fixes, note = [], ""
    try:
        fixes = _fixes(gps, name, left_out)
    except TelemetryError as error:
        note = str(error)
    if not fixes and not len(times_s):
        raise TelemetryError(note or f"{shocks_name or name} holds no fix and no acceleration")
    return RecordedTelemetry(
        source="blackvue",
        alignment="the begin of the recording",
        fixes=tuple(fixes),
        sensed=(times_s, sensed_g) if len(times_s) else None,
        left_out=left_out,
        note=note,
    )


def _content(wanted: TelemetryInput, contents: Mp4Contents, ending: str, box: bytes) -> tuple[bytes, str]:
    """Telemetry and the name of the file that holds it; both empty if there is none."""
    if ending in wanted.beside:
        path: Path = wanted.beside[ending]
        return read_bytes(path), path.name
    return (contents.free[box], wanted.path.name) if box in contents.free else (b"", "")


def _fixes(content: bytes, name: str, left_out: Counter[str]) -> list[Fix]:
    begin = _STAMP.search(content)
    if begin is None:
        return []
    begin_s = int(begin[1]) / 1000
    return [
        one.fix._replace(time_s=one.stamp_s - begin_s)
        for one in sentences(content, name, left_out)
        if one.fix is not None and one.stamp_s is not None
    ]


def _sensed(content: bytes) -> tuple[Floats, Floats]:
    records = np.frombuffer(content[: len(content) // _RECORD.itemsize * _RECORD.itemsize], dtype=_RECORD)
    ends = np.flatnonzero(records["ms"] == _END_MS)
    records = records[: ends[0]] if len(ends) else records
    return records["ms"] / 1000, np.stack([records["forward"], records["right"], records["up"]], axis=1) / _PER_G
