"""Splits keep groups whole, come near the fractions in every class, and stay put."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips.catalogs import video
from vlm_autodrive.clips import ClipSettings
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.clips.splits import assign_splits
from vlm_autodrive.errors import UserError

COUNT = ClipSettings(split_by="count")


def catalog(groups, strata=3, size=1):
    return [video(f"g{g}-{i}", group_id=f"g{g}") for g in range(groups) for i in range(size)], {
        f"g{g}-{i}": g % strata for g in range(groups) for i in range(size)
    }


@given(st.integers(1, 80), st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
def test_by_count_they_are_near_the_fractions_in_every_class(groups, strata, size, seed):
    videos, ranks = catalog(groups, strata, size)
    splits = assign_splits(videos, ranks, ClipSettings(seed=seed, split_by="count"))
    assert set(splits) == {v.group_id for v in videos}
    for rank in range(strata):
        row = [splits[f"g{g}"] for g in range(groups) if g % strata == rank]
        for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            assert abs(row.count(split) - share * len(row)) <= 1


def test_by_count_more_videos_move_few_others():
    before = assign_splits(*catalog(300), COUNT)
    after = assign_splits(*catalog(315), COUNT)
    assert sum(before[group] != after[group] for group in before) <= 12
    assert before != assign_splits(*catalog(300), ClipSettings(seed=1, split_by="count"))


def test_order_of_videos_is_of_no_weight():
    videos, ranks = catalog(40)
    assert assign_splits(videos, ranks, COUNT) == assign_splits(videos[::-1], ranks, COUNT)


def test_a_group_counts_with_its_most_severe_video():
    videos = [video(f"{g}{i}", group_id=g) for g in "abcdefghij" for i in range(3)]
    splits = assign_splits(videos, {v.video_id: int(v.video_id[1]) for v in videos}, COUNT)
    assert Counter(splits.values()) == {"train": 7, "validation": 1, "test": 2}


def test_the_data_sets_own_splits_are_followed():
    videos = [video(f"a{i}", split="train") for i in range(80)] + [
        video(f"b{i}", split="test-public") for i in range(9)
    ]
    ranks = {v.video_id: 0 for v in videos}
    splits = assign_splits(videos, ranks, COUNT)
    assert {splits[f"b{i}"] for i in range(9)} == {"test"}
    assert Counter(splits[f"a{i}"] for i in range(80)) == {"train": 70, "validation": 10}
    free = assign_splits(videos, ranks, ClipSettings(respect_split=False, split_by="count"))
    assert Counter(free.values())["test"] == 18
    only_train = assign_splits(videos[:80], ranks, COUNT)
    assert Counter(only_train.values()) == {"train": 56, "validation": 8, "test": 16}


def test_a_group_told_to_be_in_two_splits_is_never_trained_on():
    videos = [video("a", split="train", group_id="g"), video("b", split="test", group_id="g")]
    assert assign_splits(videos, {"a": 0, "b": 0}, COUNT) == {"g": "test"}


@pytest.mark.parametrize(
    ("groups", "counts"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (4, (3, 0, 1)), (5, (3, 1, 1)), (8, (5, 1, 2)), (10, (7, 1, 2))],
)
def test_small_sets_are_rounded_to_the_nearest(groups, counts):
    splits = list(assign_splits(*catalog(groups, strata=1), COUNT).values())
    assert tuple(splits.count(name) for name in ("train", "validation", "test")) == counts


def test_a_split_of_no_name_is_refused():
    with pytest.raises(UserError, match="fold3"):
        assign_splits([video("a", split="fold3")], {"a": 0}, COUNT)
    with pytest.raises(ValueError, match="add up"):
        SplitFractions(train=0.9)


def test_a_split_without_share_stays_empty():
    settings = ClipSettings(split=SplitFractions(train=0.8, validation=0.0, test=0.2), split_by="count")
    assert Counter(assign_splits(*catalog(30), settings).values()) == {"train": 24, "test": 6}


def test_train_only_groups_are_for_training_only():
    videos, ranks = catalog(30)
    train_only = [video(f"p{n}", split="train_only") for n in range(10)]
    ranks |= {v.video_id: 0 for v in train_only}
    splits = assign_splits(
        [*videos, *train_only], ranks, ClipSettings(split=SplitFractions(train=0, validation=0, test=1))
    )
    assert Counter(splits.values()) == {"test": 30, "train": 10}
    assert all(splits[v.group_id] == "train" for v in train_only)
