"""Which clips and samples a step takes."""

from collections import Counter

import pytest

from tests.training.supervision_set import make_clips, make_samples
from vlm_autodrive.records import Check
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.sampler import examples_of_step, join_samples, total_steps


def train_clips(tmp_path, count=7):
    clips = make_clips(tmp_path, count)
    return join_samples(clips, [sample for clip in clips for sample in make_samples(clip)])


def test_an_epoch_takes_every_clip_exactly_once_and_the_next_in_another_order(tmp_path):
    clips = train_clips(tmp_path)
    settings = TrainSettings(epochs=2, batch_size=3)
    assert total_steps(len(clips), settings) == 6
    epochs = [
        [example.clip.clip_id for step in steps for example in examples_of_step(clips, step, settings)]
        for steps in (range(3), range(3, 6))
    ]
    assert Counter(epochs[0]) == Counter(epochs[1]) == Counter(each.clip.clip_id for each in clips)
    assert epochs[0] != epochs[1]


def test_a_step_is_a_function_of_seed_and_number_alone(tmp_path):
    clips = train_clips(tmp_path)
    settings = TrainSettings(batch_size=3, seed=5)
    later_first = [examples_of_step(clips, step, settings) for step in (4, 1)]
    assert [examples_of_step(clips, step, settings) for step in (1, 4)] == later_first[::-1]
    assert examples_of_step(clips, 1, settings.model_copy(update={"seed": 6})) != later_first[1]


def test_verdict_and_reasoning_are_always_taken_and_others_are_sampled(tmp_path):
    clips = train_clips(tmp_path)
    types = [
        [sample.type for sample in example.samples]
        for step in range(3)
        for example in examples_of_step(clips, step, TrainSettings(batch_size=3, samples_per_clip=0))
    ]
    assert all(type_ == ["verdict", "reasoning"] for type_ in types)


def test_a_clip_with_a_sample_that_cannot_be_mirrored_never_is(tmp_path):
    clips = make_clips(tmp_path, 8)
    samples = [sample for clip in clips for sample in make_samples(clip)]
    fixed = {clip.clip_id for clip in clips[:4]}
    samples = [
        sample.model_copy(update={"mirror_target": None})
        if sample.clip_id in fixed and sample.type == "caption"
        else sample
        for sample in samples
    ]
    settings = TrainSettings(batch_size=8, epochs=20)
    examples = [v for step in range(20) for v in examples_of_step(join_samples(clips, samples), step, settings)]
    mirrored = Counter(v.clip.clip_id for v in examples if v.mirrored)
    assert not fixed & mirrored.keys()
    assert all(2 <= mirrored[clip.clip_id] <= 18 for clip in clips[4:])


def test_rejected_samples_and_other_splits_are_not_trained_on(tmp_path):
    clips = make_clips(tmp_path, 3) + make_clips(tmp_path, 2, split="test")
    samples = [sample for clip in clips for sample in make_samples(clip)]
    samples[0] = samples[0].model_copy(update={"checks": (Check(name="truth", passed=False),)})
    result = join_samples(clips, samples)
    assert [each.clip.split for each in result] == ["train"] * 3
    assert [sample.type for sample in result[0].samples] == ["reasoning", "caption"]


def test_balanced_examples_give_every_class_its_turn_and_every_clip_its_share(tmp_path):
    clips = make_clips(tmp_path, 9)
    rare = [clip for clip in clips if clip.event_class != "collision"] + clips[:1]  # one collision, three of the others
    samples = [sample for clip in rare for sample in make_samples(clip)]
    settings = TrainSettings(batch_size=3, balance="class", epochs=3)
    known = join_samples(rare, samples)
    steps = [examples_of_step(known, step, settings) for step in range(total_steps(len(known), settings))]
    examples = [example for step in steps for example in step]
    assert len(examples) == 3 * len(known)
    assert Counter(v.clip.event_class for v in examples) == {"collision": 7, "near_collision": 7, "normal": 7}
    assert all(len({v.clip.event_class for v in step}) == 3 for step in steps if len(step) == 3)
    normal = [v.clip.clip_id for v in examples if v.clip.event_class == "normal"]
    assert len(set(normal[:3])) == len(set(normal[3:6])) == 3
    assert [v.mirrored for v in examples if v.clip.event_class == "collision"].count(True) not in (0, 7)
    assert examples_of_step(known, 5, settings) == steps[5]


def test_clips_of_unknown_class_are_one_more_class(tmp_path):
    clips = make_clips(tmp_path, 4)
    clips[3] = clips[3].model_copy(update={"event_class": None})
    known = join_samples(clips, [i for n, clip in enumerate(clips) for i in (make_samples(clip) if n < 3 else [])])
    known.append(type(known[0])(clips[3], known[0].samples))
    examples = examples_of_step(known, 0, TrainSettings(batch_size=4, balance="class"))
    assert {v.clip.event_class for v in examples} == {None, "collision", "near_collision", "normal"}


def test_samples_are_drawn_by_the_weights_of_their_types(tmp_path):
    [clip] = make_clips(tmp_path, 1)
    caption = make_samples(clip)[2]
    types = ("caption", "description", "vqa", "vqa")
    samples = [caption.model_copy(update={"type": type_, "sample_id": str(n)}) for n, type_ in enumerate(types)]
    known = join_samples([clip], samples)

    def drawn(count, **weights):
        settings = TrainSettings(batch_size=1, samples_per_clip=count, sampling_weights=weights)
        return [[i.type for i in examples_of_step(known, step, settings)[0].samples] for step in range(300)]

    assert all(types == ["caption", "vqa", "vqa"] for types in drawn(4, description=0))
    ones = Counter(types[0] for types in drawn(1, caption=6, description=0))
    assert ones["description"] == 0 and 2.0 < ones["caption"] / ones["vqa"] < 4.5  # 6 to 1 + 1
    assert all(types == [] for types in drawn(0, caption=2))
    assert all(types == [] for types in drawn(2, caption=0, description=0, vqa=0))
    with pytest.raises(ValueError, match="part of every example"):
        TrainSettings(sampling_weights={"verdict": 2.0})
