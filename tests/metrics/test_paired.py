import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests

from vlm_autodrive.metrics import classification
from vlm_autodrive.metrics.intervals import cluster_sums
from vlm_autodrive.metrics.paired import holm, mcnemar, paired_difference

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


def tables(truths, answers, clusters):
    return cluster_sums(classification.one_hot_confusion(truths, answers, NAMES), clusters)


def test_the_difference_is_second_minus_first_and_paired():
    rng = np.random.default_rng(0)
    truths = rng.choice(NAMES, 300).tolist()
    base = [t if rng.random() < 0.5 else "normal" for t in truths]
    tuned = [t if b == t or rng.random() < 0.4 else b for t, b in zip(truths, base, strict=True)]  # never worse
    clusters = [i // 3 for i in range(300)]
    first, second = tables(truths, base, clusters), tables(truths, tuned, clusters)
    figure = paired_difference(first, second, classification.accuracy, 300)
    assert figure.value == pytest.approx(classification.accuracy(second.sum(0)) - classification.accuracy(first.sum(0)))
    assert 0 < figure.low < figure.value < figure.high
    same = paired_difference(first, first, classification.macro_f1, 300)
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(1)
    truths = rng.choice(NAMES, 200).tolist()
    base = [t if rng.random() < 0.5 else "normal" for t in truths]
    tuned = list(base)
    for index in range(0, 200, 20):
        tuned[index] = truths[index]
    first, second = tables(truths, base, range(200)), tables(truths, tuned, range(200))
    order = rng.permutation(200)
    paired = paired_difference(first, second, classification.accuracy, 200)
    unpaired = paired_difference(first, second[order], classification.accuracy, 200)
    assert paired.high - paired.low < 0.6 * (unpaired.high - unpaired.low)
