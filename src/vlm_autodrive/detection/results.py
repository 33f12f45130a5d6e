"""The folders that detection writes: one for each video, and a summary of all."""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vlm_autodrive.artifacts import PROVENANCE, absolute_from_artifact, read_provenance, write_text
from vlm_autodrive.detection.operating import SearchBasis
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DetectedEvent, VideoDetections, file_name_text

KIND = "detections"
EVENTS_FILE = "events.json"
TIMELINE_FILE = "timeline.png"
SUMMARY_FILE = "summary.json"

_LONGEST_NAME = 100


def name_folders(videos: Sequence[Path], out: Path) -> list[Path]:
    """A folder below ``out`` for each video, named as its file is.

    Files of one name from different folders get ``-2``, ``-3`` and so on; a folder that an earlier run made for the
    same file is found again.
    """
    taken: set[str] = set()
    folders = []
    for video in videos:
        plain = re.sub(r"[^\w.-]+", "_", video.name).strip("._")[:_LONGEST_NAME] or "video"
        number, name = 1, plain
        while name.casefold() in taken or not _is_for(out / name, video):
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        folders.append(out / name)
    return folders


def _is_for(folder: Path, video: Path) -> bool:
    if not (folder / PROVENANCE).is_file():
        return not folder.exists()
    source = read_provenance(folder).inputs.get("video")
    if source is None:
        return read_events_file(folder).video == str(video)
    return absolute_from_artifact(source.path, folder) == os.path.normpath(video.absolute())


def write_events_file(folder: Path, detections: VideoDetections) -> None:
    """Write a video's ``events.json``."""
    write_text(folder / EVENTS_FILE, detections.model_dump_json(indent=1) + "\n")


def read_events_file(folder: Path) -> VideoDetections:
    """Read a video's ``events.json``.

    Raises:
        UserError: If it is missing or no such file.
    """
    path = folder / EVENTS_FILE
    try:
        return VideoDetections.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make it with `autodrive detect`.") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{path} holds no detections; make it anew with `autodrive detect`.") from None


def read_detections(folder: Path) -> list[VideoDetections]:
    """All detections in a folder that ``autodrive detect`` wrote, in the order of their folders' names.

    Raises:
        UserError: If there are none.
    """
    found = sorted(path.parent for path in folder.glob(f"*/{EVENTS_FILE}") if not path.parent.name.startswith("."))
    if not found:
        raise UserError(f"{folder} holds no detections; make them with `autodrive detect`.")
    return [read_events_file(each) for each in found]


def write_summary(
    out: Path,
    folders: Sequence[Path],
    detections: Sequence[VideoDetections],
    times_real_time: float | None,
    basis: SearchBasis,
) -> None:
    """Write ``summary.json``: what was found in all, and one line for each video.

    Args:
        out: Where it is written.
        folders: The folder of each video.
        detections: What was found in each.
        times_real_time: Seconds of video scanned for each second that the run took; None if none were.
        basis: What is to be said beside the results.
    """
    total = {
        "videos": len(detections),
        "videos_with_errors": sum(d.outcome != "ok" for d in detections),
        "seconds_of_video": round(sum(d.duration_s or 0 for d in detections), 1),
        "times_real_time": None if times_real_time is None else round(times_real_time, 2),
        "events": _count(detections),
        "training": basis.training,
        "expectation": basis.expectation,
    }
    lines = [
        json.dumps(
            {
                "video": file_name_text(each.video),
                "folder": folder.name,
                "outcome": each.outcome,
                "reason": each.reason,
                "duration_s": each.duration_s,
                "events": [_event_line(event) for event in each.events],
            }
        )
        for folder, each in zip(folders, detections, strict=True)
    ]
    listing = ",\n  ".join(lines)
    write_text(out / SUMMARY_FILE, f'{{"total": {json.dumps(total)},\n "each": [\n  {listing}\n]}}\n')


def _event_line(event: DetectedEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "class": event.event_class,
        "time_s": round(event.time_s, 2),
        "probability": round(event.probability, 4),
    }
    return line | {"reasoning_says": event.reasoning_class} if event.contradicts else line


def _count(detections: Sequence[VideoDetections]) -> dict[str, int]:
    return dict(sorted(Counter(event.event_class for each in detections for event in each.events).items()))
