import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests

from vlm_autodrive.metrics import (
    Bootstrap,
    Estimate,
    McNemar,
    Ratio,
    clips_to_settle,
    design_effect,
    holm,
    mcnemar,
    minimum_detectable_difference,
    sign_flip_p_value,
    slice_p_value,
)
from vlm_autodrive.metrics.significance import DRAWS


def test_a_difference_of_the_size_that_is_detectable_is_shown_four_times_in_five():
    rng, n, base = np.random.default_rng(4), 300, 0.6
    independent = Bootstrap(range(n), resamples=400)

    def difference(true):
        first = rng.random(n) < base
        lost, won = rng.random(n) < 0.1, rng.random(n) < (true + 0.1 * base) / (1 - base)
        second = np.where(first, ~lost, won)
        return independent.difference(_hits(first), _hits(second), Ratio(0, 1))

    detectable = np.mean([minimum_detectable_difference(difference(0.08)) for _ in range(100)])
    shown = np.mean([difference(detectable).low > 0 for _ in range(400)])
    assert 0.74 < shown < 0.87


def _hits(right):
    return np.column_stack([right, np.ones(len(right))])


def test_what_is_detectable_is_2_8_standard_errors():
    seen = Estimate(value=0.1, low=0.1 - 1.959964, high=0.1 + 1.959964, n=9, method="")
    assert minimum_detectable_difference(seen) == pytest.approx(1.959964 + 0.841621, abs=1e-5)
    assert minimum_detectable_difference(Estimate(value=0.1, low=None, high=None, n=9, method="")) is None


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_against_statsmodels(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random(60) < 0.6, rng.random(60) < 0.75
    table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
    test = mcnemar(first.tolist(), second.tolist())
    assert test.p_value == pytest.approx(sm_mcnemar(table, exact=True).pvalue)
    assert (test.only_first, test.only_second) == (table[0][1], table[1][0])


def test_mcnemar_by_hand():
    test = mcnemar([False] * 6 + [True], [True] * 6 + [True])
    assert (test.only_first, test.only_second) == (0, 6)
    assert test.p_value == pytest.approx(2 / 64)
    assert mcnemar([True], [True]).p_value == 1.0


def test_mcnemar_wants_pairs():
    with pytest.raises(ValueError, match="zip"):
        mcnemar([True], [])


def test_holm_against_statsmodels():
    values = [0.04, 0.001, 0.2, 0.03]
    np.testing.assert_allclose(holm(values), multipletests(values, method="holm")[1])


def test_so_many_clips_reach_the_power():
    """Of test sets of that size, drawn with the discordant rates seen, 80 % show the difference."""
    needed = clips_to_settle(McNemar(only_first=12, only_second=20, p_value=1.0), 100)
    assert needed == 391  # (1.95996 sqrt(0.32) + 0.84162 sqrt(0.32 - 0.0064))^2 / 0.08^2
    rng = np.random.default_rng(0)
    split = rng.multinomial(needed, [0.12, 0.20, 0.68], size=4000)
    shown = [stats.binomtest(int(a), int(a + b), 0.5).pvalue <= 0.05 for a, b, _ in split]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.035)  # the exact test is a little cautious
    assert clips_to_settle(McNemar(only_first=3, only_second=3, p_value=1.0), 100) is None


