import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.metrics import temporal_iou

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
def test_by_hand(first, second, expected):
    assert temporal_iou(first, second) == temporal_iou(second, first) == pytest.approx(expected)


@given(spans, spans)
def test_it_counts_seconds_in_both_over_seconds_in_either(first, second):
    one, other = (set(range(a, b)) for a, b in (first, second))
    if one | other:
        assert temporal_iou(first, second) == pytest.approx(len(one & other) / len(one | other))


def test_a_span_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match="ends at 1 s cannot start at 2 s"):
        temporal_iou((2, 1), (0, 4))
