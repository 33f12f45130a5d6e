"""When the first alarm is given before an event, by hand; and why the mean over thresholds must not be believed."""

import pytest

from vlm_autodrive.metrics import ScoredWindow, time_to_alert


def windows(chances, stride_s=1.0, length_s=4.0):
    """Windows that end at 4, 5, 6 ... s."""
    return [
        ScoredWindow(n * stride_s, n * stride_s + length_s, chance) for n, chance in enumerate(chances) if chance >= 0
    ]


def test_the_first_alarm_within_the_horizon_counts():
    # windows end at     4    5    6    7    8    9   10   11
    scored = {"a": windows([0.9, 0.1, 0.1, 0.6, 0.2, 0.8, 0.9, 0.9])}
    found = time_to_alert(scored, {"a": [10.5]}, 0.5)
    assert (found.events, found.warned.value, found.median_s.value) == (
        1,
        1.0,
        3.5,
    )  # at 7 s; the one at 4 s is too old
    assert (found.threshold, found.horizon_s) == (0.5, 5.0)
    assert time_to_alert(scored, {"a": [10.5]}, 0.7).median_s.value == 1.5
    assert time_to_alert(scored, {"a": [10.5]}, 0.7, 7.0).median_s.value == 6.5
    assert time_to_alert(scored, {"a": [10.5]}, 0.95).warned.value == 0.0
    assert time_to_alert(scored, {"a": [10.5]}, 0.95).median_s.value is None


def test_a_window_that_ends_at_the_event_or_later_warns_of_nothing():
    scored = {"a": windows([0.0, 0.0, 0.9, 0.9])}  # ends at 4, 5, 6, 7
    assert time_to_alert(scored, {"a": [6.0]}, 0.5).warned.value == 0.0
    assert time_to_alert(scored, {"a": [6.1]}, 0.5).median_s.value == pytest.approx(0.1)


def test_the_horizon_includes_its_end():
    assert time_to_alert({"a": windows([0.9])}, {"a": [9.0]}, 0.9).median_s.value == 5.0
    assert time_to_alert({"a": windows([0.9])}, {"a": [9.1]}, 0.9).warned.value == 0.0


def test_a_window_that_still_shows_an_event_does_not_warn_of_the_next():
    scored = {"a": windows([0.9] * 4 + [0.1] * 3)}  # all of the alarms show what happens at 3.5 s
    found = time_to_alert(scored, {"a": [9.0, 3.5]}, 0.5)
    assert (found.events, found.warned.value) == (2, 0.0)
    assert time_to_alert(scored, {"a": [9.0]}, 0.5).median_s.value == 5.0


def test_median_and_share_over_several_drives():
    scored = {"a": windows([0.9, 0.9]), "b": windows([0.1, 0.9]), "c": windows([0.1, 0.1]), "quiet": windows([0.2])}
    found = time_to_alert(scored, {"a": [6.0], "b": [6.0], "c": [6.0]}, 0.5)
    assert (found.events, found.warned.value, found.warned.method) == (3, pytest.approx(2 / 3), "wilson")
    assert (found.median_s.value, found.median_s.n) == (1.5, 2)  # of 2 s and 1 s
    assert (found.median_s.low, found.median_s.high) == (1.0, 2.0)
    three = time_to_alert(scored | {"d": windows([0.1, 0.8])}, {name: [6.0] for name in "abd"}, 0.5)
    assert (three.median_s.value, three.median_s.n) == (1.0, 3)


def test_events_of_one_drive_are_a_cluster():
    scored = {name: windows([0.9 if name in "aceg" else 0.1] * 60) for name in "abcdefgh"}
    found = time_to_alert(scored, {name: [10.0, 25.0, 40.0] for name in scored}, 0.5)
    assert (found.events, found.warned.value, found.warned.method) == (24, 0.5, "cluster bootstrap")


def test_no_events_and_no_windows():
    assert time_to_alert({"a": windows([0.9])}, {}, 0.5) is None
    found = time_to_alert({"a": []}, {"a": [3.0]}, 0.5)
    assert (found.events, found.warned.value, found.mean_s, found.mean_of_always_alarming_s) == (1, 0.0, None, None)


def test_the_mean_over_thresholds_by_hand():
    # ends at 4, 5, 6 s; the event is at 7 s: at 0.2 the alarm is 3 s ahead, at 0.5 it is 2 s, at 0.8 it is 1 s
    found = time_to_alert({"a": windows([0.2, 0.5, 0.8])}, {"a": [7.0]}, 0.5)
    assert found.mean_s == pytest.approx((3 + 2 + 1) / 3)
    assert found.mean_of_always_alarming_s == 3.0


def test_who_always_alarms_wins_the_mean_over_thresholds():
    """A detector that alarms exactly 0.5 s before every event, and never else, loses to one that never stops."""
    true = {name: [20.5, 40.5] for name in "abcd"}
    perfect = {name: windows([1.0 if end in (20, 40) else 0.0 for end in range(4, 60)]) for name in true}
    always = {name: windows([0.7] * 56) for name in true}
    sharp, dull = time_to_alert(perfect, true, 0.5), time_to_alert(always, true, 0.5)
    assert (sharp.warned.value, sharp.median_s.value) == (1.0, 0.5)
    assert dull.mean_s == 4.5 > sharp.mean_s
    assert sharp.mean_of_always_alarming_s == dull.mean_of_always_alarming_s == dull.mean_s
    only_its_alarms = {name: [w for w in scored if w.probability == 1.0] for name, scored in perfect.items()}
    assert time_to_alert(only_its_alarms, true, 0.5).mean_s == 0.5
