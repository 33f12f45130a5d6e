"""Sharing videos out to train, validation and test: whole groups, by a seeded hash of their names.

By ``hash``, the hash alone decides: it is a number from 0 to 1, and the shares cut that stretch. Whatever
is added later, nothing that is there moves. Each class gets its shares up to chance, so small sets can
come out uneven. By ``count``, the groups of each stratum (the most severe class of a group) stand in the
order of their hashes, and the shares, rounded by the largest remainder, cut that row: as near to the shares
as whole groups allow, but a video added later moves the few groups that stand at a cut.

A frozen test split is given by its videos, and stays as it is either way.
"""

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.windows import draw
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import TRAIN_ONLY, Split, Video

SPLITS: tuple[Split, ...] = get_args(Split)
_BEGINNINGS: dict[str, Split] = {"train": "train", "val": "validation", "dev": "validation", "test": "test"}


def assign_splits(
    videos: Sequence[Video],
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
    groups: dict[str, list[Video]] = {}
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
    shares = {split: 0.0 if split != "train" and split in known else given[split] for split in SPLITS}
    if not sum(shares.values()):
        shares["train"] = 1.0
    for row in rows.values():
        if settings.split_by == "hash":
            result |= {group: _drawn(draw(settings.seed, "split", group), shares) for group in row}
        else:
            if frozen:
                shares["test"] = 0.0
            row.sort(key=lambda group: (draw(settings.seed, "split", group), group))
            result |= _cut(row, shares)
    if frozen:  # what the hash would add to the frozen split is trained on; what the data set put there is not
        result |= {group: "train" for row in rows.values() for group in row if result[group] == "test"}
    return result


def _drawn(place: float, shares: Mapping[Split, float]) -> Split:
    """The split at a place from 0 to 1, the test split coming first: if its share grows, it keeps what it has."""
    end = 0.0
    for split in reversed(SPLITS):
        end += shares[split] / sum(shares.values())
        if place < end:
            return split
    return "train"


def _cut(row: Sequence[str], shares: Mapping[Split, float]) -> dict[str, Split]:
    """Cut a row of groups by the shares of the splits, rounded by the largest remainder, ties for the test."""
    exact = {split: len(row) * shares[split] / sum(shares.values()) for split in SPLITS}
    counts = {split: math.floor(exact[split] + 1e-9) for split in SPLITS}
    remainders = {split: round(exact[split] - counts[split], 9) for split in SPLITS}
    by_remainder = sorted(SPLITS, key=lambda split: (-remainders[split], -SPLITS.index(split)))
    for split in by_remainder[: len(row) - sum(counts.values())]:
        counts[split] += 1
    names = [split for split in SPLITS for _ in range(counts[split])]
    return dict(zip(row, names, strict=True))


def _prescribed(groups: Mapping[str, Sequence[Video]]) -> dict[str, Split]:
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
