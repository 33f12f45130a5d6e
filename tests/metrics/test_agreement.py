"""Cohen's kappa by hand; Krippendorff's alpha against the package of that name and tables worked out by hand."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from vlm_autodrive.metrics import Bootstrap, agreement, cohen_kappa, krippendorff_alpha_estimate
from vlm_autodrive.metrics.agreement import krippendorff_alpha


def oracle(units, level="ordinal"):
    graders = max(len(grades) for grades in units)
    table = np.array([[*grades, *[np.nan] * (graders - len(grades))] for grades in units], dtype=float).T
    return krippendorff.alpha(reliability_data=table, level_of_measurement=level)


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=2, max_size=30))
def test_it_equals_the_oracle(units):
    paired = [grade for grades in units if len(grades) > 1 for grade in grades]
    if len(set(paired)) < 2:
        assert np.isnan(krippendorff_alpha(units))
    else:
        assert krippendorff_alpha(units) == pytest.approx(oracle(units), abs=1e-9)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=2, max_size=30))
def test_of_classes_it_equals_the_oracle(units):
    paired = [grade for grades in units if len(grades) > 1 for grade in grades]
    if len(set(paired)) < 2:
        assert np.isnan(krippendorff_alpha(units, "nominal"))
    else:
        assert krippendorff_alpha(units, "nominal") == pytest.approx(oracle(units, "nominal"), abs=1e-9)


def test_it_equals_the_oracle_on_means_of_grades():
    rng = np.random.default_rng(0)
    judge = rng.integers(1, 6, 300)
    people = np.round(2 * np.clip(judge + rng.normal(0, 0.8, 300), 1, 5)) / 2
    units = list(zip(judge.astype(float), people, strict=True))
    assert krippendorff_alpha(units) == pytest.approx(oracle(units), abs=1e-9)


@pytest.mark.parametrize(
    ("units", "alpha"),
    [
        ([(1, 1), (3, 3), (5, 5)], 1.0),
        # Grades 1 and 2 twice each: their difference is 4 - (2 + 2) / 2 = 2; 1 - 3 * 4 * 4 / (2 * 2 * 2 * 4).
        ([(1, 2), (2, 1)], -0.5),
        # 1 once, 2 twice, 3 once: neighbours lie 1.5 apart. Observed: both pairs, each both ways, 4 * 2.25 = 9;
        # expected (2 * 2 * 2.25 * 2 + 2 * 9) / 3 = 12.
        ([(1, 2), (2, 3)], 0.25),
    ],
)
def test_it_equals_what_is_worked_out_by_hand(units, alpha):
    assert krippendorff_alpha(units) == pytest.approx(alpha, abs=1e-12)


def test_the_interval_covers_the_value_and_is_wider_in_clusters():
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.integers(1, 6, 40), 5)
    units = [(float(grade), float(np.clip(grade + rng.integers(-1, 2), 1, 5))) for grade in truth]
    apart = krippendorff_alpha_estimate(units, Bootstrap(range(200)))
    together = krippendorff_alpha_estimate(units, Bootstrap(np.repeat(np.arange(40), 5).tolist()))
    assert apart.value == together.value == pytest.approx(krippendorff_alpha(units))
    assert together.low < apart.low < apart.value < apart.high < together.high
    assert apart.n == 200
    assert krippendorff_alpha_estimate(units, Bootstrap(range(200))) == apart  # seeded


def test_things_graded_once_say_nothing():
    figure = krippendorff_alpha_estimate([(1,), (2, 3), (4, 4), (5,)], Bootstrap([0, 1, 2, 3]))
    assert figure.n == 2
    assert figure.value == pytest.approx(krippendorff_alpha([(2, 3), (4, 4)]))
    assert krippendorff_alpha_estimate([(1,)], Bootstrap([0])).value is None
    assert krippendorff_alpha_estimate([(2, 2), (2, 2)], Bootstrap([0, 1])).value is None


@pytest.mark.parametrize("differing", [1, 2, 6])
def test_units_on_which_graders_agree_bear_on_the_interval(differing):
    """Alone, such a unit has no alpha; that must not leave the interval to the few on which they differ."""
    rng = np.random.default_rng(2)
    units = [(float(grade), float(grade)) for grade in rng.integers(1, 6, 60)]
    units[:differing] = [(grade, grade % 5 + 1) for grade, _ in units[:differing]]
    figure = krippendorff_alpha_estimate(units, Bootstrap(range(60)))
    rows = np.random.default_rng(3).integers(60, size=(500, 60))
    by_hand = np.percentile([krippendorff_alpha([units[i] for i in row]) for row in rows], [2.5, 97.5])
    assert (figure.low, figure.high) == pytest.approx(tuple(by_hand), abs=0.03)
    assert figure.method == "cluster bootstrap"


def test_kappa_by_hand():
    # 6 of 10 alike; by chance (5 * 4 + 5 * 6) / 100 = 0.5
    first = ["a"] * 5 + ["b"] * 5
    second = ["a", "a", "b", "b", "b", "a", "a", "b", "b", "b"]
    assert cohen_kappa(first, second) == pytest.approx((0.5 - 0.5) / 0.5)
    assert cohen_kappa(first, ["a"] * 4 + ["b"] * 6) == pytest.approx((0.9 - 0.5) / 0.5)
    assert cohen_kappa(first, ["a"] * 10) == 0
    assert cohen_kappa(["b", "a"], ["b", "a"]) == 1


def test_kappa_against_scikit_learn():
    rng = np.random.default_rng(3)
    first = rng.random(60) < 0.7
    second = first ^ (rng.random(60) < 0.2)
    found = agreement("a", "b", list(zip(first.tolist(), second.tolist(), strict=True)))
    assert found.cohen_kappa == pytest.approx(cohen_kappa_score(first, second))
    assert found.alike.value == pytest.approx(np.mean(first == second))


def test_agreement_without_anything_to_tell_apart_has_no_kappa():
    assert agreement("a", "b", [(True, True)] * 4).cohen_kappa is None
    assert agreement("a", "b", []).alike.value is None
