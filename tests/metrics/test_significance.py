import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests

from vlm_autodrive.metrics import (
    Bootstrap,
    McNemar,
    classification,
    clips_to_settle,
    design_effect,
    holm,
    mcnemar,
)

NAMES = ("collision", "near_collision", "normal")


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
