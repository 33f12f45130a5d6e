"""Splits stay put: by hash when videos are added, by a file when they are frozen, and over shared footage."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips.catalogs import event, triplet, video
from vlm_autodrive.artifacts import read_clips, write_catalog, writing_artifact
from vlm_autodrive.clips import TEST_IDS_FILE, ClipSettings, build_clips
from vlm_autodrive.clips.clips_stage import cut_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.clips.splits import assign_splits, joined_groups, read_test_ids
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY

HASH = ClipSettings()


def many(count, first=0):
    return [video(f"v{n:04}") for n in range(first, first + count)]


def ranks(videos):
    return {v.video_id: int(v.video_id[-1]) % 3 for v in videos}


def splits_of(clips):
    return {clip.video_id: clip.split for clip in clips}


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 5))
def test_by_hash_no_added_video_moves_an_old_one(count, added, seed):
    settings = ClipSettings(seed=seed)
    before, after = many(count), many(count) + many(added, 1000)
    old = assign_splits(before, ranks(before), settings)
    new = assign_splits(after, ranks(after), settings)
    assert {group: new[group] for group in old} == old


def test_by_hash_a_change_of_class_moves_nothing():
    videos = many(50)
    assert assign_splits(videos, ranks(videos), HASH) == assign_splits(videos, {v.video_id: 0 for v in videos}, HASH)


def test_by_hash_each_class_comes_near_the_shares():
    videos = many(3000)
    splits = assign_splits(videos, ranks(videos), HASH)
    for rank in range(3):
        counts = Counter(splits[v.group_id] for v in videos if ranks([v])[v.video_id] == rank)
        total = sum(counts.values())
        for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            assert counts[split] / total == pytest.approx(share, abs=0.04)


def test_a_larger_test_share_keeps_the_old_test_videos():
    videos = many(300)
    small = assign_splits(videos, ranks(videos), HASH)
    large = assign_splits(
        videos, ranks(videos), ClipSettings(split=SplitFractions(train=0.5, validation=0.1, test=0.4))
    )
    assert {g for g, s in small.items() if s == "test"} < {g for g, s in large.items() if s == "test"}


def test_drives_footage_and_triplets_join_into_groups():
    videos = [
        video("a", group_id="drive1", source_id="nexar:00776"),
        video("b", group_id="drive2", source_id="nexar:00776"),
        video("c", group_id="drive2"),
        video("d", group_id="drive3", triplet_id="t"),
        video("e", group_id="drive4", triplet_id="t"),
        video("f", group_id="drive5", source_id="dada:1/001"),
    ]
    groups = joined_groups(videos)
    assert groups == {"a": "drive1", "b": "drive1", "c": "drive1", "d": "drive3", "e": "drive3", "f": "drive5"}
    assert joined_groups(videos[::-1]) == groups


def test_a_long_chain_is_one_group():
    videos = [
        video(f"v{n}", group_id=f"g{n // 2:05}", source_id=f"s:{(n + 1) // 2}") for n in range(5000)
    ]  # each drive shares footage with the next
    assert set(joined_groups(videos).values()) == {"g00000"}


def test_the_same_footage_of_two_data_sets_is_in_one_split():
    one = [video(f"n{i}", source_id=f"nexar:{i:05}", source="nexar") for i in range(200)]
    other = [video(f"c{i}", True, source_id=f"nexar:{i:05}", source="caviar") for i in range(0, 200, 2)]
    other = [v.model_copy(update={"duration_s": 40.0, "positive": True}) for v in other]
    clips = cut_clips(one + other, [event(v.video_id, 20) for v in other], {}, DEFAULT_TAXONOMY, HASH)
    splits = splits_of(clips)
    assert all(splits[f"n{i}"] == splits[f"c{i}"] for i in range(0, 200, 2))
    assert len({clip.group_id for clip in clips}) == 200
    assert set(splits.values()) == {"train", "validation", "test"}


@pytest.fixture
def build(tmp_path):
    def do(name, videos, events=(), **settings):
        catalog = tmp_path / f"{name}-catalog"
        with writing_artifact(catalog, "catalog", {}, HASH, overwrite=True) as folder:
            write_catalog(folder, catalog, DEFAULT_TAXONOMY, videos, events, [], [])
        return build_clips(catalog, tmp_path / name, ClipSettings(**settings))

    return do


@pytest.mark.parametrize("split_by", ["hash", "count"])
def test_a_frozen_test_split_is_given_again_and_kept(build, split_by):
    old = many(60)
    first = build("first", old, split_by=split_by)
    tested = {c.video_id for c in read_clips(first) if c.split == "test"}
    kin = min(tested)
    new = [*many(60, 1000), video("late", group_id=kin)]
    second = build("second", old + new, split_by=split_by, frozen_test=str(first / TEST_IDS_FILE), seed=9)
    clips = read_clips(second)
    assert {c.video_id for c in clips if c.split == "test" and not c.problem} == tested
    assert {c.video_id: c.problem for c in clips if c.problem} == {"late": "it would add to the frozen test split"}
    third = build("third", old + new, split_by=split_by, frozen_test=str(second / TEST_IDS_FILE), seed=9)
    assert splits_of(read_clips(third)) == splits_of(clips)


def test_frozen_by_hash_nothing_else_moves_either(build):
    old = many(200)
    first = build("first", old)
    second = build("second", old + many(100, 1000), frozen_test=str(first / TEST_IDS_FILE))
    before, after = splits_of(read_clips(first)), splits_of(read_clips(second))
    assert {name: after[name] for name in before} == before


def test_a_frozen_drive_takes_its_train_only_kin_out_of_training():
    videos = [video("a", group_id="g"), video("p", group_id="g", split="train_only")]
    clips = cut_clips(videos, [], {}, DEFAULT_TAXONOMY, HASH, frozenset({"a"}))
    assert {c.video_id: (c.split, bool(c.problem)) for c in clips} == {"a": ("test", False), "p": ("test", True)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no id"),
        ("# only a remark\n", "holds no id"),
        ("v0001\nv0002\nv0001\n", "names v0001 twice"),
        ("v0001\nv9999\n", r"1 videos that the catalog lacks \(v9999\)"),
        (f"# sha256 {'0' * 64}\nv0001\n", "was changed since it was written"),
    ],
)
def test_a_frozen_split_that_does_not_fit_is_refused(tmp_path, text, message):
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_test_ids(path, [f"v{n:04}" for n in range(10)])
    with pytest.raises(UserError, match="can be read"):
        read_test_ids(tmp_path / "absent.txt", [])


def test_a_list_of_ones_own_is_taken(tmp_path, build):
    path = tmp_path / "mine.txt"
    path.write_text("v0003\r\n\r\n# and\r\n v0005 \r\n")
    clips = read_clips(build("mine", many(20), frozen_test=str(path)))
    assert {c.video_id for c in clips if c.split == "test"} == {"v0003", "v0005"}


def test_a_list_may_lie_on_a_store(tmp_path, build, store):
    (tmp_path / "mine.txt").write_text("v0003\n")
    clips = read_clips(build("mine", many(20), frozen_test=store.put(tmp_path / "mine.txt", "mine.txt")))
    assert {c.video_id for c in clips if c.split == "test"} == {"v0003"}
    with pytest.raises(UserError, match="can be read"):
        read_test_ids(Path(f"{store.url}/absent.txt"), [])


def test_triplets_stay_whole_by_hash():
    worlds = [triplet(f"t{n}") for n in range(60)]
    videos, events = [v for w in worlds for v in w[0]], [e for w in worlds for e in w[1]]
    scenarios = {key: s for w in worlds for key, s in w[2].items()}
    clips = cut_clips(videos, events, scenarios, DEFAULT_TAXONOMY, HASH)
    splits = {}
    for clip in clips:
        splits.setdefault(clip.triplet_id, set()).add(clip.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(set.union(*splits.values())) == 3
