import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.metrics import event_detection_metrics, match_events, temporal_iou


def test_matching_is_one_to_one_and_nearest_first():
    matching = match_events([10.0, 10.8, 30.0], [11.0, 50.0], 2.0)
    assert matching.pairs == ((1, 0),)
    assert matching.false_alarms == (0, 2)
    assert matching.missed == (1,)


def test_a_tolerance_includes_its_end_despite_rounding():
    assert match_events([3.3], [2.8], 0.5).pairs == ((0, 0),)


def test_matching_keeps_indices_in_any_order():
    matching = match_events([30.2, 10.1], [10.0, 30.0], 0.5)
    assert matching.pairs == ((1, 0), (0, 1))
    assert match_events([], [1.0], 1).missed == (0,)
    assert match_events([1.0], [], 1).false_alarms == (0,)


def test_detection_scores_by_hand():
    scores = event_detection_metrics(
        {"a": [10.0, 70.0], "b": [], "c": [5.0]},
        {"a": [10.5], "b": [20.0]},
        {"a": 0.5, "b": 0.5, "c": 1.0},
        2.0,
    )
    assert (scores.events, scores.found, scores.false_alarms, scores.hours) == (2, 1, 2, 2.0)
    assert scores.recall.value == 0.5
    assert scores.recall.method == "wilson"
    assert scores.false_alarms_per_hour.value == 1.0
    assert scores.false_alarms_per_hour.low == pytest.approx(0.2422 / 2, abs=1e-3)
    assert scores.false_alarms_per_hour.high == pytest.approx(7.2247 / 2, abs=1e-3)
    assert scores.mean_error_s == pytest.approx(0.5)
    assert "Only 3" in scores.warning


def test_events_of_one_video_are_a_cluster():
    hours = {f"v{i}": 0.1 for i in range(40)}
    true = {video: [10.0 * j for j in range(5)] for video in hours}
    detected = {video: true[video] if i % 2 else [] for i, video in enumerate(hours)}
    recall = event_detection_metrics(detected, true, hours, 1.0).recall
    assert recall.value == 0.5
    assert recall.method == "cluster bootstrap"
    assert recall.high - recall.low > 0.25


def test_videos_without_hours_are_refused():
    with pytest.raises(ValueError, match="b"):
        event_detection_metrics({"b": [1.0]}, {}, {"a": 1.0}, 1.0)


spans = st.lists(st.integers(0, 20), min_size=2, max_size=2).map(lambda times: tuple(sorted(times)))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 4), (2, 6), 2 / 6),
        ((0, 10), (4, 6), 0.2),
        ((1.5, 3.0), (1.5, 3.0), 1.0),
        ((0, 2), (2, 4), 0.0),
        ((0, 1), (5, 6), 0.0),
        ((2, 2), (0, 4), 0.0),
        ((2, 2), (2, 2), 1.0),
        ((2, 2), (3, 3), 0.0),
    ],
)
def test_temporal_iou_by_hand(first, second, expected):
    assert temporal_iou(first, second) == temporal_iou(second, first) == pytest.approx(expected)


@given(spans, spans)
def test_temporal_iou_counts_seconds_in_both_over_seconds_in_either(first, second):
    one, other = (set(range(a, b)) for a, b in (first, second))
    if one | other:
        assert temporal_iou(first, second) == pytest.approx(len(one & other) / len(one | other))


def test_a_span_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match="ends at 1 s cannot start at 2 s"):
        temporal_iou((2, 1), (0, 4))
