import itertools

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.events import consensus_interval, find_event_spans, merge_windows, refine_time
from vlm_autodrive.detection.scan import plan_windows
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome, Reasoning, WindowScore

SETTINGS = DetectSettings()


def score(start, end, chance, collision_share=0.8):
    if chance is None:
        return WindowScore(start_s=start, end_s=end, outcome=Outcome.ERROR, probabilities=None, reason="torn")
    parts = {"collision": chance * collision_share, "near_collision": chance * (1 - collision_share)}
    return WindowScore(start_s=start, end_s=end, outcome=Outcome.OK, probabilities={**parts, "normal": 1 - chance})


def oracle(duration, events, margin=0.0):
    """Windows that are certain of each event that lies inside them, ``margin`` from their edges."""
    windows = plan_windows(duration, SETTINGS.window_s, SETTINGS.stride_s)
    return [score(a, b, 0.95 if any(a + margin <= e <= b - margin for e in events) else 0.02) for a, b in windows]


@settings(deadline=None)
@given(st.floats(10, 200), st.floats(0, 1), st.sampled_from([0.0, 0.6, 1.2]))
@example(10.0, 0.671875, 0.6)  # moments of the same mean score, whose sums are rounded differently
def test_an_event_at_every_phase_is_found_once_and_close(duration, place, margin):
    time = place * duration
    assume(margin < time < duration - margin)
    (event,) = merge_windows(oracle(duration, [time], margin), SETTINGS, DEFAULT_TAXONOMY)
    inner = 4.8 < time < duration - 4.8
    assert event.time_s == pytest.approx(time, abs=SETTINGS.stride_s if inner else 2.4)
    assert event.start_s <= event.time_s <= event.end_s
    assert event.event_class == "collision"


@settings(deadline=None)
@given(st.floats(10, 40), st.floats(10.5, 30))
def test_events_far_apart_are_two(first, gap):
    events = merge_windows(oracle(90, [first, first + gap]), SETTINGS, DEFAULT_TAXONOMY)
    assert [e.time_s for e in events] == pytest.approx([first, first + gap], abs=1.3)


chances = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=60)


@settings(deadline=None)
@given(chances, st.floats(0.05, 1), st.floats(0, 6), st.integers(1, 3))
def test_merging_any_scores(values, threshold, gap, minimum):
    chosen = DetectSettings(threshold=threshold, merge_gap_s=gap, min_windows=minimum)
    spans = plan_windows(4.8 + 1.2 * (len(values) - 1), 4.8, 1.2)
    windows = [score(a, b, value) for (a, b), value in zip(spans, values, strict=True)]
    events = merge_windows(windows, chosen, DEFAULT_TAXONOMY)
    assert events == sorted(events, key=lambda e: e.time_s)
    counting = [w for w, v in zip(windows, values, strict=True) if v is not None and sum_events(w) >= threshold]
    for event in events:
        assert event.probability >= threshold
        assert event.start_s <= event.time_s <= event.end_s
        inside = [w for w in counting if event.start_s <= w.start_s and w.end_s <= event.end_s]
        assert len(inside) >= minimum
        assert event.probability == max(sum_events(w) for w in inside)
    if minimum == 1:
        assert all(any(e.start_s <= w.start_s and w.end_s <= e.end_s for e in events) for w in counting)
    spans = find_event_spans(windows, chosen, DEFAULT_TAXONOMY)
    assert all(a.last < b.first for a, b in itertools.pairwise(spans))


@settings(deadline=None)
@given(chances, st.floats(0, 6))
def test_a_wider_gap_never_gives_more_events(values, gap):
    spans = plan_windows(4.8 + 1.2 * (len(values) - 1), 4.8, 1.2)
    windows = [score(a, b, value) for (a, b), value in zip(spans, values, strict=True)]
    narrow = merge_windows(windows, DetectSettings(merge_gap_s=gap), DEFAULT_TAXONOMY)
    wide = merge_windows(windows, DetectSettings(merge_gap_s=gap + 1.5), DEFAULT_TAXONOMY)
    assert len(wide) <= len(narrow)


def sum_events(window):
    return min(1.0, window.probabilities["collision"] + window.probabilities["near_collision"])


def test_hysteresis_bridges_a_dip_and_keeps_weak_stretches_out():
    values = [0.0, 0.6, 0.35, 0.55, 0.0, 0.0, 0.0, 0.4, 0.4, 0.0]
    windows = [score(a, b, v) for (a, b), v in zip(plan_windows(15.6, 4.8, 1.2), values, strict=True)]
    (event,) = merge_windows(windows, DetectSettings(merge_gap_s=0), DEFAULT_TAXONOMY)
    assert (event.start_s, event.end_s) == pytest.approx((1.2, 8.4))
    assert event.probability == pytest.approx(0.6)


