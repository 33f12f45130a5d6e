"""Which clips and items a step takes."""

from collections import Counter

from tests.training.supervision_set import make_clips, make_items
from vlm_autodrive.records import Check
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.visits import steps_in_all, taught_clips, visits_of_step


def taught(tmp_path, count=7):
    clips = make_clips(tmp_path, count)
    return taught_clips(clips, [item for clip in clips for item in make_items(clip)])


def test_an_epoch_takes_every_clip_exactly_once_and_the_next_in_another_order(tmp_path):
    clips = taught(tmp_path)
    settings = TrainSettings(epochs=2, clips_per_step=3)
    assert steps_in_all(len(clips), settings) == 6
    epochs = [
        [visit.clip.clip_id for step in steps for visit in visits_of_step(clips, step, settings)]
        for steps in (range(3), range(3, 6))
    ]
    assert Counter(epochs[0]) == Counter(epochs[1]) == Counter(each.clip.clip_id for each in clips)
    assert epochs[0] != epochs[1]


def test_a_step_is_a_function_of_seed_and_number_alone(tmp_path):
    clips = taught(tmp_path)
    settings = TrainSettings(clips_per_step=3, seed=5)
    later_first = [visits_of_step(clips, step, settings) for step in (4, 1)]
    assert [visits_of_step(clips, step, settings) for step in (1, 4)] == later_first[::-1]
    assert visits_of_step(clips, 1, settings.model_copy(update={"seed": 6})) != later_first[1]


def test_verdict_and_reasoning_are_always_taken_and_others_are_sampled(tmp_path):
    clips = taught(tmp_path)
    kinds = [
        [item.kind for item in visit.items]
        for step in range(3)
        for visit in visits_of_step(clips, step, TrainSettings(clips_per_step=3, sampled_items=0))
    ]
    assert all(kind == ["verdict", "reasoning"] for kind in kinds)


def test_a_clip_with_an_item_that_cannot_be_mirrored_never_is(tmp_path):
    clips = make_clips(tmp_path, 8)
    items = [item for clip in clips for item in make_items(clip)]
    fixed = {clip.clip_id for clip in clips[:4]}
    items = [
        item.model_copy(update={"mirror_target": None}) if item.clip_id in fixed and item.kind == "caption" else item
        for item in items
    ]
    settings = TrainSettings(clips_per_step=8, epochs=20)
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
    assert [item.kind for item in result[0].items] == ["reasoning", "caption"]
