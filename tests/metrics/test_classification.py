import numpy as np
import pytest
from sklearn import metrics as sk

from vlm_autodrive.metrics import classification as c

NAMES = ("collision", "near_collision", "normal")


def random_case(seed, n=200):
    rng = np.random.default_rng(seed)
    truths = rng.choice(NAMES, n, p=[0.2, 0.3, 0.5]).tolist()
    answers = [t if rng.random() < 0.6 else rng.choice([*NAMES, None]) for t in truths]
    return truths, [None if a is None else str(a) for a in answers]


def test_rows_are_truth_and_columns_are_answers():
    table = c.confusion(["collision", "collision", "normal"], ["near_collision", None, "normal"], NAMES)
    assert table.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_no_answer_is_wrong_and_stays_in_the_denominator():
    table = c.confusion(["collision"] * 4, ["collision", None, None, "collision"], NAMES)
    assert c.accuracy(table) == 0.5
    assert c.recall(table)[0] == 0.5
    assert c.precision(table)[0] == 1.0
    assert c.f1(table)[0] == pytest.approx(2 / 3)


def test_undefined_is_nan_not_zero():
    table = c.confusion(["collision", "normal"], ["normal", "normal"], NAMES)
    assert np.isnan(c.precision(table)[0])
    assert c.f1(table)[0] == 0
    assert np.isnan(c.recall(table)[1])
    assert np.isnan(c.f1(table)[1])
    assert c.balanced_accuracy(table) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_against_scikit_learn(seed):
    truths, answers = random_case(seed)
    table = c.confusion(truths, answers, NAMES)
    filled = ["no answer" if a is None else a for a in answers]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truths, filled, labels=NAMES, zero_division=np.nan)
    np.testing.assert_allclose(c.precision(table), precision)
    np.testing.assert_allclose(c.recall(table), recall)
    np.testing.assert_allclose(c.f1(table), f1)
    assert c.accuracy(table) == pytest.approx(sk.accuracy_score(truths, filled))
    assert c.macro_f1(table) == pytest.approx(sk.f1_score(truths, filled, labels=NAMES, average="macro"))
    assert c.balanced_accuracy(table) == pytest.approx(recall.mean())


def test_figures_are_vectorised_over_leading_axes():
    tables = np.stack([c.confusion(*random_case(seed), NAMES) for seed in range(4)])
    for figure in (c.accuracy, c.macro_f1, c.balanced_accuracy, c.recall, c.precision, c.f1):
        np.testing.assert_allclose(figure(tables), np.stack([figure(table) for table in tables]))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="zip"):
        c.confusion(["normal"], [], NAMES)
