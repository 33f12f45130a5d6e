import pytest

from vlm_autodrive.metrics import Bootstrap, event_time_scores


def test_event_time_by_hand():
    scores = event_time_scores([1.0, 2.4, None, 9.0], [1.5, 2.0, 3.0, 5.0], Bootstrap(range(4)))
    assert (scores.n, scores.cited) == (4, 3)
    assert {name: figure.value for name, figure in scores.within.items()} == {"0.5": 0.5, "1": 0.5, "2": 0.5}
    assert scores.mean_error_s.value == pytest.approx((0.5 + 0.4 + 4.0) / 3)
    assert scores.mean_error_s.n == 3
    assert scores.constant_s == 2.5
    assert scores.constant_error_s.value == pytest.approx((1.0 + 0.5 + 0.5 + 2.5) / 4)
    assert scores.constant_within["0.5"].value == 0.5


def test_a_tolerance_includes_its_end_despite_rounding():
    assert event_time_scores([3.3], [2.8], Bootstrap([0])).within["0.5"].value == 1


def test_event_time_of_nothing():
    scores = event_time_scores([], [], Bootstrap([]))
    assert scores.constant_s is None
    assert scores.within["0.5"].value is None
    assert scores.mean_error_s.value is None


def test_clusters_reach_the_intervals():
    cited, true = [1.0] * 60, [1.0 if i // 3 % 2 else 3.0 for i in range(60)]
    alone = event_time_scores(cited, true, Bootstrap(range(60))).within["0.5"]
    grouped = event_time_scores(cited, true, Bootstrap([i // 3 for i in range(60)])).within["0.5"]
    assert grouped.high - grouped.low > 1.4 * (alone.high - alone.low)
