import itertools
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.scan import SHORTEST_SECTION_S, plan_windows

durations = st.floats(0.04, 300)
lengths = st.floats(0.5, 20)


@settings(deadline=None)
@given(durations, lengths, st.floats(0.05, 1.0))
def test_every_moment_is_covered_in_order(duration, window, part):
    windows = plan_windows(duration, window, max(0.1, window * part))
    assert windows[0][0] == 0
    assert windows[-1][1] == duration
    for (start, end), (next_start, next_end) in itertools.pairwise(windows):
        assert start < next_start <= end + 1e-6
        assert next_end > end
    for start, end in windows:
        assert end - start == pytest.approx(min(window, duration), abs=1e-5)


@settings(deadline=None)
@given(st.floats(4.8, 300), st.floats(0, 1), lengths, st.floats(0.1, 0.5))
def test_an_event_at_any_phase_lies_well_inside_a_window(duration, place, window, part):
    stride = window * part
    event = place * duration
    margin = max(min(event - start, end - event) for start, end in plan_windows(duration, window, stride))
    assert margin >= min((window - stride) / 2, event, duration - event) - 1e-5


def test_windows_by_hand():
    assert plan_windows(10, 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert plan_windows(9, 4, 2) == [(0, 4), (2, 6), (4, 8), (5, 9)]
    assert plan_windows(3, 4, 2) == [(0, 3)]
    assert plan_windows(4, 4, 2) == [(0, 4)]
    assert plan_windows(0, 4, 2) == []


def test_settings_that_would_leave_holes_are_refused():
    with pytest.raises(ValueError, match="stride_s"):
        DetectSettings(window_s=2, stride_s=3)
    with pytest.raises(ValueError, match="low_threshold"):
        DetectSettings(threshold=0.3, low_threshold=0.4)


@given(st.lists(st.floats(0.2, 40), min_size=1, max_size=6), st.floats(1, 10), st.floats(0.1, 1))
def test_no_window_lies_across_a_gap(lengths, window, part):
    edges = [round(sum(lengths[:i]), 6) for i in range(len(lengths) + 1)]
    windows = plan_windows(edges[-1], window, max(0.1, window * part), edges[1:-1])
    assert windows == sorted(windows)
    for from_s, to_s in pairwise(edges):
        inside = [w for w in windows if from_s - 1e-5 <= w[0] < to_s - 1e-5]
        if len(lengths) > 1 and to_s - from_s < SHORTEST_SECTION_S:
            assert not inside
            continue
        assert inside[0][0] == pytest.approx(from_s, abs=1e-5)
        assert max(end for _, end in inside) == pytest.approx(to_s, abs=1e-5)


def test_a_bad_file_of_thousands_of_tiny_sections_gives_no_thousands_of_windows():
    starts_s = [0.1 * n for n in range(1, 50_000)]
    assert plan_windows(5003.0, 4, 2, starts_s) == [(4999.9, 5003.0)]
