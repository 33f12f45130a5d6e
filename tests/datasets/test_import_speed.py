"""A hundred thousand rows are imported in half a gigabyte."""

import pytest

from benchmarks import import_manifest


@pytest.mark.slow
def test_a_large_manifest(tmp_path):
    assert import_manifest.measure(tmp_path, 100_000, 0).peak_mb < 500


def test_a_small_one_with_videos(tmp_path):
    assert import_manifest.measure(tmp_path, 300, 20).peak_mb < 300
