"""The sample of a review is fair, and the same whenever it is drawn anew."""

from collections import Counter

import pytest

from tests.supervision.review.review_world import SIZES, many_samples
from vlm_autodrive.errors import UserError
from vlm_autodrive.supervision import ReviewSettings, draw_samples, review_item_id
from vlm_autodrive.supervision.review.sampling import strata_of


def counts(drawn, clips):
    return {name: len(found) for name, found in strata_of(drawn, clips).items()}


def test_every_stratum_is_seen_before_any_is_seen_again():
    samples, clips = many_samples(SIZES)
    drawn = draw_samples(samples, clips, ReviewSettings(samples=30))
    assert len(drawn) == len({sample.sample_id for sample in drawn}) == 30
    assert counts(drawn[: len(SIZES)], clips) == dict.fromkeys(counts(samples, clips), 1)


def test_larger_strata_get_more_but_not_all():
    samples, clips = many_samples(SIZES)
    sizes = counts(samples, clips)
    drawn = {sizes[name]: count for name, count in counts(
        draw_samples(samples, clips, ReviewSettings(samples=60)), clips
    ).items()}  # fmt: skip
    assert drawn[800] > drawn[90] > drawn[7] > drawn[1] == 1
    assert drawn[800] < 60 * 800 / len(samples)


def test_the_draw_depends_on_the_seed_alone():
    samples, clips = many_samples(SIZES)
    first, again, other = (draw_samples(samples, clips, ReviewSettings(samples=20, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)


def test_each_sample_of_a_stratum_is_drawn_equally_often():
    samples, clips = many_samples((("vqa", "rules", True, 10), ("vqa", "model", True, 10)))
    seen = Counter(
        sample.sample_id
        for seed in range(600)
        for sample in draw_samples(samples, clips, ReviewSettings(samples=6, seed=seed))
    )
    assert len(seen) == 20
    assert all(130 < count < 230 for count in seen.values())  # 180 each


def test_a_sample_may_be_all_there_is():
    samples, clips = many_samples(SIZES[2:])
    assert sorted(draw_samples(samples, clips, ReviewSettings(samples=5000)), key=samples.index) == samples


def test_too_small_a_draw_and_types_without_samples_are_refused():
    samples, clips = many_samples(SIZES)
    with pytest.raises(UserError, match=r"fewer than the 6 strata.*--samples 6 or more"):
        draw_samples(samples, clips, ReviewSettings(samples=5))
    with pytest.raises(UserError, match="no samples of the types verdict"):
        draw_samples(samples, clips, ReviewSettings(types=("verdict",)))
    only = draw_samples(samples, clips, ReviewSettings(types=("caption", "reasoning")))
    assert {sample.type for sample in only} == {"caption", "reasoning"}


def test_without_a_number_each_of_many_strata_is_drawn():
    samples, clips = many_samples(tuple(("vqa", f"teacher {number}", True, 2) for number in range(120)))
    assert len(draw_samples(samples, clips, ReviewSettings())) == 120


def test_another_text_is_another_item():
    samples, _ = many_samples(SIZES[-1:])
    (sample,) = samples
    other = sample.prompt.model_copy(update={"text": "What?"})
    ids = {
        review_item_id(sample),
        review_item_id(sample.model_copy(update={"target": "x"})),
        review_item_id(sample.model_copy(update={"prompt": other})),
    }
    assert len(ids) == 3
    assert review_item_id(sample.model_copy(update={"checks": ()})) in ids
