import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.metrics import Bootstrap, percentile_bounds, risk_coverage


def slow_area(confidence, right, drawn=None):
    """Mean over coverages k / n of the mean risk of the first k clips, over the orders that ties allow."""
    drawn = np.arange(len(confidence)) if drawn is None else drawn
    confidence, right = confidence[drawn], right[drawn]
    risks, seen, wrong = [], 0, 0
    for level in sorted(set(confidence.tolist()), reverse=True):
        here = confidence == level
        count, errors = int(here.sum()), int((here & ~right).sum())
        risks += [(wrong + j * errors / count) / (seen + j) for j in range(1, count + 1)]
        seen, wrong = seen + count, wrong + errors
    return np.mean(risks)


def test_by_hand():
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True])
    curve, area = risk_coverage(confidence, right, Bootstrap(range(4), resamples=200))
    assert curve.x == (0.25, 0.5, 0.75, 1.0)
    assert curve.y == pytest.approx((0, 1 / 2, 1 / 3, 1 / 4))
    assert curve.thresholds == (0.9, 0.8, 0.7, 0.6)
    assert area.value == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4, abs=1e-12)


def test_ties_come_in_random_order():
    rng = np.random.default_rng(0)
    right = np.array([True, False, True, False, True])
    area = risk_coverage(np.full(5, 0.5), right, Bootstrap(range(5), resamples=200))[1].value
    assert area == pytest.approx(0.4, abs=1e-12)  # the share wrong, at every coverage
    confidence = np.array([0.9, 0.9, 0.9, 0.2, 0.2])
    orders = [slow_area(confidence + 1e-9 * rng.random(5), right) for _ in range(4000)]
    exact = risk_coverage(confidence, right, Bootstrap(range(5), resamples=200))[1].value
    assert exact == pytest.approx(np.mean(orders), abs=4 * np.std(orders) / 4000**0.5)


@given(
    st.lists(st.tuples(st.sampled_from([-1.0, 0.2, 0.5, 1.0]), st.booleans(), st.integers(0, 4)), min_size=1),
)
def test_wild_input_against_the_slow_way(rows):
    confidence, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    _, area = risk_coverage(confidence, right, Bootstrap([r[2] for r in rows], resamples=200))
    assert area.value == pytest.approx(slow_area(confidence, right), abs=1e-9)
    assert area.low is None or area.low <= area.high


def test_the_interval_is_that_of_the_slow_way_on_the_same_draws():
    rng = np.random.default_rng(2)
    confidence, groups = rng.random(90).round(1), np.arange(90) // 2
    right = rng.random(90) < 0.4 + 0.5 * confidence
    _, area = risk_coverage(confidence, right, Bootstrap(groups.tolist(), resamples=100, seed=3))
    weights = np.concatenate(list(Bootstrap(range(45), 100, 3).draws())).astype(int)[:, groups]
    drawn = np.array([slow_area(confidence, right, np.repeat(np.arange(90), row)) for row in weights])
    assert (area.low, area.high) == pytest.approx(percentile_bounds(drawn, clusters=45), abs=1e-9)


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite number"):
        risk_coverage(np.array([np.nan]), np.array([True]), [0])
    with pytest.raises(ValueError, match="at least one clip"):
        risk_coverage(np.array([]), np.array([], dtype=bool), [])
