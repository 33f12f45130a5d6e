import numpy as np
import pytest
from scipy import stats

from vlm_autodrive.metrics import AlarmCounts, operating_point
from vlm_autodrive.metrics.intervals import poisson_rate
from vlm_autodrive.metrics.operating_points import best_choice, hours_to_promise


@pytest.mark.parametrize(("alarms", "hours"), [(0, 2.0), (3, 1.5), (40, 8.0)])
def test_a_rate_at_an_end_of_its_interval_gives_so_many_alarms_or_so_few_in_one_case_of_forty(alarms, hours):
    found = poisson_rate(alarms, hours)
    assert stats.poisson.cdf(alarms, found.high * hours) == pytest.approx(0.025)
    if alarms:
        assert stats.poisson.sf(alarms - 1, found.low * hours) == pytest.approx(0.025)
    else:
        assert found.low == 0


@pytest.mark.parametrize("rate", [0.1, 0.5, 12.0])
def test_the_hours_needed_are_those_after_which_no_alarm_leaves_the_rate(rate):
    hours = hours_to_promise(rate)
    assert hours == pytest.approx(3.6889 / rate, abs=1e-3 / rate)
    assert poisson_rate(0, hours).high == pytest.approx(rate)


def counts(found, alarms, events, hours=(1.0, 1.0, 1.0), thresholds=(0.9, 0.8, 0.7, 0.6), windows=(1,)):
    shape = (len(thresholds), len(windows), len(events))
    return AlarmCounts(
        thresholds=np.array(thresholds),
        min_windows=windows,
        found=np.array(found, dtype=float).reshape(shape),
        alarms=np.array(alarms, dtype=float).reshape(shape),
        events=np.array(events, dtype=float),
        hours=np.array(hours),
    )


def test_what_to_expect_is_counted_on_each_video_at_the_choice_of_the_others_by_hand():
    """One video has its false alarm already at 0.8; its two events are found from 0.7 on, those of the others at 0.9.

    With all videos, one alarm in three hours is allowed by a rate of 0.4, and so 0.7. Without the loud video there is
    no alarm in two hours, and 0.9, 0.8 and 0.7 do equally well: their middle, 0.8, brings its alarm and no event.
    Without either quiet one, an alarm in two hours is too many, and 0.9 finds the quiet one's event.
    """
    found = [[0, 1, 1], [0, 1, 1], [2, 1, 1], [2, 1, 1]]
    alarms = [[0, 0, 0], [1, 0, 0], [1, 0, 0], [5, 5, 5]]
    point = operating_point(counts(found, alarms, [2, 1, 1]), 0.4)
    assert point.threshold == 0.7
    assert (point.recall.value, point.recall.n) == (0.5, 4)
    assert point.false_alarms_per_hour.value == pytest.approx(1 / 3)


def test_a_higher_threshold_must_keep_to_the_rate_too():
    table = counts([[0], [1], [2], [3]], [[0], [9], [0], [0]], [3], hours=(1.0,))
    assert best_choice(table, 1.0, np.arange(1)) == (0, 0)
    assert best_choice(table, 9.0, np.arange(1)) == (3, 0)


def test_the_number_of_windows_with_the_widest_range_of_thresholds_is_taken():
    found = [[[0], [0], [0]], [[1], [1], [0]], [[1], [1], [1]], [[1], [1], [1]]]
    alarms = [[[0], [0], [0]], [[0], [0], [0]], [[1], [0], [0]], [[1], [1], [0]]]
    table = counts(found, alarms, [1], hours=(1.0,), windows=(1, 2, 3), thresholds=(0.9, 0.8, 0.6, 0.5))
    assert best_choice(table, 0.0, np.arange(1))[1] == 1  # 0.8 to 0.6 by two windows, 0.6 to 0.5 by three


def test_without_events_the_lowest_threshold_is_taken_and_the_recall_is_not_known():
    table = counts([[0, 0]] * 4, [[0, 0], [0, 0], [1, 1], [9, 9]], [0, 0], hours=(10.0, 10.0))
    point = operating_point(table, 0.1)
    assert (point.threshold, point.recall.value) == (0.7, None)
    assert point.false_alarms_per_hour.value == pytest.approx(0.1)


def test_no_threshold_is_told_as_none():
    point = operating_point(counts([[1]] * 4, [[5]] * 4, [1], hours=(1.0,)), 1.0)
    assert point.threshold is None
