"""Contamination of the test set: overlap of the evaluated clips with the training clips, and among themselves.

They are found while the whole clip set and the videos are at hand, and kept beside the predictions, since a comparison
sees the clips of one split alone. Frames that merely look alike are found by ``autodrive audit``, which takes minutes;
this takes none.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

from vlm_autodrive.addresses import open_file, state_of
from vlm_autodrive.artifacts import (
    PROVENANCE,
    absolute_from_artifact,
    fetch_artifact,
    iterate_clips,
    read_provenance,
    write_text,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Clip, Record
from vlm_autodrive.video import VideoError, probe

LEAKS_FILE = "leaks.json"

_Kind = Literal["video", "file", "triplet", "group"]
_ENDS_BYTES = 65536
_SAME_WINDOW = 0.5  # of the time that two windows cover together


class TrainTestOverlap(Record):
    """A video, file, triplet or group that evaluated clips share with training clips.

    Attributes:
        kind: ``video`` (the same id or path), ``file`` (another id, the same bytes), ``group`` or ``triplet``.
        key: Which: an id, or a file's name.
        where: The split, or the set, that the others are of.
        clips: Ids of the evaluated clips.
    """

    kind: _Kind
    key: str
    where: str
    clips: tuple[str, ...]


class SameFootage(Record):
    """Two evaluated clips that show the same seconds of the same video.

    Attributes:
        first: Id of the one.
        second: Id of the other.
        same_class: Whether they are labelled alike.
    """

    first: str
    second: str
    same_class: bool


class Leaks(Record):
    """The content of ``leaks.json``.

    Attributes:
        split_overlaps: What the clips share with other splits of their own clip set.
        duplicates: Clips with the same footage.
        training_overlaps: What they share with the clips that the model was trained on, in whatever clip set.
        missing: Artefacts behind the model that are gone, so that its training clips are not known.
    """

    split_overlaps: tuple[TrainTestOverlap, ...] = ()
    duplicates: tuple[SameFootage, ...] = ()
    training_overlaps: tuple[TrainTestOverlap, ...] = ()
    missing: tuple[str, ...] = ()


def write_leaks(folder: Path, clips: Path, evaluated: Sequence[Clip], model: Path | None = None) -> None:
    """Look for leaks and keep what is found beside the predictions.

    Args:
        folder: Where the predictions are written.
        clips: The clip set.
        evaluated: The clips of it that are evaluated, all of one split.
        model: The checkpoint; None for a baseline, which is fitted on the clip set's own train split.
    """
    split = evaluated[0].split
    others = [(clip, clip.split) for clip in iterate_clips(clips) if clip.split != split]
    supervision_sets, missing = ([], []) if model is None else _supervision_sets(model)
    own, own_catalog = read_provenance(clips), _catalog_key(clips)
    training_overlaps: list[TrainTestOverlap] = []
    for supervision in supervision_sets:
        key, source = _clips_of(supervision)
        if key == own.key:
            continue  # it was cut from the evaluated clip set itself, whose other splits are in ``others``
        seen = [(clip, supervision.name) for clip in iterate_clips(supervision) if clip.split != "test"]
        # Video ids and groups mean the same within one catalog only; across catalogs just files can be compared.
        files_alone = own_catalog is None or _catalog_key(source) != own_catalog
        training_overlaps += find_overlaps(evaluated, seen, files_alone=files_alone)
    leaks = Leaks(
        split_overlaps=tuple(find_overlaps(evaluated, others)),
        duplicates=tuple(same_footage(evaluated)),
        training_overlaps=tuple(training_overlaps),
        missing=tuple(missing),
    )
    write_text(folder / LEAKS_FILE, leaks.model_dump_json(indent=1) + "\n")


def read_leaks(predictions: Path) -> Leaks:
    """The leaks found when the predictions were made; none for predictions that were not written by a stage."""
    path = predictions / LEAKS_FILE
    return Leaks.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else Leaks()


def find_overlaps(
    evaluated: Sequence[Clip], others: Sequence[tuple[Clip, str]], *, files_alone: bool = False
) -> list[TrainTestOverlap]:
    """What clips share with others, of each clip the closest tie: video, file, triplet, group.

    Args:
        evaluated: The evaluated clips.
        others: Further clips, with the split or set that each is of; those with a problem are never trained on.
        files_alone: Whether ids mean nothing, since the others are of another catalog.
    """
    usable = [(clip, where) for clip, where in others if not clip.problem]
    same_bytes = _same_bytes({clip.path for clip in evaluated}, {clip.path for clip, _ in usable})

    def ties(clip: Clip) -> list[tuple[_Kind, str]]:
        found: list[tuple[_Kind, str]] = [("video", clip.path)]
        if not files_alone:
            found.append(("video", clip.video_id))
        if clip.path in same_bytes:
            found.append(("file", same_bytes[clip.path]))
        if clip.triplet_id is not None and not files_alone:
            found.append(("triplet", clip.triplet_id))
        return found if files_alone else [*found, ("group", clip.group_id)]

    places: dict[tuple[_Kind, str], set[str]] = defaultdict(set)
    for clip, where in usable:
        for tie in ties(clip):
            places[tie].add(where)
    shared: dict[tuple[_Kind, str, str], list[str]] = defaultdict(list)
    for clip in evaluated:
        closest = next((tie for tie in ties(clip) if tie in places), None)
        if closest is not None:
            kind, key = closest
            named = Path(clip.path).name if kind == "file" or key == clip.path else key
            shared[kind, named, " and ".join(sorted(places[closest]))].append(clip.clip_id)
    return [
        TrainTestOverlap(kind=kind, key=key, where=where, clips=tuple(ids))
        for (kind, key, where), ids in shared.items()
    ]


def same_footage(clips: Sequence[Clip]) -> list[SameFootage]:
    """Pairs of clips that mostly show the same seconds of one video, under whatever names.

    Windows that end at several times before one event, as cut with ``anticipation_s``, are meant so.
    """
    paths = {clip.path for clip in clips}
    same_bytes = _same_bytes(paths, paths)
    by_video: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        video = same_bytes.get(clip.path, clip.path)
        by_video[video, clip.metadata.get("anticipation_s", "")].append(clip)
    return [
        SameFootage(first=one.clip_id, second=other.clip_id, same_class=one.event_class == other.event_class)
        for members in by_video.values()
        for one, other in combinations(members, 2)
        if _overlap(one, other) >= _SAME_WINDOW
    ]


def _overlap(one: Clip, other: Clip) -> float:
    """The time that both windows show, as a share of the time that at least one of them shows."""
    both = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    either = max(one.end_s, other.end_s) - min(one.start_s, other.start_s)
    return max(0.0, both) / either if either > 0 else 1.0


def _same_bytes(some: set[str], others: set[str]) -> dict[str, str]:
    """Of files in the one set that have a copy in the other: what their content is known by.

    Size, first and last 64 KiB are compared: two videos that agree in these and differ in between are not met.
    """
    by_size: dict[int, set[str]] = defaultdict(set)
    for path in some | others:
        try:
            by_size[state_of(path).size].add(path)
        except OSError:
            continue  # a video that is not there fails when its clip is evaluated
    found = {}
    for size, paths in by_size.items():
        if size and len(paths) > 1 and paths & some and paths & others:
            by_ends: dict[str, list[str]] = defaultdict(list)
            for path in paths:
                by_ends[_ends(path, size)].append(path)
            for ends, alike in by_ends.items():
                if len(alike) > 1 and _is_video(alike[0]):
                    found.update(dict.fromkeys(alike, ends))
    return found


def _is_video(path: str) -> bool:
    """Whether a file can be opened as one: failed downloads are often alike, and teach nothing."""
    try:
        probe(Path(path))
    except VideoError:
        return False
    return True


def _ends(path: str, size: int) -> str:
    with open_file(Path(path)) as stream:
        digest = hashlib.sha256(stream.read(_ENDS_BYTES))
        stream.seek(max(0, size - _ENDS_BYTES))
        digest.update(stream.read())
    return f"{size}-{digest.hexdigest()}"


def _at_hand(path: str, folder: Path) -> Path:
    """What an artefact was made from; fetched, if it lies on a store."""
    found = Path(absolute_from_artifact(path, folder))
    try:
        return fetch_artifact(found)
    except UserError:
        return found  # it is gone


def _supervision_sets(model: Path) -> tuple[list[Path], list[str]]:
    """The supervision sets behind a checkpoint and the checkpoints it was trained from; and the names of those gone."""
    if not (model / PROVENANCE).is_file():
        return [], []  # a model from elsewhere: nobody here knows what it has seen
    found, unknown = [], []
    for name, source in read_provenance(model).inputs.items():
        folder = _at_hand(source.path, model)
        if name != "supervision":
            further, missing = _supervision_sets(folder)
            found += further
            unknown += missing
        elif (folder / PROVENANCE).is_file() and read_provenance(folder).key == source.key:
            found.append(folder)
        else:
            unknown.append(folder.name)
    return found, unknown


def _clips_of(supervision: Path) -> tuple[str | None, Path]:
    """Key and folder of the clips that were supervised; no key where the set that kinds were chosen from is gone."""
    inputs = read_provenance(supervision).inputs
    if "clips" in inputs:
        return inputs["clips"].key, _at_hand(inputs["clips"].path, supervision)
    whole = _at_hand(inputs["supervision"].path, supervision)
    return _clips_of(whole) if (whole / PROVENANCE).is_file() else (None, whole)


def _catalog_key(clips: Path) -> str | None:
    """The key of the catalog that clips were cut from; None if unknown."""
    if not (clips / PROVENANCE).is_file():
        return None
    catalog = read_provenance(clips).inputs.get("catalog")
    return None if catalog is None else catalog.key
