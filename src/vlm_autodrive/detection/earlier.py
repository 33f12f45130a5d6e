"""What an earlier run left of a trip, and whether it can stand."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_autodrive.addresses import is_file, place_of
from vlm_autodrive.artifacts import (
    QUARANTINED,
    Provenance,
    absolute_from_artifact,
    artifact_key,
    input_key,
    read_provenance,
)
from vlm_autodrive.detection.results import KIND, blur_of, read_events_file, remove_pictures, searched_files
from vlm_autodrive.detection.scan import NOT_JUDGED
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import VideoDetections
from vlm_autodrive.video import Blur, Trip


@dataclass(frozen=True)
class EarlierSearch:
    """What an earlier run left of a trip: all of it, or what is known of the first of its files.

    Attributes:
        is_done: Whether all of it is there.
        of_first_files: What was found in the first of its files; None if nothing of it can be used.
    """

    is_done: bool = False
    of_first_files: VideoDetections | None = None


def trip_inputs(trip: Trip) -> dict[str, Path]:
    """The files of a trip that are there, by the names that its provenance gives them."""
    files = [path for path in trip.paths if is_file(path)]
    return {"video" if number == 1 else f"video {number}": path for number, path in enumerate(files, start=1)}


def earlier_search(
    trip: Trip,
    folder: Path,
    settings: DetectSettings,
    facts: Mapping[str, Any],
    overwrite: bool,
    retry_errors: bool = False,
) -> EarlierSearch:
    """What the folder holds of what is wanted; clears away a result that is worth nothing.

    With ``retry_errors`` that of a trip that is quarantined is worth nothing.

    Raises:
        UserError: If it holds a result made otherwise, and ``overwrite`` is false.
    """
    if not folder.exists():
        return EarlierSearch()
    inputs = trip_inputs(trip)
    keys = {name: input_key(path) for name, path in inputs.items()}
    existing, made = read_events_file(folder), read_provenance(folder)
    if made.key == artifact_key(KIND, keys, settings, facts):
        failed = any(score.reason.startswith(NOT_JUDGED) for score in existing.windows)
        if not failed and not (retry_errors and existing.reason.startswith(QUARANTINED)):
            return EarlierSearch(is_done=True)
        shutil.rmtree(folder)  # the model failed, not the video: it deserves another try
        return EarlierSearch()
    known = {place_of(path): keys[name] for name, path in inputs.items()}
    same_files = all(known.get(absolute_from_artifact(of.path, folder)) == of.key for of in made.inputs.values())
    made_keys = {name: of.key for name, of in made.inputs.items()}
    if made_keys and same_files and made.key == artifact_key(KIND, made_keys, settings, facts):
        return EarlierSearch(of_first_files=existing if existing.files == trip.files[: len(existing.files)] else None)
    as_blurred = settings.model_copy(update={"blur": blur_of(made)})
    if made.key == artifact_key(KIND, keys, as_blurred, facts):
        if not overwrite:
            raise UserError(f"{_other_blur(folder, made)}; give another --out, or --overwrite to make them anew.")
        return EarlierSearch(of_first_files=existing)  # the model has judged its windows, blurred or not
    if existing.duration_s is not None and not overwrite:
        raise UserError(
            f"{folder} holds detections made with other settings, another model or another file; "
            "give another --out, or --overwrite to replace them."
        )
    return EarlierSearch()


def clear_other_blur(out: Path, folders: Sequence[Path], blur: Blur) -> str:
    """See to it that all pictures in ``out`` are blurred alike, before any is made: those made otherwise are removed.

    Args:
        out: The folder of all trips.
        folders: The folders of the trips that are searched now; they are made anew where need be.
        blur: What is to be blurred in the pictures.

    Returns:
        What was removed, in words; empty if nothing.

    Raises:
        UserError: If another trip in ``out`` was searched with other pictures, which the pages would show as well.
    """
    made = {folder: read_provenance(folder) for folder in searched_files(out)}
    others = [folder for folder in made if blur_of(made[folder]) != blur]
    for folder in others:
        if folder not in folders:
            raise UserError(
                f"{_other_blur(folder, made[folder])}; give another --out, or search its videos again with --overwrite."
            )
    if not others:
        return ""
    remove_pictures(out)
    return f"Strips, clips and pages in {out} are removed, and made anew: {_other_blur(others[0], made[others[0]])}."


def _other_blur(folder: Path, made: Provenance) -> str:
    return f"the pictures in {folder} were made {'with --blur faces' if blur_of(made) else 'without --blur'}"
