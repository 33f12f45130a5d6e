import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.rates import confint_poisson

from vlm_autodrive.metrics import (
    few_clusters_warning,
    stratified_proportion,
    wilson,
)
from vlm_autodrive.metrics.intervals import poisson_rate, wilson_bounds


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 7), (27, 30), (10, 10), (450, 1000)])
def test_wilson_against_statsmodels(successes, n):
    figure = wilson(successes, n)
    low, high = proportion_confint(successes, n, method="wilson")
    assert (figure.low, figure.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert figure.value == successes / n


def test_wilson_of_nothing_is_undefined():
    assert wilson(0, 0).value is None


@pytest.mark.parametrize(("count", "hours"), [(0, 2.0), (1, 0.5), (12, 3.0)])
def test_garwood_against_statsmodels(count, hours):
    figure = poisson_rate(count, hours)
    low, high = confint_poisson(count, hours, method="exact-c")
    assert figure.low == pytest.approx(0.0 if count == 0 else low)
    assert figure.high == pytest.approx(high)
    assert figure.value == count / hours


def test_few_clusters_are_warned_about():
    assert few_clusters_warning(30) == ""
    assert "Only 29" in few_clusters_warning(29)


def test_one_stratum_is_the_plain_wilson_interval():
    for good, n in ((0, 5), (3, 7), (40, 50), (12, 12)):
        figure, plain = stratified_proportion([900], [[1] * good + [0] * (n - good)]), wilson(good, n)
        assert (figure.value, figure.n) == (plain.value, n)
        assert (figure.low, figure.high) == (pytest.approx(plain.low), pytest.approx(plain.high))


def test_strata_count_by_their_size():
    figure = stratified_proportion([900, 100], [[1, 1, 0, 1], [0, 0]])
    assert figure.value == pytest.approx(0.9 * 0.75)
    assert figure.n == 6


def test_strata_that_nobody_judged_are_left_out():
    assert stratified_proportion([100, 900], [[1, 0], []]) == stratified_proportion([100], [[1, 0]])
    assert stratified_proportion([100], [[]]).value is None


def test_where_all_is_good_the_interval_still_has_a_width():
    figure = stratified_proportion([900, 100], [[1] * 10, [1] * 10])
    assert figure.value == figure.high == 1
    # one stratum of 900 was seen ten times only: less is known than from twenty even draws
    assert wilson(10, 10).low < figure.low < wilson(20, 20).low


def test_a_stratum_of_which_little_is_known_widens_the_interval():
    figure = stratified_proportion([300, 700], [[1, 0, 1, 0, 1, 0], [1] * 60])
    # by hand: means drawn in 3.85/7 = 0.55 and 60.85/61; variance 0.09 * 0.2475 / 6 + 0.49 * 0.002453 / 60
    effective = 0.85 * 0.15 / (0.0037125 + 0.00002003)
    assert effective < 1 / (0.09 / 6 + 0.49 / 60)  # what the weights alone would leave
    assert (figure.low, figure.high) == pytest.approx(wilson_bounds(0.85, effective), abs=1e-5)


@pytest.mark.parametrize("shares", [(0.9, 0.5, 0.99, 0.2), (1.0, 0.9, 1.0, 1.0), (0.5, 0.5, 0.5, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(shares):
    sizes, counts = (2000, 300, 100, 20), (14, 8, 5, 2)
    truth = float(np.average(shares, weights=sizes))
    rng = np.random.default_rng(1)
    figures = [
        stratified_proportion(sizes, [list(rng.random(count) < p) for count, p in zip(counts, shares, strict=True)])
        for _ in range(1500)
    ]
    held = np.mean([figure.low <= truth <= figure.high for figure in figures])
    assert held > 0.93
    values = [figure.value for figure in figures]
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / len(values) ** 0.5
