"""Golden results: each pin is computed afresh and compared with its file.

Where a result is meant to change, `python -m scripts.make_pins` writes the pins anew.
"""

import pytest

from scripts.make_pins import (
    comparison,
    differences,
    events,
    losses,
    read_pin,
    supervision,
)


def test_supervision_of_simulated_clips(tmp_path):
    assert differences(read_pin("supervision"), supervision(tmp_path)) == []


def test_a_comparison(tmp_path):
    assert differences(read_pin("comparison"), comparison(tmp_path)) == []


@pytest.mark.slow
def test_losses(tmp_path):
    assert differences(read_pin("losses"), losses(tmp_path)) == []


def test_events_of_videos(tmp_path):
    assert differences(read_pin("events"), events(tmp_path)) == []


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ({"a": [1, 2.0, "x", None, True]}, []),
        ({"a": [1, 2.00001, "x", None, True]}, []),
        ({"a": [1, 2.0001, "x", None, True]}, ["/a/1: 2.0 became 2.0001"]),
        ({"a": [1, 2, "x", None, True]}, ["/a/1: 2.0 became 2"]),
        ({"a": [2, 2.0, "x", None, 1]}, ["/a/0: 1 became 2", "/a/4: true became 1"]),
        ({"a": [1, 2.0, "y", None]}, ["/a: 5 became 4 entries", '/a/2: "x" became "y"']),
        ({"b": [1, 2.0, "x", None, True]}, [": a is missing", ": b is new"]),
    ],
)
def test_a_difference_is_found(made, found):
    assert differences({"a": [1, 2.0, "x", None, True]}, made) == found
