"""The rates that follow from decisions are unbiased, and say what they do not know."""

from collections import Counter

import numpy as np
import pytest

from tests.supervision.review.review_world import SIZES, decided, many_samples
from vlm_autodrive.metrics import wilson
from vlm_autodrive.supervision import ReviewSettings, acceptance_rates, draw_samples, review_strata


def judged_by(drawn, good, reviewer="ada"):
    """What a reviewer says who knows which samples are good."""
    return [
        decided(number, sample, "accept", reviewer)
        if good(sample)
        else decided(number, sample, "reject", reviewer, rejection="time")
        for number, sample in enumerate(drawn)
    ]


def test_the_weighted_rate_is_unbiased_where_the_plain_share_is_not():
    samples, clips = many_samples(SIZES)
    rng = np.random.default_rng(0)
    # Bad samples are commonest where the strata are small, which the sample holds more of than the whole does.
    share_bad = {0: 0.05, 1: 0.1, 2: 0.4, 3: 0.6, 4: 0.9, 5: 0.0}
    bad = {sample.sample_id for sample in samples if rng.random() < share_bad[int(sample.sample_id.partition("/")[0])]}
    truth = float(np.mean([sample.sample_id not in bad for sample in samples if sample.accepted]))
    strata = review_strata(samples, clips)
    rates, plain, held = [], [], []
    for seed in range(300):
        drawn = draw_samples(samples, clips, ReviewSettings(samples=40, seed=seed))
        found = acceptance_rates(strata, judged_by(drawn, lambda sample: sample.sample_id not in bad)).accepted.rate
        rates.append(found.value)
        held.append(found.low <= truth <= found.high)
        plain.append(np.mean([sample.sample_id not in bad for sample in drawn if sample.accepted]))
    error = np.std(rates) / len(rates) ** 0.5
    assert abs(np.mean(rates) - truth) < 3.5 * error
    assert abs(np.mean(plain) - truth) > 10 * error
    assert np.mean(held) > 0.93


def test_a_sample_of_everything_gives_the_very_shares():
    samples, clips = many_samples(SIZES[2:])
    bad = set(samples[::3])
    result = acceptance_rates(review_strata(samples, clips), judged_by(samples, lambda sample: sample not in bad))

    def share(chosen):
        good = Counter(sample not in bad for sample in chosen)
        return pytest.approx(good[True] / good.total())

    assert result.judged == len(samples)
    assert result.reasons == {"time": len(bad)}
    assert result.accepted.rate.value == share([each for each in samples if each.accepted])
    assert result.rejected.rate.value == share([each for each in samples if not each.accepted])
    assert result.accepted_by["teacher"]["model"].rate.value == share(
        [each for each in samples if each.accepted and each.teacher == "model"]
    )
    caption, plain = result.accepted_by["type"]["caption"].rate, wilson(60, 90)
    assert (caption.low, caption.high) == (pytest.approx(plain.low), pytest.approx(plain.high))


def test_two_reviewers_agree_or_not_and_a_sample_counts_by_who_took_it():
    samples, clips = many_samples(SIZES[:1])
    ada = judged_by(samples[:20], lambda sample: sample is not samples[3])
    bob = judged_by(samples[:10], lambda sample: sample not in samples[3:5], "bob")
    result = acceptance_rates(review_strata(samples, clips), [*ada, *bob])
    (pair,) = result.agreement
    assert (pair.first, pair.second, pair.alike.n, pair.alike.value) == ("ada", "bob", 10, 0.9)
    assert pair.cohen_kappa == pytest.approx((0.9 - 0.74) / 0.26)
    assert (result.judged, result.reviewers) == (20, {"ada": 20, "bob": 10})
    one = [decided(0, samples[4], "accept"), decided(1, samples[4], "reject", "bob", rejection="other")]
    rate = acceptance_rates(review_strata(samples, clips), one).accepted.rate
    assert (rate.value, rate.n) == (0.5, 1)


def test_a_text_that_was_corrected_was_not_accepted():
    samples, clips = many_samples(SIZES[-1:])
    result = acceptance_rates(review_strata(samples, clips), [decided(0, samples[0], "correct", target="better")])
    assert (result.accepted.rate.value, result.corrected, result.reasons) == (0.0, 1, {})


def test_few_decisions_and_strata_without_any_are_said():
    samples, clips = many_samples(SIZES)
    strata = review_strata(samples, clips)
    drawn = draw_samples(samples, clips, ReviewSettings(samples=60))
    result = acceptance_rates(strata, judged_by(drawn[:3], lambda sample: True))
    assert result.accepted.in_unreviewed_strata > 0
    assert any("interval is wide" in warning for warning in result.warnings)
    assert any("none is judged yet" in warning for warning in result.warnings)
    assert acceptance_rates(strata, judged_by(drawn, lambda sample: True)).warnings == ()
    nothing = acceptance_rates(strata, [])
    assert nothing.accepted.rate.value is None
    assert nothing.accepted.in_unreviewed_strata == nothing.accepted.size


def test_decisions_on_other_texts_say_nothing():
    samples, clips = many_samples(SIZES[-1:])
    other = samples[0].model_copy(update={"target": "as it was before the set was made anew"})
    assert acceptance_rates(review_strata(samples, clips), [decided(0, other, "accept")]).judged == 0