def test_the_class_is_the_likelier_event_class_of_the_peak():
    windows = [score(0, 4.8, 0.6, 0.9), score(1.2, 6, 0.9, 0.3), score(2.4, 7.2, 0.6, 0.9)]
    (event,) = merge_windows(windows, SETTINGS, DEFAULT_TAXONOMY)
    assert event.event_class == "near_collision"


def test_no_windows_no_events():
    assert merge_windows([], SETTINGS, DEFAULT_TAXONOMY) == []
    assert merge_windows([score(0, 2, None)], SETTINGS, DEFAULT_TAXONOMY) == []


def test_windows_that_border_on_an_event_and_are_nearly_as_sure_do_not_move_it():
    sure = {3: 0.93, 4: 0.96, 5: 0.999, 6: 0.999, 7: 0.999, 8: 0.999}  # the event lies in windows 5 to 8 alone
    windows = [score(a, b, sure.get(n, 0.02)) for n, (a, b) in enumerate(plan_windows(40, 4.8, 1.2))]
    (event,) = merge_windows(windows, SETTINGS, DEFAULT_TAXONOMY)
    assert windows[8].start_s <= event.time_s <= windows[5].end_s


def test_an_unreadable_hole_does_not_join_what_lies_far_apart():
    values = [0.9, *[None] * 20, 0.9]
    windows = [score(a, b, v) for (a, b), v in zip(plan_windows(30, 4.8, 1.2), values, strict=True)]
    assert len(merge_windows(windows, SETTINGS, DEFAULT_TAXONOMY)) == 2


@pytest.mark.parametrize(("told", "taken"), [(2.5, True), (0.1, False), (None, False)])
def test_the_reasonings_time_is_taken_where_the_windows_allow_it(told, taken):
    windows = oracle(40, [20.5])
    (span,) = find_event_spans(windows, SETTINGS, DEFAULT_TAXONOMY)
    (event,) = merge_windows(windows, SETTINGS, DEFAULT_TAXONOMY)
    interval = consensus_interval(windows, span, DEFAULT_TAXONOMY)
    peak = windows[span.peak + 1]
    reasoning = Reasoning(
        outcome=Outcome.OK, event_class="collision", trace="hm", cited_times_s=(), event_time_s=told, raw_text="hm"
    )
    refined = refine_time(event, reasoning, (peak.start_s, peak.end_s), interval, SETTINGS.stride_s)
    assert refined.reasoning == "hm"
    assert refined.time_s == pytest.approx(peak.start_s + told if taken else event.time_s)


def test_a_time_beyond_the_window_is_not_taken_though_the_event_goes_on_there():
    windows = oracle(40, [20.5])
    (event,) = merge_windows(windows, SETTINGS, DEFAULT_TAXONOMY)
    reasoning = Reasoning(
        outcome=Outcome.REPAIRED, event_class="collision", trace="", cited_times_s=(), event_time_s=2.5, raw_text="hm"
    )
    for window, taken in (
        ((event.time_s - 2, event.time_s + 1), True),
        ((event.time_s - 2, event.time_s + 0.4), False),
    ):
        told_s = window[0] + 2.5
        refined = refine_time(event, reasoning, window, (told_s, told_s), SETTINGS.stride_s)
        assert refined.time_s == pytest.approx(told_s if taken else event.time_s)


def test_a_causal_event_is_fixed_at_its_alarm_and_later_windows_change_nothing():
    def window(start, collision, near):
        chances = {"collision": collision, "near_collision": near, "normal": 1 - collision - near}
        return WindowScore(start_s=start, end_s=start + 4.0, outcome=Outcome.OK, probabilities=chances)

    rows = [(0.0, 0.0), (0.1, 0.6), (0.1, 0.7), (0.95, 0.0), (0.9, 0.0), (0.0, 0.0), (0.0, 0.0), (0.8, 0.0), (0.9, 0.0)]
    windows = [window(float(start), *chances) for start, chances in enumerate(rows)]
    settings = DetectSettings(window_s=4, stride_s=1, min_windows=2, merge_gap_s=1, causal=True)
    found = merge_windows(windows, settings, DEFAULT_TAXONOMY)
    whole = merge_windows(windows, settings.model_copy(update={"causal": False}), DEFAULT_TAXONOMY)
    assert [event.alert_time_s for event in found] == [event.alert_time_s for event in whole] == [6.0, 12.0]
    assert (found[0].event_class, whole[0].event_class) == ("near_collision", "collision")
    assert all(event.time_s <= event.end_s <= event.alert_time_s for event in found)
    for upto in range(3, len(windows) + 1):
        assert merge_windows(windows[:upto], settings, DEFAULT_TAXONOMY)[:1] == found[:1]