def test_the_design_effect_of_clusters():
    rng = np.random.default_rng(1)
    each = rng.choice([-1, 0, 1], 200)
    assert design_effect(each.tolist(), Bootstrap(range(200))) == pytest.approx(1)
    alike = np.repeat(each, 4)
    assert design_effect(alike.tolist(), Bootstrap([i // 4 for i in range(800)])) == pytest.approx(4, rel=0.01)
    assert design_effect([1, -1] * 100, Bootstrap([i // 2 for i in range(200)])) == 1  # evening out earns nothing
    assert design_effect([1], Bootstrap([0])) == 1


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=11))
def test_sign_flips_against_scipy(differences):
    def total(values, axis):
        return values.sum(axis=axis)

    theirs = stats.permutation_test(
        (np.array(differences, dtype=float),), total, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_p_value(differences) == pytest.approx(theirs.pvalue, abs=1e-9)


def test_one_clip_a_cluster_is_mcnemar():
    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.6, rng.random(200) < 0.7
    test = mcnemar(first.tolist(), second.tolist())
    ours = sign_flip_p_value((second.astype(int) - first.astype(int)).tolist())
    assert ours == pytest.approx(test.p_value, abs=1e-9)


def test_many_clusters_are_still_counted_exactly():
    differences = np.random.default_rng(1).integers(-3, 4, 4000)
    ours = sign_flip_p_value(differences.tolist())
    normal = 2 * stats.norm.sf((abs(differences.sum()) - 0.5) / np.sqrt((differences**2).sum()))
    assert ours == pytest.approx(normal, abs=0.01)
    assert sign_flip_p_value([0, 0]) == 1
    assert sign_flip_p_value([]) == 1
    assert sign_flip_p_value([3] * 12) == pytest.approx(2 / 2**12, abs=1e-15)


def standard_error(p):
    return 5 * np.sqrt(p * (1 - p) / DRAWS) + 2 / DRAWS


@pytest.mark.parametrize("seed", range(4))
def test_whole_clusters_against_scipy(seed):
    rng = np.random.default_rng(seed)
    clips = rng.integers(1, 5, 11)
    table = np.column_stack([rng.binomial(clips, 0.6), clips])
    first = 4

    def difference(x, y, axis):
        inside, outside = table[x.astype(int)].sum(axis=-2), table[y.astype(int)].sum(axis=-2)
        return inside[..., 0] / inside[..., 1] - outside[..., 0] / outside[..., 1]

    places = np.arange(11.0)
    theirs = stats.permutation_test(
        (places[:first], places[first:]), difference, n_resamples=np.inf, vectorized=True, axis=-1
    )
    exact = np.mean(np.abs(theirs.null_distribution) >= abs(theirs.statistic) - 1e-12)
    none = np.zeros_like(table)
    is_inside = (np.arange(11) < first)[:, None]
    ours = slice_p_value(np.where(is_inside, table, none), np.where(is_inside, none, table))
    assert ours == pytest.approx(exact, abs=standard_error(exact))


def test_a_slice_through_clusters_is_drawn_within_them():
    """Eight clusters of one clip inside and one outside: as McNemar's test on which of the two is right."""
    inside, outside = np.array([[1, 1]] * 7 + [[0, 1]]), np.array([[0, 1]] * 7 + [[1, 1]])
    exact = stats.binomtest(7, 8).pvalue
    assert slice_p_value(inside, outside) == pytest.approx(exact, abs=standard_error(exact))


def test_a_drawn_p_value_is_never_zero():
    """40 night clips wrong and 40 others right: no draw comes near, and the least that 500 draws can show is 1/501."""
    inside, outside = np.zeros((80, 2), dtype=np.int64), np.zeros((80, 2), dtype=np.int64)
    inside[:40, 1] = 1
    outside[40:] = 1
    assert slice_p_value(inside, outside, draws=500) == pytest.approx(1 / 501, abs=1e-12)


def test_independent_clips_against_the_hypergeometric_distribution():
    inside = np.array([[1, 1]] * 6 + [[0, 1]] * 14 + [[0, 0]] * 40)
    outside = np.array([[0, 0]] * 20 + [[1, 1]] * 26 + [[0, 1]] * 14)
    right = np.arange(21)
    gap = np.abs(right / 20 - (32 - right) / 40)
    exact = stats.hypergeom.pmf(right, 60, 32, 20)[gap >= gap[6] - 1e-12].sum()
    assert slice_p_value(inside, outside) == pytest.approx(exact, abs=standard_error(exact))


def test_clusters_that_agree_within_say_less():
    rng = np.random.default_rng(3)
    night = np.arange(20) < 10
    right = np.where(night, rng.random(20) < 0.5, rng.random(20) < 0.9)
    whole = np.column_stack([right * 10, np.full(20, 10)])
    clustered = slice_p_value(whole * night[:, None], whole * ~night[:, None])
    loose = np.repeat(np.column_stack([right, np.ones(20)]).astype(int), 10, axis=0)
    inside = np.repeat(night, 10)[:, None]
    assert slice_p_value(loose * inside, loose * ~inside) < 0.001 < clustered
