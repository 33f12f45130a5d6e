"""The cluster bootstrap against scipy, by hand, and by its coverage."""

import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from vlm_autodrive.metrics import (
    Bootstrap,
    Ratio,
    classification,
    percentile_bounds,
    wilson,
)
from vlm_autodrive.metrics.bootstrap import bearing_clusters

NAMES = ("collision", "near_collision", "normal")


def test_cluster_sums():
    values = np.array([[1, 2], [3, 4], [5, 6]])
    assert Bootstrap([1, 0, 1]).sums(values).tolist() == [[6, 8], [3, 4]]


def test_bootstrap_of_a_mean_agrees_with_scipy():
    values = np.random.default_rng(1).normal(size=80)
    ours = Bootstrap(range(80), resamples=4000).mean(values)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_clusters_that_agree_within_widen_the_interval():
    """Forty groups of ten equal answers hold forty answers' worth of knowledge, not four hundred."""
    rng = np.random.default_rng(0)
    hits = np.repeat(rng.random(40) < 0.7, 10)
    clustered = Bootstrap([i // 10 for i in range(400)]).proportion(hits)
    ignored = Bootstrap(range(400)).proportion(hits)
    assert clustered.value == ignored.value
    assert clustered.method == "cluster bootstrap"
    assert ignored.method == "wilson"
    assert clustered.high - clustered.low > 2.5 * (ignored.high - ignored.low)


def test_coverage_of_the_cluster_bootstrap():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        rates = rng.beta(2, 1, size=60)  # mean 2/3
        hits = rng.random((60, 5)) < rates[:, None]
        figure = Bootstrap([i // 5 for i in range(300)], resamples=500, seed=trial).proportion(hits.ravel())
        covered += figure.low <= 2 / 3 <= figure.high
    assert 0.90 <= covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(50.0)
    four, again, five = (Bootstrap(range(50), seed=seed).mean(values) for seed in (4, 4, 5))
    assert four == again
    assert four != five


def test_agreement_of_all_clusters_is_no_certainty():
    figure = Bootstrap([i // 3 for i in range(60)]).proportion(np.ones(60, dtype=bool))
    assert figure.value == figure.high == 1
    assert figure.low == pytest.approx(proportion_confint(20, 20, method="wilson")[0])
    assert "wilson" in figure.method


@pytest.mark.parametrize("figure", ["always the same class", "never differing", "always as far off"])
def test_a_figure_without_spread_claims_no_certainty(figure):
    """Five clips of each class say little, however alike the resamples come out."""
    tables = np.zeros((15, 3, 4))
    tables[np.arange(15), np.arange(15) // 5, 2] = 1
    bootstrap = Bootstrap(range(15))
    found = {
        "always the same class": lambda: bootstrap.estimate(tables, classification.balanced_accuracy),
        "never differing": lambda: bootstrap.difference(tables, tables, classification.accuracy),
        "always as far off": lambda: bootstrap.mean(np.full(15, 0.3)),
    }[figure]()
    assert found.value == pytest.approx({"always the same class": 1 / 3, "never differing": 0}.get(figure, 0.3))
    assert (found.low, found.high) == (None, None)
    assert found.method == "no interval, as the resamples show no spread"


def test_bootstrap_is_quick():
    tables = np.random.default_rng(0).integers(0, 3, size=(1000, 3, 4)).astype(float)
    begun = time.perf_counter()
    figure = Bootstrap(range(1000)).estimate(tables, classification.macro_f1, 3000)
    assert time.perf_counter() - begun < 2
    assert figure.low < figure.value < figure.high


def test_percentiles_are_widened_for_few_clusters():
    """By hand for 10 clusters: t(0.975, 9) sqrt(10/9) = 2.3845, whose normal tail is 0.855 %."""
    drawn = np.arange(100_001) / 100_000
    assert percentile_bounds(drawn) == pytest.approx((0.025, 0.975))
    assert percentile_bounds(drawn, clusters=10) == pytest.approx((0.00855, 0.99145), abs=1e-5)
    assert percentile_bounds(drawn, clusters=10**7) == pytest.approx((0.025, 0.975), abs=1e-5)


def test_an_interval_rests_on_the_clusters_that_hold_the_class():
    tables = np.zeros((40, 2, 3))
    tables[:, 1, 1] = 3
    tables[:6, 0, 0], tables[:6, 0, 1] = [1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0]
    bootstrap = Bootstrap(range(40))
    narrow = bootstrap.estimate(tables, classification.accuracy, 126)
    recall = bootstrap.estimate(tables, lambda totals: classification.recall(totals)[..., 0], 6)
    assert bearing_clusters(tables, classification.accuracy) == 40
    assert bearing_clusters(tables, lambda totals: classification.recall(totals)[..., 0]) == 6
    drawn = classification.recall(bootstrap.resampled(tables))[..., 0]
    assert (recall.low, recall.high) == percentile_bounds(drawn, clusters=6)
    assert narrow.high - narrow.low < recall.high - recall.low


def test_one_cluster_gives_no_interval():
    figure = Bootstrap([0]).estimate(np.array([[3.0, 4.0]]), Ratio(0, 1), 4)
    assert (figure.value, figure.low, figure.high) == (0.75, None, None)
    assert "single cluster" in figure.method


def test_the_drawn_counts_are_those_of_whole_clusters():
    drawn = np.concatenate(list(Bootstrap(range(50), 3000, 1).draws()))
    assert (drawn.sum(axis=1) == 50).all()
    assert drawn.mean() == 1
    assert drawn.var() == pytest.approx(1 - 1 / 50, abs=0.02)  # of a multinomial distribution


def test_undefined_statistic():
    assert Bootstrap(range(5)).estimate(np.zeros((5, 2)), Ratio(0, 1), 0).value is None
    assert Bootstrap([]).mean(np.array([])).value is None


def test_clusters_are_numbered_anew():
    bootstrap = Bootstrap([7, 3, 7, 9])
    assert (bootstrap.clusters.tolist(), bootstrap.count) == ([0, 1, 0, 2], 3)
    assert bootstrap.select(np.array([False, True, False, True])).clusters.tolist() == [0, 1]


def test_a_proportion_among_some_records_still_draws_all_clusters():
    rng = np.random.default_rng(2)
    hits, among = rng.random(90) < 0.6, rng.random(90) < 0.5
    bootstrap = Bootstrap([i // 3 for i in range(90)])
    ours = bootstrap.proportion(hits, among=among)
    assert ours == bootstrap.estimate(np.column_stack([hits & among, among]), Ratio(0, 1), among.sum())
    assert Bootstrap(range(90)).proportion(hits, among=among) == wilson(int((hits & among).sum()), int(among.sum()))


def tables(truths, answers):
    return classification.one_hot_confusion(truths, answers, NAMES)


def test_the_difference_is_second_minus_first_and_paired():
    rng = np.random.default_rng(0)
    truths = rng.choice(NAMES, 300).tolist()
    base = [t if rng.random() < 0.5 else "normal" for t in truths]
    tuned = [t if b == t or rng.random() < 0.4 else b for t, b in zip(truths, base, strict=True)]  # never worse
    bootstrap = Bootstrap([i // 3 for i in range(300)])
    first, second = tables(truths, base), tables(truths, tuned)
    figure = bootstrap.difference(first, second, classification.accuracy)
    assert figure.value == pytest.approx(classification.accuracy(second.sum(0)) - classification.accuracy(first.sum(0)))
    assert 0 < figure.low < figure.value < figure.high
    same = bootstrap.difference(first, first, classification.macro_f1)
    assert (same.low, same.value, same.high) == (None, 0, None)


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(1)
    truths = rng.choice(NAMES, 200).tolist()
    base = [t if rng.random() < 0.5 else "normal" for t in truths]
    tuned = list(base)
    for index in range(0, 200, 20):
        tuned[index] = truths[index]
    first, second = tables(truths, base), tables(truths, tuned)
    order = rng.permutation(200)
    bootstrap = Bootstrap(range(200))
    paired = bootstrap.difference(first, second, classification.accuracy)
    unpaired = bootstrap.difference(first, second[order], classification.accuracy)
    assert paired.high - paired.low < 0.6 * (unpaired.high - unpaired.low)
