"""The sampler's rule, on any frame times."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.video import SamplingSettings, target_frame_count
from vlm_autodrive.video.frame_sampler import sample_frames


def settings(fps=4.0, most=32):
    return SamplingSettings(fps=fps, max_frames=most, height=8, width=8)


gaps = st.lists(st.integers(1, 900).map(lambda ms: ms / 1000), min_size=0, max_size=120)
windows = st.tuples(st.integers(0, 8000), st.integers(200, 9000)).map(lambda w: (w[0] / 1000, (w[0] + w[1]) / 1000))
samplings = st.builds(settings, st.sampled_from([0.5, 1, 2, 10 / 3, 4, 8, 30]), st.sampled_from([2, 4, 8, 32]))


@given(gaps, windows, samplings)
def test_choice_obeys_the_rule_on_any_times(gaps_s, window, sampling):
    times = list(itertools.accumulate(gaps_s, initial=0.0))
    start, end = window
    chosen = sample_frames(times, start, end, sampling)
    inside = [i for i, t in enumerate(times) if start - 1e-6 <= t < end - 1e-6]
    wanted = target_frame_count(end - start, sampling)
    assert set(chosen) <= set(inside)
    assert all(a < b for a, b in itertools.pairwise(chosen))
    assert len(chosen) <= wanted
    if len(inside) <= wanted:
        assert chosen == inside
        return
    targets = [start + i * (end - start) / wanted for i in range(wanted)]
    nearest = {min(inside, key=lambda i: (round(abs(times[i] - target), 5), i)) for target in targets}
    assert set(chosen) == nearest


@given(st.sampled_from([10, 24, 25, 30, 60]), st.integers(0, 40), samplings)
def test_even_times_are_met_within_half_a_gap(fps, start_tenths, sampling):
    start = start_tenths / 10
    times = [i / fps for i in range(20 * fps)]
    chosen = sample_frames(times, start, start + 6, sampling)
    wanted = target_frame_count(6, sampling)
    if wanted <= 6 * fps:
        assert len(chosen) == wanted
        for i, index in enumerate(chosen):
            reach = 0.5 if i else 1  # the frame before the window's start is not to be had
            assert abs(times[index] - (start + i * 6 / wanted)) <= reach / fps + 2e-6


def test_count_is_even_and_bounded():
    assert target_frame_count(6.0, settings(10 / 3, 16)) == 16
    assert target_frame_count(10.0, settings(4, 64)) == 40
    assert target_frame_count(1.25, settings(4)) == 6  # 5 is odd
    assert target_frame_count(0.01, settings(4)) == 2
    assert target_frame_count(3600, settings(4, 32)) == 32


def test_ties_go_to_the_earlier_frame_and_ends_are_half_open():
    # 2 wanted, at 0 and 1: 0.5 and 1.5 are equally near to 1, and the frame at 2 lies outside
    assert sample_frames([0.0, 0.5, 1.5, 2.0], 0, 2, settings(1, 2)) == [0, 1]
    assert sample_frames([0.0, 1.0, 2.0, 3.0], 1, 3, settings(1, 2)) == [1, 2]


def test_a_gap_gives_one_frame_once():
    times = [0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 5.3]
    assert sample_frames(times, 0, 6, settings(1, 6)) == [0, 2, 3]


def test_no_frame_inside():
    assert sample_frames([0.0, 9.0], 1, 3, settings()) == []


def test_n_frames_is_so_many_however_long_the_window():
    sampling = SamplingSettings(n_frames=8, max_frames=32, height=8, width=8)
    assert {target_frame_count(seconds, sampling) for seconds in (0.5, 6, 3600)} == {8}
    times = [i / 30 for i in range(300)]
    assert sample_frames(times, 0, 8, sampling) == [30 * i for i in range(8)]


def test_a_token_budget_thins_the_frames():
    grid = {"token_pixels": 28, "height": 224, "width": 448}  # 8 x 16 tokens a pair of frames
    sampling = SamplingSettings(fps=4, max_frames=64, token_budget=1300, **grid)
    assert sampling.pair_tokens == 128
    assert target_frame_count(10, sampling) == 20  # 10 pairs of 128 tokens
    assert target_frame_count(2, sampling) == 8  # what fps asks for costs less
    other = SamplingSettings(fps=4, max_frames=64, token_budget=1300, **{**grid, "token_pixels": 32})
    assert target_frame_count(10, other) == 26  # 7 x 14 tokens a pair: Qwen3-VL's are larger


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_frames": 7}, "n_frames must be even"),
        ({"n_frames": 64}, "more than max_frames=32"),
        ({"token_budget": 500}, "token_budget needs token_pixels"),
        ({"token_budget": 100, "token_pixels": 28}, "costs 128 tokens, more than token_budget=100"),
        ({"token_budget": 500, "token_pixels": 28, "height": 230}, "multiples of token_pixels=28"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        SamplingSettings(**wrong)


def test_settings_that_are_not_set_are_not_written_so_older_results_stay_current():
    assert set(SamplingSettings().model_dump()) == {"fps", "max_frames", "height", "width"}
    again = SamplingSettings(n_frames=4)
    assert SamplingSettings.model_validate_json(again.model_dump_json()) == again
