"""The folders that detection writes: one for each trip, and a summary of all."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from vlm_autodrive.addresses import address_of, place_of
from vlm_autodrive.artifacts import PROVENANCE, Provenance, absolute_from_artifact, read_provenance, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DetectedEvent, VideoDetections, file_name_text
from vlm_autodrive.video import Blur, LeftAside, Trip

if TYPE_CHECKING:  # it imports torch, which readers of results need not
    from vlm_autodrive.detection.operating import SearchBasis

KIND = "detections"
EVENTS_FILE = "events.json"
TIMELINE_FILE = "timeline.png"
SUMMARY_FILE = "summary.json"

_LONGEST_NAME = 100
_PICTURES = ("strips", "clips", "incidents", "timelines")  # what the short list and the scoring write


def name_folders(trips: Sequence[Trip], out: Path) -> tuple[list[Path], list[list[Path]]]:
    """A folder below ``out`` for each trip, named after the camera's folder and the trip's first file.

    A folder that an earlier run made for one of its files is found again, whatever else is searched, also if the trip
    has got more files since. Where two trips would have the same name, one gets ``-2``, ``-3`` and so on.

    Returns:
        The folder of each trip; and for each the other folders that earlier runs made for parts of it.
    """
    earlier = searched_files(out)
    made = {file: folder for folder, files in earlier.items() for file in files}
    taken: set[str] = set()
    folders, superseded = [], []
    for trip in trips:
        files = [place_of(path) for path in trip.paths]
        known = list(dict.fromkeys(made[file] for file in files if file in made))
        name = next((folder.name for folder in known if folder.name.casefold() not in taken), None)
        name = name or _new_name(trip, out, taken)
        taken.add(name.casefold())
        folders.append(out / name)
        superseded.append([folder for folder in known if folder.name != name and earlier[folder] <= set(files)])
    return folders, superseded


def _new_name(trip: Trip, out: Path, taken: set[str]) -> str:
    name = f"{trip.folder.name}_{trip.path.stem}"
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._")[:_LONGEST_NAME] or "video"
    number, name = 1, plain
    while name.casefold() in taken or (out / name).exists():
        number += 1
        name = f"{plain}-{number}"
    return name


def searched_files(out: Path) -> dict[Path, set[str]]:
    """The folders that earlier runs made, with the absolute paths of the files that each is of."""
    found: dict[Path, set[str]] = {}
    for folder in sorted(path.parent for path in out.glob(f"[!.]*/{PROVENANCE}")):
        made = read_provenance(folder)
        if made.kind == KIND:
            files = {absolute_from_artifact(source.path, folder) for source in made.inputs.values()}
            found[folder] = files or {place_of(read_events_file(folder).video)}
    return found


def blur_of(made: Provenance) -> Blur:
    """What is blurred in the pictures of a trip's folder, and in those that are made of it later."""
    return cast(Blur, made.settings.get("blur"))


def remove_pictures(out: Path) -> None:
    """Remove the pictures of all trips that lie in ``out`` itself, and the pages that hold some."""
    for name in _PICTURES:
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "index.html").unlink(missing_ok=True)


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


def find_detections(folder: Path) -> list[Path]:
    """The folders with detections in a folder that ``autodrive detect`` wrote, in the order of their names.

    Raises:
        UserError: If there are none.
    """
    found = sorted(path.parent for path in folder.glob(f"*/{EVENTS_FILE}") if not path.parent.name.startswith("."))
    if not found:
        raise UserError(f"{folder} holds no detections; make them with `autodrive detect`.")
    return found


def read_detections(folder: Path) -> list[VideoDetections]:
    """All detections in a folder that ``autodrive detect`` wrote, in the order of :func:`find_detections`.

    Raises:
        UserError: If there are none.
    """
    return [read_events_file(each) for each in find_detections(folder)]


def write_summary(
    out: Path,
    folders: Sequence[Path],
    detections: Sequence[VideoDetections],
    times_real_time: float | None,
    basis: "SearchBasis",
    left_aside: Sequence[LeftAside] = (),
) -> None:
    """Write ``summary.json``: what was found in all, one line for each trip, and the files that are in none.

    Args:
        out: Where it is written.
        folders: The folder of each trip.
        detections: What was found in each.
        times_real_time: Seconds of video scanned for each second that the run took; None if none were.
        basis: What is to be said beside the results.
        left_aside: Files that were not searched.
    """
    total = {
        "videos": len(detections),
        "videos_with_errors": sum(d.outcome != "ok" for d in detections),
        "files": sum(len(d.files) for d in detections),
        "seconds_of_video": round(sum(d.duration_s or 0 for d in detections), 1),
        "seconds_not_judged": round(sum(hole.duration_s or 0 for d in detections for hole in d.not_judged), 1),
        "times_real_time": None if times_real_time is None else round(times_real_time, 2),
        "events": _count(detections),
        "training": basis.training,
        "expectation": basis.expectation,
    }
    lines = [
        json.dumps(
            {
                "video": file_name_text(each.video),
                "title": file_name_text(each.title),
                "folder": folder.name,
                "outcome": each.outcome,
                "reason": each.reason,
                "duration_s": each.duration_s,
                "events": [_event_line(event) for event in each.events],
            }
        )
        for folder, each in zip(folders, detections, strict=True)
    ]
    aside = [json.dumps({"file": file_name_text(address_of(each.path)), "reason": each.reason}) for each in left_aside]
    listing, others = ",\n  ".join(lines), ",\n  ".join(aside)
    text = f'{{"total": {json.dumps(total)},\n "each": [\n  {listing}\n],\n "left_aside": [\n  {others}\n]}}\n'
    write_text(out / SUMMARY_FILE, text)


def _event_line(event: DetectedEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "class": event.event_class,
        "time_s": round(event.time_s, 2),
        "probability": round(event.probability, 4),
    }
    return line | {"reasoning_says": event.reasoning_class} if event.contradicts else line


def _count(detections: Sequence[VideoDetections]) -> dict[str, int]:
    return dict(sorted(Counter(event.event_class for each in detections for event in each.events).items()))
