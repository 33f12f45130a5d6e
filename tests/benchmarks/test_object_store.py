"""The benchmark of a store compares what it says: a window's bytes, and the records of a run."""

import pytest

from benchmarks.object_store import bytes_needed, measured, run_equal
from tests.stores import write_noise


def test_a_window_needs_its_packets_and_the_index(tmp_path):
    video = write_noise(tmp_path / "drive.mp4", 10)
    needed = bytes_needed(video)
    assert needed(0.0, 10.0) < video.stat().st_size < 1.01 * needed(0.0, 10.0)
    assert needed(5.5, 6.0) == needed(5.0, 6.0) < needed(4.9, 6.0)


def test_bytes_are_counted_on_the_line(store, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    store.put(tmp_path / "a", "a")
    _, took_s, count = measured(store, lambda: store.read("a"))
    assert count == 0 and took_s > 0  # which the test itself reads beside the line


@pytest.mark.slow
def test_a_run_on_a_store_equals_one_in_local_folders(store, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTODRIVE_STORES", str(tmp_path / "stores"))
    assert "the records equal but for the paths" in run_equal(store, tmp_path, 2)
