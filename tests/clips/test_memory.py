"""What a video takes of memory while a large catalog is cut."""

import sys

import pytest

from benchmarks.manifest_rows import measure

ROWS = 20_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_video_takes_less_than_a_kilobyte(tmp_path):
    small, large = measure(tmp_path, ROWS), measure(tmp_path, 2 * ROWS)
    assert large.peak - small.peak < 1000 * ROWS
