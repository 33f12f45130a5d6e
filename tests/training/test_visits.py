"""Which clips and items a step takes."""

from collections import Counter

import pytest

from tests.training.supervision_set import make_clips, make_items
from vlm_autodrive.records import Check
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.visits import steps_in_all, taught_clips, visits_of_step


def taught(tmp_path, count=7):
    clips = make_clips(tmp_path, count)
    return taught_clips(clips, [item for clip in clips for item in make_items(clip)])


def test_an_epoch_takes_every_clip_exactly_once_and_the_next_in_another_order(tmp_path):
    clips = taught(tmp_path)
    settings = TrainSettings(epochs=2, batch_size=3)
    assert steps_in_all(len(clips), settings) == 6
    epochs = [
        [visit.clip.clip_id for step in steps for visit in visits_of_step(clips, step, settings)]
        for steps in (range(3), range(3, 6))
    ]
    assert Counter(epochs[0]) == Counter(epochs[1]) == Counter(each.clip.clip_id for each in clips)
    assert epochs[0] != epochs[1]


def test_a_step_is_a_function_of_seed_and_number_alone(tmp_path):
    clips = taught(tmp_path)
    settings = TrainSettings(batch_size=3, seed=5)
    later_first = [visits_of_step(clips, step, settings) for step in (4, 1)]
    assert [visits_of_step(clips, step, settings) for step in (1, 4)] == later_first[::-1]
    assert visits_of_step(clips, 1, settings.model_copy(update={"seed": 6})) != later_first[1]


def test_verdict_and_reasoning_are_always_taken_and_others_are_sampled(tmp_path):
    clips = taught(tmp_path)
    kinds = [
        [item.type for item in visit.items]
        for step in range(3)
        for visit in visits_of_step(clips, step, TrainSettings(batch_size=3, samples_per_clip=0))
    ]
    assert all(kind == ["verdict", "reasoning"] for kind in kinds)


def test_a_clip_with_an_item_that_cannot_be_mirrored_never_is(tmp_path):
    clips = make_clips(tmp_path, 8)
    items = [item for clip in clips for item in make_items(clip)]
    fixed = {clip.clip_id for clip in clips[:4]}
    items = [
        item.model_copy(update={"mirror_target": None}) if item.clip_id in fixed and item.type == "caption" else item
        for item in items
    ]
    settings = TrainSettings(batch_size=8, epochs=20)
    visits = [v for step in range(20) for v in visits_of_step(taught_clips(clips, items), step, settings)]
    mirrored = Counter(v.clip.clip_id for v in visits if v.mirrored)
    assert not fixed & mirrored.keys()
    assert all(2 <= mirrored[clip.clip_id] <= 18 for clip in clips[4:])


def test_rejected_items_and_other_splits_are_not_taught(tmp_path):
    clips = make_clips(tmp_path, 3) + make_clips(tmp_path, 2, split="test")
    items = [item for clip in clips for item in make_items(clip)]
    items[0] = items[0].model_copy(update={"checks": (Check(name="truth", passed=False),)})
    result = taught_clips(clips, items)
    assert [each.clip.split for each in result] == ["train"] * 3
    assert [item.type for item in result[0].items] == ["reasoning", "caption"]


def test_balanced_visits_give_every_class_its_turn_and_every_clip_its_share(tmp_path):
    clips = make_clips(tmp_path, 9)
    rare = [clip for clip in clips if clip.event_class != "collision"] + clips[:1]  # one collision, three of the others
    items = [item for clip in rare for item in make_items(clip)]
    settings = TrainSettings(batch_size=3, balance="class", epochs=3)
    known = taught_clips(rare, items)
    steps = [visits_of_step(known, step, settings) for step in range(steps_in_all(len(known), settings))]
    visits = [visit for step in steps for visit in step]
    assert len(visits) == 3 * len(known)
    assert Counter(v.clip.event_class for v in visits) == {"collision": 7, "near_collision": 7, "normal": 7}
    assert all(len({v.clip.event_class for v in step}) == 3 for step in steps if len(step) == 3)
    normal = [v.clip.clip_id for v in visits if v.clip.event_class == "normal"]
    assert len(set(normal[:3])) == len(set(normal[3:6])) == 3
    assert [v.mirrored for v in visits if v.clip.event_class == "collision"].count(True) not in (0, 7)
    assert visits_of_step(known, 5, settings) == steps[5]


def test_clips_of_unknown_class_are_one_more_class(tmp_path):
    clips = make_clips(tmp_path, 4)
    clips[3] = clips[3].model_copy(update={"event_class": None})
    known = taught_clips(clips, [i for n, clip in enumerate(clips) for i in (make_items(clip) if n < 3 else [])])
    known.append(type(known[0])(clips[3], known[0].items))
    visits = visits_of_step(known, 0, TrainSettings(batch_size=4, balance="class"))
    assert {v.clip.event_class for v in visits} == {None, "collision", "near_collision", "normal"}


def test_items_are_drawn_by_the_weights_of_their_kinds(tmp_path):
    [clip] = make_clips(tmp_path, 1)
    caption = make_items(clip)[2]
    kinds = ("caption", "description", "vqa", "vqa")
    items = [caption.model_copy(update={"type": kind, "sample_id": str(n)}) for n, kind in enumerate(kinds)]
    known = taught_clips([clip], items)

    def drawn(count, **weights):
        settings = TrainSettings(batch_size=1, samples_per_clip=count, sampling_weights=weights)
        return [[i.type for i in visits_of_step(known, step, settings)[0].items] for step in range(300)]

    assert all(kinds == ["caption", "vqa", "vqa"] for kinds in drawn(4, description=0))
    ones = Counter(kinds[0] for kinds in drawn(1, caption=6, description=0))
    assert ones["description"] == 0 and 2.0 < ones["caption"] / ones["vqa"] < 4.5  # 6 to 1 + 1
    assert all(kinds == [] for kinds in drawn(0, caption=2))
    assert all(kinds == [] for kinds in drawn(2, caption=0, description=0, vqa=0))
    with pytest.raises(ValueError, match="part of every example"):
        TrainSettings(sampling_weights={"verdict": 2.0})
