"""Intervals over seeds and clips: against the cluster bootstrap, figures by hand, and their coverage in simulation."""

import numpy as np
import pytest
from scipy import stats

from vlm_autodrive.metrics import (
    Bootstrap,
    Ratio,
    classification,
    difference_over_seeds,
    over_seeds,
)

PROPORTION = Ratio(0, 1)
FORTY = Bootstrap(range(40))


def counts_of(right):
    """Hits and trials from an array [seeds, clusters] of hits in two trials each."""
    right = np.asarray(right, dtype=float)
    return np.stack([right, np.full_like(right, 2.0)], axis=-1)


def drawn_counts(rng, seeds, clusters, spread):
    """Clusters that differ by 1 and seeds that differ by ``spread`` in probits, and the true mean of all."""
    of_clips, of_seeds = rng.normal(0, 1, clusters), rng.normal(0, spread, (seeds, 1))
    probits = 0.5 + of_clips + of_seeds + rng.normal(0, 0.5, (seeds, clusters))
    truth = stats.norm.cdf(0.5 / np.sqrt(1 + 1 + spread**2 + 0.25))
    return counts_of(rng.binomial(2, stats.norm.cdf(probits))), truth


def test_one_seed_is_the_cluster_bootstrap():
    counts, _ = drawn_counts(np.random.default_rng(1), 1, 40, 0.2)
    ours, plain = over_seeds(counts, PROPORTION, FORTY), FORTY.estimate(counts[0], PROPORTION)
    assert (ours.value, ours.low, ours.high, ours.method) == (plain.value, plain.low, plain.high, plain.method)
    other, _ = drawn_counts(np.random.default_rng(2), 1, 40, 0.2)
    ours, plain = (
        difference_over_seeds(counts, other, PROPORTION, FORTY),
        FORTY.difference(counts[0], other[0], PROPORTION),
    )
    assert (ours.value, ours.low, ours.high, ours.method) == (plain.value, plain.low, plain.high, plain.method)


def test_seeds_that_agree_add_nothing():
    counts, _ = drawn_counts(np.random.default_rng(1), 1, 40, 0.2)
    thrice = over_seeds(np.repeat(counts, 3, axis=0), PROPORTION, FORTY)
    once = over_seeds(counts, PROPORTION, FORTY)
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high), abs=1e-12)


def test_where_clips_cannot_vary_it_is_students_interval_of_the_seeds():
    """All clusters alike: hits of 1, 1, 1 and 2 in two trials are shares of 0.5 and 1, with a variance of 1/16."""
    half = 3.182446305284263 * np.sqrt((1 / 16) / 4)  # t of 3 degrees of freedom
    nine = Bootstrap(range(9))
    figure = over_seeds(counts_of([[1] * 9, [1] * 9, [1] * 9, [2] * 9]), PROPORTION, nine)
    assert (figure.value, figure.low, figure.high) == pytest.approx((5 / 8, 5 / 8 - half, 1.0))
    change = difference_over_seeds(
        counts_of([[1] * 9] * 4), counts_of([[1] * 9] * 3 + [[2] * 9]), PROPORTION, Bootstrap(range(9))
    )
    assert (change.value, change.low, change.high) == pytest.approx((1 / 8, 1 / 8 - half, 1 / 8 + half))


def test_where_all_agree_the_clusters_still_leave_doubt():
    figure = over_seeds(counts_of([[2] * 20, [2] * 20]), PROPORTION, Bootstrap(range(20)))
    assert (figure.value, figure.high) == (1.0, 1.0)
    assert figure.low == pytest.approx(0.8388748419471, abs=1e-9)  # Wilson: 20 of 20


def test_tables_of_classes_and_what_is_undefined():
    names = ("a", "b")
    table = classification.one_hot_confusion(["a", "b", "a", "b"], ["a", "b", "b", None], names)
    figure = over_seeds(np.stack([table, table]), classification.accuracy, Bootstrap(range(4)))
    assert (figure.value, figure.n) == (0.5, 4)
    assert over_seeds(np.zeros((2, 0, 2)), PROPORTION, Bootstrap([])).value is None
    assert over_seeds(np.zeros((0, 3, 2)), PROPORTION, Bootstrap(range(3))).value is None
    assert over_seeds(np.zeros((2, 3, 2)), PROPORTION, Bootstrap(range(3))).value is None
    with pytest.raises(ValueError, match="differ in shape"):
        difference_over_seeds(np.zeros((1, 3, 2)), np.zeros((2, 3, 2)), PROPORTION, Bootstrap(range(3)))


@pytest.mark.parametrize("clusters", [8, 15])
def test_few_clusters_are_covered_too(clusters):
    assert coverage(3, clusters, 0.1) >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / 300)


def test_both_variances_are_unbiased_and_have_their_degrees_of_freedom():
    """Five drives of 8 to 12 hits at most in 20 trials, for two seeds that differ by 0.02 throughout."""
    hits = np.array([8.0, 9.0, 10.0, 11.0, 12.0])
    counts = np.stack([np.stack([hits + more, np.full(5, 20.0)], axis=-1) for more in (0.0, 0.4)])
    figure = difference_over_seeds(counts * [0, 1], counts, PROPORTION, Bootstrap(range(5), 20000))
    of_seeds, of_clips = 0.02**2 / 2 / 2, (hits / 20).var(ddof=1) / 5
    freedom = (of_seeds + of_clips) ** 2 / (of_seeds**2 / 1 + of_clips**2 / 4)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(of_seeds + of_clips)
    assert figure.value == pytest.approx(0.51)
    assert (figure.high - figure.low) / 2 == pytest.approx(half, rel=0.05)  # five drives' mean is nearly normal


def test_a_single_cluster_has_no_interval():
    figure = over_seeds(counts_of([[1], [2]]), PROPORTION, Bootstrap([0]))
    assert (figure.low, figure.method) == (None, "no interval from a single cluster")


def coverage(seeds, clusters, spread, repeats=300):
    rng = np.random.default_rng([seeds, clusters, round(100 * spread)])
    hits = 0
    for _ in range(repeats):
        counts, truth = drawn_counts(rng, seeds, clusters, spread)
        figure = over_seeds(counts, PROPORTION, Bootstrap(range(clusters), 400))
        hits += figure.low <= truth <= figure.high
    return hits / repeats


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("spread", [0.1, 0.3])
def test_the_interval_covers_what_another_training_on_other_clips_would_bring(seeds, spread):
    """At least 92 %, less three standard errors of 300 repeats at 92 %."""
    assert coverage(seeds, 100, spread) >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / 300)


def test_the_clips_alone_do_not_cover_it():
    """Why the seeds are in it: with one seed the interval says nothing of how trainings differ."""
    assert coverage(1, 100, 0.6, repeats=100) < 0.6
