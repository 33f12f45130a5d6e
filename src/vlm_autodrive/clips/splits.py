"""Sharing videos out to train, validation and test: whole groups, class by class, by a seeded hash.

Within each stratum (the most severe class of a group) the groups stand in the order of a hash of seed
and group, and the fractions, rounded by the largest remainder, cut that row. So the counts are as near
to the fractions as whole groups allow, even in small sets, and a video added later moves only the few
groups that stand at a cut.
"""

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.windows import draw
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import PRACTICE, Split, Video

SPLITS: tuple[Split, ...] = get_args(Split)
_BEGINNINGS: dict[str, Split] = {"train": "train", "val": "validation", "dev": "validation", "test": "test"}


def assign_splits(videos: Sequence[Video], strata: Mapping[str, int], settings: ClipSettings) -> dict[str, Split]:
    """The split of every group.

    Args:
        videos: All videos of the catalog.
        strata: The severity of each video, by its id, 0 being the most severe.
        settings: Fractions, seed, and whether the data set's own splits count.

    Returns:
        The split by group id.

    Raises:
        UserError: If the data set names a split that is none.
    """
    groups: dict[str, list[Video]] = {}
    for video in videos:
        groups.setdefault(video.group_id, []).append(video)
    practice = {group for group, members in groups.items() if any(v.split == PRACTICE for v in members)}
    groups = {group: members for group, members in groups.items() if group not in practice}
    fixed = _prescribed(groups) if settings.respect_split else {}
    known = set(fixed.values())
    result: dict[str, Split] = dict.fromkeys(practice, "train")
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
        row.sort(key=lambda group: (draw(settings.seed, "split", group), group))
        result |= _cut(row, shares)
    return result


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
