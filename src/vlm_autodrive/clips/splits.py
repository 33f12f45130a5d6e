"""Splitting videos into train, validation and test: whole groups, by a seeded hash of their names.

By ``hash``, a group's hash alone decides: it is a number from 0 to 1, and the fractions of the splits divide that
range. Whatever is added later, no group changes its split. Each class gets its fractions up to chance, so small
sets can come out uneven. By ``count``, the groups of each stratum (the most severe class of a group) are sorted by
their hashes, and that list is cut by the fractions, rounded by the largest remainder: as near to the fractions as
whole groups allow, but a video added later moves the few groups that stand at a cut.

A group is what hangs together by a drive, a source of footage or a triplet: :func:`joined_groups`.
A frozen test split is a file of video ids, one a line, and stays as it is either way.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, get_args

from vlm_autodrive.addresses import open_file
from vlm_autodrive.artifacts import write_text
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.windows import draw
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import connected_groups
from vlm_autodrive.records import TRAIN_ONLY, Split

SPLITS: tuple[Split, ...] = get_args(Split)
_BEGINNINGS: dict[str, Split] = {"train": "train", "val": "validation", "dev": "validation", "test": "test"}


class SplitMember(Protocol):
    """What groups and splits depend on of a video; see :class:`~vlm_autodrive.records.Video`."""

    @property
    def video_id(self) -> str:
        """Its id."""

    @property
    def group_id(self) -> str:
        """Its drive."""

    @property
    def source_id(self) -> str | None:
        """Its footage."""

    @property
    def triplet_id(self) -> str | None:
        """Its triplet."""

    @property
    def split(self) -> str | None:
        """The split that its data set prescribes."""


def joined_groups(videos: Sequence[SplitMember]) -> dict[str, str]:
    """The group of each video, by its id: the first in order of the names of the drives that hang together.

    Two videos belong together if they have the same drive (``group_id``), the same footage
    (``source_id``, from whatever data set), the same triplet, or a chain of others between them.
    """
    # Chains matter: a triplet may have one video of a drive that another data set uses too, and if only direct
    # relatives stayed together, its siblings could be trained on and tested on.
    groups = connected_groups(_keys(video) for video in videos)
    names: dict[int, str] = {}
    for video, group in zip(videos, groups, strict=True):
        names[group] = min(names.get(group, video.group_id), video.group_id)
    return {video.video_id: names[group] for video, group in zip(videos, groups, strict=True)}


def _keys(video: SplitMember) -> list[str]:
    shared = {"drive": video.group_id, "source": video.source_id, "triplet": video.triplet_id}
    return [f"{kind} {key}" for kind, key in shared.items() if key or kind == "drive"]


def assign_splits(
    videos: Sequence[SplitMember],
    strata: Mapping[str, int],
    settings: ClipSettings,
    frozen_test: frozenset[str] = frozenset(),
) -> dict[str, Split]:
    """The split of every group.

    Args:
        videos: All videos of the catalog.
        strata: The severity of each video, by its id, 0 being the most severe.
        settings: Fractions, seed, and whether the data set's own splits count.
        frozen_test: Videos that are the test split, if that is fixed already. No other group is added to it.

    Returns:
        The split by group id.

    Raises:
        UserError: If the data set names a split that is none.
    """
    groups: dict[str, list[SplitMember]] = {}
    for video in videos:
        groups.setdefault(video.group_id, []).append(video)
    frozen = {group for group, members in groups.items() if any(v.video_id in frozen_test for v in members)}
    result: dict[str, Split] = dict.fromkeys(frozen, "test")
    groups = {group: members for group, members in groups.items() if group not in frozen}
    train_only = {group for group, members in groups.items() if any(v.split == TRAIN_ONLY for v in members)}
    groups = {group: members for group, members in groups.items() if group not in train_only}
    fixed = _prescribed(groups) if settings.respect_split else {}
    known = set(fixed.values())
    result |= dict.fromkeys(train_only, "train")
    result |= {group: split for group, split in fixed.items() if split != "train"}
    rows: dict[int, list[str]] = {}
    for group, members in groups.items():
        if group not in result:
            rows.setdefault(min(strata[v.video_id] for v in members), []).append(group)
    given = settings.split.model_dump()
    fractions = {split: 0.0 if split != "train" and split in known else given[split] for split in SPLITS}
    if not sum(fractions.values()):
        fractions["train"] = 1.0
    for row in rows.values():
        if settings.split_by == "hash":
            result |= {group: _drawn(draw(settings.seed, "split", group), fractions) for group in row}
        else:
            if frozen:
                fractions["test"] = 0.0  # it is complete already
            row.sort(key=lambda group: (draw(settings.seed, "split", group), group))
            result |= _cut(row, fractions)
    if frozen:  # what the hash would add to the frozen split is trained on; what the data set put there is not
        result |= {group: "train" for row in rows.values() for group in row if result[group] == "test"}
    return result


def _drawn(place: float, fractions: Mapping[Split, float]) -> Split:
    """The split at a place from 0 to 1."""
    # The test split comes first, so that it keeps what it has if its fraction grows.
    end = 0.0
    for split in reversed(SPLITS):
        end += fractions[split] / sum(fractions.values())
        if place < end:
            return split
    return "train"


def _cut(row: Sequence[str], fractions: Mapping[Split, float]) -> dict[str, Split]:
    """Cut a row of groups by the fractions of the splits, rounded by the largest remainder, ties for the test."""
    exact = {split: len(row) * fractions[split] / sum(fractions.values()) for split in SPLITS}
    counts = {split: math.floor(exact[split] + 1e-9) for split in SPLITS}
    remainders = {split: round(exact[split] - counts[split], 9) for split in SPLITS}
    by_remainder = sorted(SPLITS, key=lambda split: (-remainders[split], -SPLITS.index(split)))
    for split in by_remainder[: len(row) - sum(counts.values())]:
        counts[split] += 1
    names = [split for split in SPLITS for _ in range(counts[split])]
    return dict(zip(row, names, strict=True))


def _prescribed(groups: Mapping[str, Sequence[SplitMember]]) -> dict[str, Split]:
    """What the data set prescribes for whole groups; of several, the one farthest from training."""
    result: dict[str, Split] = {}
    for group, members in groups.items():
        named = [_split_named(v.split) for v in members if v.split]
        if named:
            result[group] = max(named, key=SPLITS.index)
    return result


def _split_named(text: str) -> Split:
    for beginning, split in _BEGINNINGS.items():
        if text.casefold().startswith(beginning):
            return split
    raise UserError(
        f"the data set names a split {text!r}, which is none of train, validation and test; "
        "put it right there, or set respect_split: false."
    )


TEST_IDS_FILE = "test_ids.txt"
_DIGEST = re.compile(r"^# sha256 ([0-9a-f]{64})$")
_SHOWN = 3


def write_test_ids(folder: Path, video_ids: Iterable[str]) -> None:
    """Write the ids of the videos of the test split, with a hash by which a change is noticed."""
    ids = sorted(video_ids)
    head = [f"# The test split: {len(ids)} videos. Give it again with frozen_test=FILE.", f"# sha256 {_digest(ids)}"]
    write_text(folder / TEST_IDS_FILE, "\n".join([*head, *ids]) + "\n")


def read_test_ids(path: Path, known: Iterable[str]) -> frozenset[str]:
    """The videos of a frozen test split.

    Args:
        path: One id a line; lines that begin with ``#`` are remarks. A list of your own needs no hash.
        known: The ids of the catalog.

    Raises:
        UserError: If the file is missing or empty, an id appears twice or is not in the catalog, or the list
            is no longer the one that its hash was made of.
    """
    try:
        with open_file(path) as stream:
            lines = [line.strip() for line in stream.read().decode("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise UserError(f"frozen_test: {path} is no text file that can be read; give the ids, one a line.") from None
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids:
        raise UserError(f"frozen_test: {path} holds no id; write one a line, or leave the setting out.")
    twice = sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise UserError(f"frozen_test: {path} names {_some(twice)} twice; take the further lines out.")
    digests = [found[1] for line in lines if (found := _DIGEST.match(line))]
    if digests and digests != [_digest(sorted(ids))]:
        raise UserError(
            f"frozen_test: {path} was changed since it was written, so the test split would be another; "
            "put the file back, or delete its line with sha256 if the change is meant."
        )
    missing = sorted(set(ids).difference(known))
    if missing:
        raise UserError(
            f"frozen_test: {path} names {len(missing)} videos that the catalog lacks ({_some(missing)}); "
            "import them too, since scores on a part of a test split cannot be compared."
        )
    return frozenset(ids)


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (" …" if len(ids) > _SHOWN else "")
