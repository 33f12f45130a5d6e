"""Times that models write, in all spellings, and what must not be taken for one."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_autodrive.engines import is_in_clip, parse_class
from vlm_autodrive.engines.answers.times import cited_times, find_times, without_times
from vlm_autodrive.records import DEFAULT_TAXONOMY


@pytest.mark.parametrize(
    ("text", "times_s"),
    [
        ("At [t=1.0] and [t = 12.25 s], then [T=3] and t=4; not [5.0].", (1.0, 12.25, 3.0, 4.0)),
        ("At 01:23.45 and 1:23, or 00:00:03.2.", (83.45, 83.0, 3.2)),
        ("From <3.2 seconds> to <4.5 seconds>.", (3.2, 4.5)),
        ("[00:03 - 00:05] it brakes", (3.0, 5.0)),
        ("3.2s: brakes. 3.4 sec: skids. At 3.5 secs it hits.", (3.2, 3.4, 3.5)),
        ("Between 3.2 s and 4 s, from 5 to 6.5 seconds, 7-8 s", (3.2, 4.0, 5.0, 6.5, 7.0, 8.0)),
        ("at second 3.2, at the 4-second mark", (3.2, 4.0)),
        ("after <2.0 s>, within 0:09", (2.0, 9.0)),
        ("The clip ends, yet at 31.5 seconds and 12:34.56 it hits.", (31.5, 754.56)),
        ("at -1.0 s", (-1.0,)),
    ],
)
def test_times_are_read(text, times_s):
    assert cited_times(text) == times_s


@pytest.mark.parametrize(
    "text",
    [
        "2 lanes, 3.2 m, 10 m/s, 30 km/h, 9.8 m/s2, 16:9, 16:10, 2:1, 4 S-class cars, 50 %",
        "14:05:33, 2024-05-12 00:03:11, 12.05.2024 09:15, 3:15 pm, 14:05, 8:15 a.m.",
        "within 2 s, 2 seconds later, a gap of 1.5 s, a 2 s headway, for 2 to 3 seconds, takes 1-2 s, in about 4 s",
        "the first 3 seconds, the 8 s clip, a 3-second gap, TTC 1.2 s, time-to-collision is 1.2 s, the headway: 1.1 s",
        "the second 2 cars, lane 2, number 3, every second 3 cars, 1980s-style, 1,200 s, 3,2 s",
    ],
)
def test_what_is_no_moment_is_not_read(text):
    assert cited_times(text) == ()


SPELLINGS = {
    "[t={t:.2f}]": 2, "t={t:.1f}": 1, "t = {t:.2f} s": 2, "{t:.2f} s": 2, "{t:.1f}s": 1, "{t:.1f} seconds": 1,
    "<{t:.1f} seconds>": 1, "<{t:.2f}s>": 2, "second {t:.1f}": 1, "{m}:{s:05.2f}": 2, "{m:02d}:{s:05.2f}": 2,
    "00:{m:02d}:{s:05.2f}": 2, "{m}:{s:02.0f}": 0, "{m:02d}:{s:02.0f}": 0, "[{m:02d}:{s:05.2f}]": 2,
}  # fmt: skip
"""How a time may be spelled, and with how many decimals."""
SPELLED = st.tuples(st.sampled_from(sorted(SPELLINGS)), st.integers(0, 59_999))
NO_TIMES = st.lists(
    st.sampled_from(
        [
            "the car",
            "2 lanes",
            "3.2 m",
            "10 m/s",
            "16:9",
            "14:05:33",
            "50 km/h,",
            "brakes",
            "it is 1.5 s later",
            "A",
            ".",
        ]
    ),
    max_size=6,
).map(" ".join)


def spelled(form: str, hundredths: int) -> tuple[str, float]:
    """A time below ten minutes in one spelling, and what that says in seconds."""
    seconds = round(hundredths / 100, SPELLINGS[form])
    seconds = min(seconds, 599.0)
    minutes = int(seconds // 60)
    return form.format(t=seconds, m=minutes, s=round(seconds - 60 * minutes, 2)), seconds


@given(NO_TIMES, SPELLED, NO_TIMES, SPELLED, NO_TIMES)
@settings(max_examples=300, deadline=None)
def test_exactly_the_times_are_read(before, one, between, other, after):
    (first, first_s), (second, second_s) = spelled(*one), spelled(*other)
    text = f"{before} at {first}, {between} at {second}, {after}"
    assert cited_times(text) == pytest.approx((first_s, second_s))
    assert cited_times(without_times(text)) == ()


@given(st.text(max_size=60) | st.text("0123456789:. -[]<>ts=second", max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_text_can_be_read(text):
    found = find_times(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(earlier.end <= later.start for earlier, later in pairwise(found))


@given(st.sampled_from(["A", "Collision", "The answer is B", "Near-collision", "C", "no event"]), SPELLED)
@settings(max_examples=200, deadline=None)
def test_a_time_beside_the_answer_changes_no_class(answer, time):
    text, _ = spelled(*time)
    assert parse_class(f"{answer}\n{text}", DEFAULT_TAXONOMY) == parse_class(answer, DEFAULT_TAXONOMY)


def test_rounding_does_not_put_a_time_outside_the_clip():
    assert is_in_clip(6.05, 6.0) and is_in_clip(-0.05, 6.0)
    assert not is_in_clip(6.1, 6.0) and not is_in_clip(-0.1, 6.0)
